import type { DnsCacheConfig } from '../../../api/gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { SocketAddress } from '../../net/connection.ts';

/** A name that somebody asked for, with what is known of it. */
export interface CachedName {
  /** Host and port as one text: `example.com:443`. */
  readonly key: string;
  /** In the order of the answer; none while nobody knows, and if there are none. */
  readonly addresses: readonly SocketAddress[];
  /** Why there is no address; empty as long as nobody knows. */
  readonly failure: string;
}

/** What becomes of a request for a name. */
export type Lookup =
  | { readonly kind: 'known'; readonly name: CachedName }
  /** The answer comes later; `cancel` for those who no longer want it. */
  | { readonly kind: 'pending'; cancel(): void }
  /** There are as many names as there may be. */
  | { readonly kind: 'overflow' }
  /** There wait as many requests as may. */
  | { readonly kind: 'pending-overflow' };

/** Told of the addresses of every name of a cache. */
export interface CacheListener {
  /** A name has its first address, or another one. */
  onAddress(name: CachedName): void;
  onRemoved(name: CachedName): void;
}

/** Addresses of names that requests bring. */
export interface NameCache {
  /**
   * Looks for a host, with a port or for the default one. `onAnswer` comes once if the lookup is pending, also if there
   * is no address.
   */
  lookUp(authority: string, defaultPort: number, onAnswer: (name: CachedName) => void): Lookup;
  /** Notes that a name is in use. */
  touch(key: string): void;
  /** Those that have addresses; more is told to the listener. */
  listen(listener: CacheListener): { readonly names: readonly CachedName[]; stop(): void };
}

/** A share in a cache that others use as well. */
export interface CacheLease {
  readonly cache: NameCache;
  /** Gives the share back; a cache that nobody has a share in goes. */
  release(): void;
}

/** Where filters and clusters get their caches of names. */
export interface DnsCacheSource {
  /** The cache of a name. Undefined if something is wrong with its configuration, which is in the errors then. */
  acquire(proto: DnsCacheConfig | undefined, errors: ConfigErrors): CacheLease | undefined;
}
