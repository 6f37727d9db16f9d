import type { Any } from '@bufbuild/protobuf/wkt';
import type { ExtensionConfigSource } from '../../api/gen/envoy/config/core/v3/config_source_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { ExtensionConfigs } from '../extension-config.ts';
import type { InitTarget, NetworkFilterFactory } from './network-filter.ts';

/** A network filter with `config_discovery`. */
interface Request {
  readonly extensions: ExtensionConfigs;
  readonly name: string;
  readonly source: ExtensionConfigSource;
  compile(any: Any, errors: ConfigErrors): NetworkFilterFactory | undefined;
  waitFor(target: InitTarget): void;
  /** Whether it is the last one of its chain, which must be a terminal one, as no other may be. */
  readonly last: boolean;
}

/** Where it stands says what it has to be before anything has come. Undefined if something is wrong (see the errors). */
export function discoverNetworkFilter(request: Request, errors: ConfigErrors): NetworkFilterFactory | undefined {
  const { extensions, name, source, waitFor, last } = request;
  const compile = (any: Any, at: ConfigErrors) => {
    const made = request.compile(any, at);
    if (made !== undefined && made.terminal !== last) {
      at.add('typed_config', `must ${last ? '' : 'not '}be that of a terminal filter, where the filter stands`);
    }
    return made;
  };
  const extension = extensions.discover<NetworkFilterFactory>(
    { kind: 'network_filter', name, source, waitFor, compile },
    errors,
  );
  if (extension === undefined) return undefined;
  const dispose = () => extension.dispose();
  if (!last) {
    return {
      terminal: false,
      get missing() {
        return extension.current === undefined;
      },
      create(callbacks) {
        const { current } = extension;
        return current?.terminal === false ? current.create(callbacks) : undefined;
      },
      dispose,
    };
  }
  return {
    terminal: true,
    get missing() {
      return extension.current === undefined;
    },
    create(callbacks) {
      const { current } = extension;
      if (current?.terminal !== true) throw new Error(`filter ${name} has no configuration`);
      return current.create(callbacks);
    },
    refused(callbacks) {
      const { current } = extension;
      if (current?.terminal) current.refused?.(callbacks);
    },
    dispose,
  };
}
