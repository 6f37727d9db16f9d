import { copyBytes, type KeepBytes } from '../../base/bytes.ts';
import { Headers } from '../headers.ts';
import type { MessageError } from '../http.ts';
import { AUTHORITY, FIELD_VALUE, METHODS, TARGET, TOKEN } from './characters.ts';
import { lowerName } from './names.ts';
import { Nominations, nominations } from './nominations.ts';

/** Limits and leniencies of a parser; names and defaults are those of Envoy's Http1ProtocolOptions and HCM. */
export interface Http1Options {
  /** `max_request_headers_kb` or `max_response_headers_kb`, in bytes. */
  readonly maxHeadBytes: number;
  /** `common_http_protocol_options.max_headers_count`. */
  readonly maxHeaderCount: number;
  /** `accept_http_10`. */
  readonly acceptHttp10: boolean;
  /** `default_host_for_http_10`. */
  readonly defaultHostForHttp10: string;
  /** `allow_absolute_url`; Envoy's default is true. */
  readonly allowAbsoluteUrl: boolean;
  /** `enable_trailers`: otherwise trailers are dropped. */
  readonly enableTrailers: boolean;
  /** `header_key_format.stateful_formatter` preserve_case: keep the spelling of names. */
  readonly preserveCase: boolean;
  /** `header_key_format.proper_case_words`: spell names Like-This. */
  readonly properCase: boolean;
  /** `override_stream_error_on_invalid_http_message`: a bad request ends its stream, not its connection. */
  readonly streamErrorOnInvalidMessage: boolean;
  /** How a piece of body outlives the read that brought it. */
  readonly keepBody: KeepBytes;
}

export const DEFAULT_OPTIONS: Http1Options = {
  maxHeadBytes: 60 * 1024,
  maxHeaderCount: 100,
  acceptHttp10: false,
  defaultHostForHttp10: '',
  allowAbsoluteUrl: true,
  enableTrailers: false,
  preserveCase: false,
  properCase: false,
  streamErrorOnInvalidMessage: false,
  keepBody: copyBytes,
};

const error = (status: number, details: string): MessageError => ({ status, details });
const BAD = error(400, 'http1.codec_error');
const BAD_CHARACTER = error(400, 'http1.invalid_characters');
const BAD_TRANSFER_ENCODING = error(501, 'http1.invalid_transfer_encoding');
const LENGTH_AND_CHUNKED = error(400, 'http1.content_length_and_chunked_not_allowed');
const BAD_URL = error(400, 'http1.invalid_url');
const TOO_MANY_HEADERS = error(431, 'http1.too_many_headers');
export const HEAD_TOO_LARGE = error(431, 'http1.headers_too_large');
export const TRAILERS_TOO_LARGE = error(431, 'http1.trailers_too_large');
export const BAD_CHUNK = BAD;
const BAD_NOMINATION = error(400, 'http1.connection_header_rejected');
const LOW_VERSION = error(426, 'low_version');
const NO_HOST = error(400, 'missing_host_header');

/** What a head says about the message that follows it. */
export class Framing {
  /** 0 or 1: the minor version of HTTP/1. */
  minor = 1;
  /** -1 if there was no Content-Length. */
  contentLength = -1;
  chunked = false;
  /** `Connection` has the token close / keep-alive / upgrade. */
  close = false;
  keepAlive = false;
  upgrade = false;
  /** `Connection` is a list, or names something else. */
  nominates = false;

  reset(): void {
    this.minor = 1;
    this.contentLength = -1;
    this.chunked = false;
    this.close = false;
    this.keepAlive = false;
    this.upgrade = false;
    this.nominates = false;
  }
}

/**
 * Parses a request head: the text from the request line to the empty line, both line ends included.
 *
 * Stricter than Envoy where leniency is what request smuggling is made of: lines end in CRLF only, no folded lines, one
 * space between the parts of the request line, Host at most once.
 */
export function parseRequestHead(
  text: string,
  headers: Headers,
  framing: Framing,
  options: Http1Options,
): MessageError | undefined {
  framing.reset();
  const methodEnd = text.indexOf(' ');
  if (methodEnd <= 0) return BAD;
  const method = text.substring(0, methodEnd);
  if (!METHODS.has(method)) return BAD;
  let i = methodEnd + 1;
  const targetStart = i;
  while (TARGET[text.charCodeAt(i)] === 1) i++;
  if (i === targetStart) return BAD;
  const target = text.substring(targetStart, i);
  const next = text.charCodeAt(i);
  if (next === 13 && text.charCodeAt(i + 1) === 10) return LOW_VERSION;
  if (next !== 32) return next < 32 && next !== 13 && next !== 9 ? BAD_CHARACTER : BAD;
  if (!text.startsWith('HTTP/', i + 1)) return BAD;
  const versionError = parseVersion(text, i + 6, framing);
  if (versionError) return versionError;
  i += 9;
  if (text.charCodeAt(i) !== 13 || text.charCodeAt(i + 1) !== 10) return BAD;

  headers.method = method;
  const hostSeen = parseFields(text, i + 2, headers, framing, options, true);
  if (typeof hostSeen !== 'boolean') return hostSeen;
  if (framing.minor === 0 && !options.acceptHttp10) return LOW_VERSION;
  const targetError = applyTarget(target, headers, options, hostSeen, framing.minor);
  if (targetError) return targetError;
  if (framing.chunked && framing.contentLength >= 0) return LENGTH_AND_CHUNKED;
  if (framing.nominates && !(framing.upgrade && headers.has('upgrade'))) return checkNominations(headers);
  return undefined;
}

function checkNominations(headers: Headers): MessageError | undefined {
  switch (nominations(headers)) {
    case Nominations.Rejected:
      return BAD_NOMINATION;
    case Nominations.Host:
      headers.authority = '';
      return NO_HOST;
    default:
      return undefined;
  }
}

/** What is wrong with a request line, its end not included; nothing that a header to come could put right. */
export function checkRequestLine(line: string, options: Http1Options): MessageError | undefined {
  return parseRequestHead(`${line}\r\nHost: a\r\n\r\n`, new Headers(), new Framing(), options);
}

/** The digits of `HTTP/d.d`. A version we do not speak is answered 426, as Envoy does, and not taken for garbage. */
function parseVersion(text: string, at: number, framing: Framing): MessageError | undefined {
  const major = text.charCodeAt(at) - 48;
  const minor = text.charCodeAt(at + 2) - 48;
  if (!(major >= 0 && major <= 9 && minor >= 0 && minor <= 9 && text.charCodeAt(at + 1) === 46)) return BAD;
  if (major !== 1 || minor > 1) return LOW_VERSION;
  framing.minor = minor;
  return undefined;
}

/** Splits an absolute target (RFC 9112 section 3.2.2) and settles path and authority. */
function applyTarget(
  target: string,
  headers: Headers,
  options: Http1Options,
  hostSeen: boolean,
  minor: number,
): MessageError | undefined {
  if (!hostSeen && minor === 0 && options.defaultHostForHttp10) headers.authority = options.defaultHostForHttp10;
  if (headers.method === 'CONNECT') {
    // The authority form: a path is what extended CONNECT has, this has none.
    if (!validAuthority(target)) return BAD_URL;
    headers.authority = target;
    headers.path = '';
    return undefined;
  }
  const first = target.charCodeAt(0);
  if (first === 47) {
    headers.path = target;
  } else if (target === '*') {
    if (headers.method !== 'OPTIONS' && options.allowAbsoluteUrl) return BAD;
    headers.path = '*';
  } else {
    const scheme = /^(https?):\/\/([^/?#]+)/i.exec(target);
    if (!scheme) return BAD;
    if (options.allowAbsoluteUrl) {
      // User information is for clients alone (RFC 9110 section 4.2.4).
      const authority = scheme[2].slice(scheme[2].lastIndexOf('@') + 1);
      if (!validAuthority(authority)) return BAD_URL;
      const rest = target.slice(scheme[0].length);
      headers.scheme = scheme[1].toLowerCase();
      headers.authority = authority;
      headers.path = rest.startsWith('/') ? rest : `/${rest}`;
      return undefined;
    }
    // Left to whoever routes, who knows no such path.
    headers.path = target;
  }
  if (headers.authority === '' && !hostSeen) return NO_HOST;
  return undefined;
}

function validAuthority(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (AUTHORITY[text.charCodeAt(i)] !== 1) return false;
  return true;
}

/** Parses a response head. Reason phrases are dropped: what leaves has the standard one, as with Envoy. */
export function parseResponseHead(
  text: string,
  headers: Headers,
  framing: Framing,
  options: Http1Options,
): MessageError | undefined {
  framing.reset();
  if (!text.startsWith('HTTP/1.') || text.charCodeAt(8) !== 32) return BAD;
  framing.minor = text.charCodeAt(7) - 48;
  if (framing.minor !== 0 && framing.minor !== 1) return BAD;
  const a = text.charCodeAt(9) - 48;
  const b = text.charCodeAt(10) - 48;
  const c = text.charCodeAt(11) - 48;
  if (!(a >= 1 && a <= 9 && b >= 0 && b <= 9 && c >= 0 && c <= 9)) return BAD;
  headers.status = a * 100 + b * 10 + c;
  let i = 12;
  const after = text.charCodeAt(i);
  if (after === 32) while (FIELD_VALUE[text.charCodeAt(i)] === 1) i++;
  if (text.charCodeAt(i) !== 13 || text.charCodeAt(i + 1) !== 10) return BAD;
  const seen = parseFields(text, i + 2, headers, framing, options, false);
  return typeof seen === 'boolean' ? undefined : seen;
}

/** Parses a trailer section up to its empty line. */
export function parseTrailers(
  text: string,
  start: number,
  trailers: Headers,
  options: Http1Options,
): MessageError | undefined {
  const seen = parseFields(text, start, trailers, undefined, options, false);
  return typeof seen === 'boolean' ? undefined : seen;
}

/**
 * Parses field lines up to the empty line at the end of the text. Host goes to `authority` in a request; framing fields
 * are looked at in passing. Returns whether there was a Host, or the error.
 */
function parseFields(
  text: string,
  start: number,
  headers: Headers,
  framing: Framing | undefined,
  options: Http1Options,
  request: boolean,
): boolean | MessageError {
  let i = start;
  let count = 0;
  let hostSeen = false;
  const originalNames = options.preserveCase ? new Map<string, string>() : undefined;
  headers.originalNames = originalNames;
  for (;;) {
    const nameStart = i;
    while (TOKEN[text.charCodeAt(i)] === 1) i++;
    const stop = text.charCodeAt(i);
    if (stop !== 58) {
      if (i === nameStart && stop === 13 && text.charCodeAt(i + 1) === 10 && i + 2 === text.length) return hostSeen;
      return stop < 32 && stop !== 13 && stop !== 10 && stop !== 9 ? BAD_CHARACTER : BAD;
    }
    if (i === nameStart) return BAD;
    const spelling = text.substring(nameStart, i);
    const name = lowerName(spelling);
    if (originalNames !== undefined && !originalNames.has(name)) originalNames.set(name, spelling);
    i++;
    while (text.charCodeAt(i) === 32 || text.charCodeAt(i) === 9) i++;
    const valueStart = i;
    while (FIELD_VALUE[text.charCodeAt(i)] === 1) i++;
    if (text.charCodeAt(i) !== 13) return BAD_CHARACTER;
    if (text.charCodeAt(i + 1) !== 10) return BAD;
    let valueEnd = i;
    while (valueEnd > valueStart && (text.charCodeAt(valueEnd - 1) === 32 || text.charCodeAt(valueEnd - 1) === 9))
      valueEnd--;
    const value = text.substring(valueStart, valueEnd);
    i += 2;

    if (request && name === 'host') {
      if (hostSeen || !validAuthority(value)) return BAD;
      hostSeen = true;
      headers.authority = value;
      continue;
    }
    if (++count > options.maxHeaderCount) return TOO_MANY_HEADERS;
    if (framing !== undefined) {
      const problem = noteFraming(name, value, framing, headers);
      if (problem !== undefined) return problem;
    }
    headers.add(name, value);
  }
}

function noteFraming(name: string, value: string, framing: Framing, headers: Headers): MessageError | undefined {
  if (name === 'content-length') {
    if (framing.contentLength >= 0 || !/^\d{1,15}$/.test(value)) return BAD;
    framing.contentLength = Number(value);
  } else if (name === 'transfer-encoding') {
    if (framing.chunked || value.toLowerCase() !== 'chunked') return BAD_TRANSFER_ENCODING;
    framing.chunked = true;
  } else if (name === 'connection') {
    noteConnection(value, framing);
  } else if (name === 'upgrade' && headers.has('upgrade')) {
    return BAD;
  }
  return undefined;
}

function noteConnection(value: string, framing: Framing): void {
  if (value === 'keep-alive') framing.keepAlive = true;
  else if (value === 'close') framing.close = true;
  else {
    framing.nominates = true;
    for (const part of value.split(',')) {
      const token = part.trim().toLowerCase();
      if (token === 'close') framing.close = true;
      else if (token === 'keep-alive') framing.keepAlive = true;
      else if (token === 'upgrade') framing.upgrade = true;
    }
  }
}
