/**
 * What a header field is to HTTP/2, decided once when its name or value is first decoded and kept with it in the tables
 * (RFC 9113 sections 8.2 and 8.3).
 */
export const FieldKind = {
  Regular: 0,
  Cookie: 1,
  ContentLength: 2,
  Host: 3,
  /** `te: trailers`; any other value of it makes the field invalid. */
  Te: 4,
  /** The pseudo-headers: everything from here up. */
  Method: 5,
  Scheme: 6,
  Authority: 7,
  Path: 8,
  Status: 9,
  Protocol: 10,
  /** A name or value that makes the message malformed, or a field that belongs to one connection only. */
  Invalid: 11,
} as const;
export type FieldKind = (typeof FieldKind)[keyof typeof FieldKind];

/** A field name. There is one object for each, so that names decoded twice are the same string. */
export interface FieldName {
  readonly text: string;
  readonly kind: FieldKind;
}

const NOT_VALUE = 1;
const NOT_PATH = 2;
const NOT_AUTHORITY = 4;
const NOT_TOKEN = 8;
const NOT_SCHEME = 16;
const UPPER = 32;

/** What each byte may not be part of. */
const BYTES = new Uint8Array(256);
const forbid = (flag: number, allowed: (byte: number, char: string) => boolean) => {
  for (let i = 0; i < 256; i++) if (!allowed(i, String.fromCharCode(i))) BYTES[i] |= flag;
};
forbid(NOT_VALUE, (byte) => byte === 9 || (byte >= 32 && byte !== 127));
forbid(NOT_PATH, (byte) => byte > 32 && byte !== 127);
forbid(NOT_AUTHORITY, (_, char) => /[-A-Za-z0-9._~%!$&'()*+,;=:[\]]/.test(char));
forbid(NOT_TOKEN, (_, char) => /[-!#$%&'*+.^_`|~0-9A-Za-z]/.test(char));
forbid(NOT_SCHEME, (_, char) => /[-+.A-Za-z0-9]/.test(char));
forbid(UPPER, (_, char) => !/[A-Z]/.test(char));

/** By {@link FieldKind}: the bytes that the value must not have. */
const VALUE_RULE = Uint8Array.of(
  NOT_VALUE,
  NOT_VALUE,
  NOT_VALUE,
  NOT_AUTHORITY,
  NOT_VALUE,
  NOT_TOKEN,
  NOT_SCHEME,
  NOT_AUTHORITY,
  NOT_PATH,
  NOT_VALUE,
  NOT_TOKEN,
  0,
);

/** Whether `start` to `end` of `bytes` may be the value of such a field. Pseudo-headers may not be empty. */
export function validValue(kind: FieldKind, bytes: Uint8Array, start: number, end: number): boolean {
  let found = 0;
  for (let i = start; i < end; i++) found |= BYTES[bytes[i]];
  return (found & VALUE_RULE[kind]) === 0 && (start < end || kind < FieldKind.Method);
}

const names = new Map<string, FieldName>();
/** Peers choose the names, so the table stops growing here. */
const LIMIT = 4096;
const LONGEST = 64;

/** The one object for a name that the house itself wrote, so that it is known to be well-formed. */
function define(text: string, kind: FieldKind = FieldKind.Regular): void {
  names.set(text, { text, kind });
}

/** The name that stands in `text`, whose bytes `start` to `end` of `bytes` are. */
export function fieldName(text: string, bytes: Uint8Array, start: number, end: number): FieldName {
  const known = names.get(text);
  if (known !== undefined) return known;
  let found = 0;
  for (let i = start; i < end; i++) found |= BYTES[bytes[i]];
  const valid = start < end && (found & (NOT_TOKEN | UPPER)) === 0;
  const name: FieldName = { text, kind: valid ? FieldKind.Regular : FieldKind.Invalid };
  if (valid && names.size < LIMIT && text.length <= LONGEST) names.set(text, name);
  return name;
}

/** The name that stands in `text`, a latin1 string. */
export function nameOf(text: string): FieldName {
  const bytes = Buffer.from(text, 'latin1');
  return fieldName(text, bytes, 0, bytes.length);
}

define(':method', FieldKind.Method);
define(':scheme', FieldKind.Scheme);
define(':authority', FieldKind.Authority);
define(':path', FieldKind.Path);
define(':status', FieldKind.Status);
define(':protocol', FieldKind.Protocol);
define('cookie', FieldKind.Cookie);
define('content-length', FieldKind.ContentLength);
define('host', FieldKind.Host);
define('te', FieldKind.Te);
for (const name of ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']) {
  define(name, FieldKind.Invalid);
}
// Literals are internalized by the engine; a name that is found here compares as a pointer with the literals elsewhere.
for (const name of [
  'b3',
  'baggage',
  'grpc-accept-encoding',
  'grpc-encoding',
  'grpc-message',
  'grpc-status',
  'grpc-status-details-bin',
  'grpc-timeout',
  'origin',
  'traceparent',
  'tracestate',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-spanid',
  'x-b3-traceid',
  'x-envoy-attempt-count',
  'x-envoy-decorator-operation',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-external-address',
  'x-envoy-internal',
  'x-envoy-original-path',
  'x-envoy-peer-metadata',
  'x-envoy-peer-metadata-id',
  'x-envoy-upstream-service-time',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
]) {
  define(name);
}

/** The static table (RFC 7541 appendix A): name and value by index, from 1 on. */
export const STATIC_NAMES: FieldName[] = [{ text: '', kind: FieldKind.Invalid }];
export const STATIC_VALUES: string[] = [''];
for (const [text, ...values] of [
  [':authority', ''],
  [':method', 'GET', 'POST'],
  [':path', '/', '/index.html'],
  [':scheme', 'http', 'https'],
  [':status', '200', '204', '206', '304', '400', '404', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
]) {
  if (!names.has(text)) define(text);
  for (const value of values) {
    STATIC_NAMES.push(nameOf(text));
    STATIC_VALUES.push(value);
  }
}
