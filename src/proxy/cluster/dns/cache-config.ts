import { toBinary } from '@bufbuild/protobuf';
import {
  DnsCacheConfigSchema,
  type DnsCacheConfig as Proto,
} from '../../../api/gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';
import { FAMILIES, refresh, resolverOptions } from './config.ts';
import type { LookupFamily, ResolverOptions } from './resolver.ts';

/** `envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig` with Envoy's defaults. Times in milliseconds. */
export interface DnsCacheConfig {
  /** Filters and clusters that name the same cache share it. */
  readonly name: string;
  /** Bytes of the message: two that share a name have to be equal. */
  readonly identity: string;
  readonly family: LookupFamily;
  readonly resolver: ResolverOptions;
  /** When a name is asked for again that could not be resolved, or whose answer says nothing of how long it is good for. */
  readonly refreshMs: number;
  /** An answer is not asked for again sooner, however short its TTL. */
  readonly minRefreshMs: number;
  /** Exponential from the first to the second; undefined for the same as `refreshMs`. */
  readonly failureRefreshMs: readonly [base: number, max: number] | undefined;
  /** A name that nobody asked for in this time is forgotten. */
  readonly hostTtlMs: number;
  readonly maxHosts: number;
  /** Requests that may wait for answers at a time. */
  readonly maxPending: number;
  readonly queryTimeoutMs: number;
  /** Names that are resolved before anybody asks for them. */
  readonly preresolve: readonly { readonly host: string; readonly port: number }[];
}

const DEFAULT_REFRESH_MS = 60_000;
const DEFAULT_MIN_REFRESH_MS = 5000;
const DEFAULT_HOST_TTL_MS = 300_000;
const DEFAULT_MAX_HOSTS = 1024;
const DEFAULT_MAX_PENDING = 1024;
const DEFAULT_QUERY_TIMEOUT_MS = 5000;

/** Reads a DnsCacheConfig; `otherwise` is the resolver of the bootstrap. */
export function dnsCacheConfig(
  proto: Proto | undefined,
  otherwise: ResolverOptions,
  errors: ConfigErrors,
): DnsCacheConfig | undefined {
  if (proto === undefined) {
    errors.add('', 'is needed');
    return undefined;
  }
  if (proto.name === '') errors.add('name', 'must not be empty');
  const { refreshMs, failureRefreshMs } = refresh(proto, errors, DEFAULT_REFRESH_MS);
  const minRefreshMs = durationMs(proto.dnsMinRefreshRate, DEFAULT_MIN_REFRESH_MS);
  if (minRefreshMs < 1000) errors.add('dns_min_refresh_rate', 'must be at least 1 s');
  const hostTtlMs = durationMs(proto.hostTtl, DEFAULT_HOST_TTL_MS);
  if (hostTtlMs <= 0) errors.add('host_ttl', 'must be above 0');
  const maxHosts = proto.maxHosts ?? DEFAULT_MAX_HOSTS;
  if (maxHosts <= 0) errors.add('max_hosts', 'must be above 0');
  return {
    name: proto.name,
    identity: Buffer.from(toBinary(DnsCacheConfigSchema, proto)).toString('latin1'),
    family: FAMILIES[proto.dnsLookupFamily],
    resolver: resolverOptions(proto, otherwise, errors),
    refreshMs,
    minRefreshMs,
    failureRefreshMs,
    hostTtlMs,
    maxHosts,
    maxPending: proto.dnsCacheCircuitBreaker?.maxPendingRequests ?? DEFAULT_MAX_PENDING,
    queryTimeoutMs: durationMs(proto.dnsQueryTimeout, DEFAULT_QUERY_TIMEOUT_MS),
    preresolve: proto.preresolveHostnames.map(({ address, portSpecifier }, i) => {
      const port = portSpecifier.case === 'portValue' ? portSpecifier.value : 0;
      if (port === 0) errors.at('preresolve_hostnames').at(i).add('port_value', 'is needed');
      return { host: address, port };
    }),
  };
}
