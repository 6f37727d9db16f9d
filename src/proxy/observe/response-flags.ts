/** Envoy's response flags as bits. */
export const ResponseFlag = {
  FailedLocalHealthCheck: 1 << 0,
  NoHealthyUpstream: 1 << 1,
  UpstreamRequestTimeout: 1 << 2,
  LocalReset: 1 << 3,
  UpstreamRemoteReset: 1 << 4,
  UpstreamConnectionFailure: 1 << 5,
  UpstreamConnectionTermination: 1 << 6,
  UpstreamOverflow: 1 << 7,
  NoRouteFound: 1 << 8,
  DelayInjected: 1 << 9,
  FaultInjected: 1 << 10,
  RateLimited: 1 << 11,
  UnauthorizedExternalService: 1 << 12,
  RateLimitServiceError: 1 << 13,
  DownstreamConnectionTermination: 1 << 14,
  UpstreamRetryLimitExceeded: 1 << 15,
  StreamIdleTimeout: 1 << 16,
  InvalidEnvoyRequestHeaders: 1 << 17,
  DownstreamProtocolError: 1 << 18,
  UpstreamMaxStreamDurationReached: 1 << 19,
  ResponseFromCacheFilter: 1 << 20,
  NoFilterConfigFound: 1 << 21,
  DurationTimeout: 1 << 22,
  UpstreamProtocolError: 1 << 23,
  NoClusterFound: 1 << 24,
  OverloadManager: 1 << 25,
  DnsResolutionFailed: 1 << 26,
  DropOverload: 1 << 27,
  DownstreamRemoteReset: 1 << 28,
  UnconditionalDropOverload: 1 << 29,
} as const;

const NAMES: readonly (readonly [short: string, long: string])[] = [
  ['LH', 'FailedLocalHealthCheck'],
  ['UH', 'NoHealthyUpstream'],
  ['UT', 'UpstreamRequestTimeout'],
  ['LR', 'LocalReset'],
  ['UR', 'UpstreamRemoteReset'],
  ['UF', 'UpstreamConnectionFailure'],
  ['UC', 'UpstreamConnectionTermination'],
  ['UO', 'UpstreamOverflow'],
  ['NR', 'NoRouteFound'],
  ['DI', 'DelayInjected'],
  ['FI', 'FaultInjected'],
  ['RL', 'RateLimited'],
  ['UAEX', 'UnauthorizedExternalService'],
  ['RLSE', 'RateLimitServiceError'],
  ['DC', 'DownstreamConnectionTermination'],
  ['URX', 'UpstreamRetryLimitExceeded'],
  ['SI', 'StreamIdleTimeout'],
  ['IH', 'InvalidEnvoyRequestHeaders'],
  ['DPE', 'DownstreamProtocolError'],
  ['UMSDR', 'UpstreamMaxStreamDurationReached'],
  ['RFCF', 'ResponseFromCacheFilter'],
  ['NFCF', 'NoFilterConfigFound'],
  ['DT', 'DurationTimeout'],
  ['UPE', 'UpstreamProtocolError'],
  ['NC', 'NoClusterFound'],
  ['OM', 'OverloadManagerTerminated'],
  ['DF', 'DnsResolutionFailed'],
  ['DO', 'DropOverload'],
  ['DR', 'DownstreamRemoteReset'],
  ['UDO', 'UnconditionalDropOverload'],
];

/**
 * Envoy tells flags as they came: a delay before all else, and that the retries of a request are used up before why the
 * last one failed. Of a connection it is the other way round.
 */
const EARLY: readonly number[] = [ResponseFlag.DelayInjected, ResponseFlag.UpstreamRetryLimitExceeded];
const OF_CONNECTION: readonly number[] = NAMES.map((_, bit) => 1 << bit);
const OF_REQUEST: readonly number[] = [...OF_CONNECTION].sort(
  (a, b) => Number(EARLY.includes(b)) - Number(EARLY.includes(a)),
);

function namesOf(flags: number, ofConnection: boolean): (readonly [short: string, long: string])[] {
  return (ofConnection ? OF_CONNECTION : OF_REQUEST)
    .filter((bit) => flags & bit)
    .map((bit) => NAMES[31 - Math.clz32(bit)]);
}

const known = new Map<number, string>([[0, '-']]);

/** `URX,UF`, or `-` if there are none: `%RESPONSE_FLAGS%`. */
export function formatFlags(flags: number, ofConnection = false): string {
  const key = ofConnection ? -flags : flags;
  let text = known.get(key);
  if (text === undefined) {
    text = namesOf(flags, ofConnection)
      .map(([short]) => short)
      .join(',');
    known.set(key, text);
  }
  return text;
}

/** `%RESPONSE_FLAGS_LONG%`. */
export function formatFlagsLong(flags: number, ofConnection = false): string {
  if (flags === 0) return '-';
  return namesOf(flags, ofConnection)
    .map(([, long]) => long)
    .join(',');
}

/** The bit of a short name, or undefined: access log filters name flags that way. */
export function flagByName(short: string): number | undefined {
  const bit = NAMES.findIndex(([name]) => name === short);
  return bit < 0 ? undefined : 1 << bit;
}
