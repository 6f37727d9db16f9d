/**
 * Spelling on the wire -> lower-case name. A lookup is cheaper than `toLowerCase`, and yields the same string object
 * each time, which makes the comparisons that follow comparisons of pointers.
 */
const names = new Map<string, string>();
/** Peers choose the keys, so the table stops growing here; later names are lowered one by one. */
const LIMIT = 4096;

export function lowerName(spelling: string): string {
  const known = names.get(spelling);
  if (known !== undefined) return known;
  const lower = spelling.toLowerCase();
  if (names.size < LIMIT && spelling.length <= 64) names.set(spelling, names.get(lower) ?? lower);
  return lower;
}

/** `content-type` -> `Content-Type`: Envoy's proper_case_words. */
export function properCase(name: string): string {
  return name.replace(/(^|[^a-zA-Z0-9])([a-z])/g, (_, before: string, letter: string) => before + letter.toUpperCase());
}

// Literals are internalized by the engine; seeding the table with them keeps `name === 'host'` a pointer comparison.
for (const name of [
  'accept',
  'accept-encoding',
  'accept-language',
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'date',
  'etag',
  'expect',
  'grpc-timeout',
  'host',
  'keep-alive',
  'last-modified',
  'location',
  'origin',
  'proxy-connection',
  'referer',
  'server',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'vary',
  'via',
  'x-b3-sampled',
  'x-b3-spanid',
  'x-b3-traceid',
  'x-envoy-attempt-count',
  'x-envoy-decorator-operation',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-external-address',
  'x-envoy-internal',
  'x-envoy-peer-metadata',
  'x-envoy-peer-metadata-id',
  'x-envoy-upstream-service-time',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
]) {
  names.set(name, name);
  names.set(properCase(name), name);
}
