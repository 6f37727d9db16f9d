import type { DescriptorEntry } from '../../config/kinds/shared/rate-limits.ts';

/** Envoy's rate limit action that makes an entry of a descriptor. */
export function rateLimitAction(entry: DescriptorEntry): object {
  const { generic_key: generic, request_headers: header } = entry;
  if (generic !== undefined) return { generic_key: generic };
  if (header !== undefined) return { request_headers: header };
  if (entry.source_cluster !== undefined) return { source_cluster: {} };
  if (entry.destination_cluster !== undefined) return { destination_cluster: {} };
  return { remote_address: {} };
}
