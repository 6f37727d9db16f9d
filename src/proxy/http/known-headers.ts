import type { Headers } from '../../wire/headers.ts';

/** What a look at the names of a message can tell; bits. */
export const Trait = {
  /** Something that belongs to one connection (RFC 9110 section 7.6.1). */
  HopByHop: 1,
  /** Something that steers Envoy and may only come from inside. */
  Steering: 2,
  /** Where a request came from, as its client tells. */
  Referer: 4,
  /** A header that Envoy keeps once came more than once. */
  Repeated: 8,
} as const;

/** Headers that belong to one connection. */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'transfer-encoding',
  'keep-alive',
  'proxy-connection',
  'upgrade',
  'te',
]);

/** Removed from requests that do not come from inside (Envoy's `cleanInternalHeaders`). */
export const STEERING: ReadonlySet<string> = new Set([
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-max-retries',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-stream-duration-ms',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-force-trace',
  'x-envoy-ip-tags',
  'x-envoy-original-url',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-internal',
]);

/** Removed as well from requests at the edge: what only another Envoy may have said. */
export const EDGE_STEERING: ReadonlySet<string> = new Set([
  'x-envoy-decorator-operation',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
  'x-envoy-original-path',
  'x-envoy-original-host',
]);

/** Headers that Envoy keeps in one place of each message: values of a second one are appended after a comma. */
const ONCE_IN_REQUESTS = [
  'accept',
  'accept-encoding',
  'access-control-request-headers',
  'access-control-request-method',
  'access-control-request-private-network',
  'authorization',
  'cache-control',
  'cdn-loop',
  'content-type',
  'content-encoding',
  'expect',
  'grpc-timeout',
  'grpc-accept-encoding',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'origin',
  'pragma',
  'referer',
  'user-agent',
  'via',
  'x-client-trace-id',
  'x-envoy-attempt-count',
  'x-envoy-external-address',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-request-id',
  ...STEERING,
  ...EDGE_STEERING,
];

const ONCE_IN_RESPONSES = [
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'access-control-expose-headers',
  'access-control-max-age',
  'age',
  'cache-control',
  'content-encoding',
  'content-type',
  'date',
  'etag',
  'expires',
  'grpc-message',
  'grpc-status',
  'last-modified',
  'location',
  'server',
  'vary',
  'via',
  'x-envoy-attempt-count',
  'x-envoy-decorator-operation',
  'x-envoy-degraded',
  'x-envoy-immediate-health-check-fail',
  'x-envoy-ratelimited',
  'x-envoy-upstream-healthchecked-cluster',
  'x-envoy-upstream-service-time',
  'x-request-id',
];

const TRAIT_BITS = 3;
const WORD = 32;

/** Name -> its number among those that are kept once, above the bits of its traits. */
export type KnownHeaders = ReadonlyMap<string, number>;

function known(once: readonly string[]): KnownHeaders {
  const names = [...new Set([...HOP_BY_HOP, ...once])];
  return new Map(
    names.map((name, number) => {
      const hop = HOP_BY_HOP.has(name) ? Trait.HopByHop : 0;
      const steering = STEERING.has(name) || EDGE_STEERING.has(name) ? Trait.Steering : 0;
      const referer = name === 'referer' ? Trait.Referer : 0;
      return [name, (number << TRAIT_BITS) | hop | steering | referer];
    }),
  );
}

export const REQUEST_HEADERS = known(ONCE_IN_REQUESTS);
export const RESPONSE_HEADERS = known(ONCE_IN_RESPONSES);

/** Looks at each name once; returns the traits that were found, as bits of {@link Trait}. */
export function survey(headers: Headers, table: KnownHeaders): number {
  let found = 0;
  let low = 0;
  let middle = 0;
  let high = 0;
  for (let i = 0; i < headers.size; i++) {
    const entry = table.get(headers.nameAt(i));
    if (entry === undefined) continue;
    found |= entry & (Trait.HopByHop | Trait.Steering | Trait.Referer);
    const number = entry >> TRAIT_BITS;
    const bit = 1 << (number & (WORD - 1));
    if (number < WORD) {
      if (low & bit) found |= Trait.Repeated;
      low |= bit;
    } else if (number < 2 * WORD) {
      if (middle & bit) found |= Trait.Repeated;
      middle |= bit;
    } else {
      if (high & bit) found |= Trait.Repeated;
      high |= bit;
    }
  }
  return found;
}
