import type { TypedExtensionConfig } from '../../api/gen/envoy/config/core/v3/extension_pb.ts';
import type { Patch } from '../index/envoy-filters.ts';
import type { PatchContext, PatchSet } from './patch-set.ts';

const CONTEXTS: readonly PatchContext[] = ['SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY'];

/** The extension configuration of that name that an EnvoyFilter adds (`applyTo: EXTENSION_CONFIG`); the first counts. */
export function addedExtension(
  patches: PatchSet,
  name: string,
): { readonly value: TypedExtensionConfig; readonly patch: Patch } | undefined {
  for (const context of CONTEXTS) {
    for (const { operation, patch, value } of patches.for('EXTENSION_CONFIG', context)) {
      const config = value as TypedExtensionConfig | undefined;
      if (operation === 'ADD' && config?.name === name) return { value: config, patch };
    }
  }
  return undefined;
}
