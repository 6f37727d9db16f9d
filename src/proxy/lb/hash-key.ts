import { wireForm } from '../../base/bytes.ts';
import type { Host } from '../cluster/host.ts';

/**
 * What a host is known by in a hash table: `hash_key` of its `envoy.lb` metadata, else its hostname where
 * `use_hostname_for_hashing` says so, else its address with port.
 */
export function hashKey(host: Host, useHostname: boolean): string {
  const key = host.description.metadata.get('envoy.lb')?.hash_key;
  if (typeof key === 'string' && key !== '') return wireForm(key);
  return useHostname ? host.description.hostname : host.name;
}
