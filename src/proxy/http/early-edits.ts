import type { TypedExtensionConfig } from '../../api/gen/envoy/config/core/v3/extension_pb.ts';
import {
  type HeaderMutation,
  HeaderMutationSchema,
} from '../../api/gen/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.ts';
import { typeNameOf } from '../../api/registry.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { checkSupported } from '../config/supported.ts';
import { decodeConfig } from '../config/typed-config.ts';
import type { HeaderEdits } from '../router/header-edits.ts';
import { headerMutations } from '../router/header-mutations.ts';
import { SUPPORTED as ROUTE } from '../router/supported.ts';

const SUPPORTED = { ...ROUTE, [HeaderMutationSchema.typeName]: ['mutations'] };

/** `early_header_mutation_extensions`: what is done to a request before anything is decided by its headers. */
export function earlyEdits(extensions: readonly TypedExtensionConfig[], errors: ConfigErrors): readonly HeaderEdits[] {
  return extensions.flatMap(({ typedConfig }, i): readonly HeaderEdits[] => {
    const at = errors.at(i).at('typed_config');
    if (typeNameOf(typedConfig?.typeUrl ?? '') !== HeaderMutationSchema.typeName) {
      at.add('', `${typedConfig?.typeUrl ?? 'nothing'} is not supported`);
      return [];
    }
    const config = decodeConfig(HeaderMutationSchema, typedConfig, at) as HeaderMutation | undefined;
    if (config === undefined) return [];
    checkSupported(HeaderMutationSchema, config, SUPPORTED, at);
    return headerMutations(config.mutations, at.at('mutations'));
  });
}
