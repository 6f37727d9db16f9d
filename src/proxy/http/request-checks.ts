import type { Headers } from '../../wire/headers.ts';
import type { MessageError } from '../../wire/http.ts';
import { ResponseFlag } from '../observe/response-flags.ts';
import type { HcmConfig } from './config.ts';
import type { LocalReply } from './filter.ts';
import { hasEscapedSlashes, mergeSlashes, normalizePath, unescapeSlashes } from './path-normalization.ts';

/** A request that is answered before a route is looked for. */
export interface Refusal {
  readonly reply: LocalReply;
  /** Statistic of the connection manager that counts it, if any does. */
  readonly counter?:
    | 'downstream_rq_non_relative_path'
    | 'downstream_rq_redirected_with_normalized_path'
    | 'downstream_rq_failed_path_normalization';
  /** What else comes on the connection is not to be trusted either. */
  readonly endsConnection?: boolean;
  /** Logs do not show the head of the request, as for what the codec refuses. */
  readonly headless?: boolean;
}

const SLASH = 47;

const ABSOLUTE_PATH: Refusal = {
  reply: { status: 404, body: '', details: 'absolute_path_rejected' },
  counter: 'downstream_rq_non_relative_path',
};
const UNDERSCORE: Refusal = {
  reply: {
    status: 400,
    body: 'Bad Request',
    details: 'http1.unexpected_underscore',
    flags: ResponseFlag.DownstreamProtocolError,
  },
  headless: true,
};
const BAD_PATH: Refusal = {
  reply: { status: 400, body: '', details: 'path_normalization_failed' },
  counter: 'downstream_rq_failed_path_normalization',
  endsConnection: true,
};

export type RequestCheckConfig = Pick<HcmConfig, 'underscores' | 'escapedSlashes' | 'normalizePath' | 'mergeSlashes'>;

/**
 * Looks at the path and the names of a request and brings them into the form that the configuration asks for. Returns
 * why the request cannot be taken, or undefined if it can.
 */
export function checkRequest(headers: Headers, config: RequestCheckConfig): Refusal | undefined {
  const { path } = headers;
  if (path.charCodeAt(0) !== SLASH && headers.method !== 'CONNECT' && path !== '*') return ABSOLUTE_PATH;
  if (config.underscores === 'drop') headers.removeIf(hasUnderscore);
  else if (config.underscores === 'reject' && someNameHasUnderscore(headers)) return UNDERSCORE;
  return path === '' ? undefined : canonicalizePath(headers, config);
}

const hasUnderscore = (name: string) => name.includes('_');

function someNameHasUnderscore(headers: Headers): boolean {
  for (let i = 0; i < headers.size; i++) if (hasUnderscore(headers.nameAt(i))) return true;
  return false;
}

/** Path normalisation in Envoy's order: escaped slashes, canonical form, merged slashes. */
function canonicalizePath(headers: Headers, config: RequestCheckConfig): Refusal | undefined {
  let { path } = headers;
  if (path.includes('#')) return BAD_PATH;
  let redirect = false;
  if (config.escapedSlashes !== 'keep' && hasEscapedSlashes(path)) {
    if (config.escapedSlashes === 'reject') return BAD_PATH;
    path = unescapeSlashes(path);
    redirect = config.escapedSlashes === 'redirect';
  }
  if (config.normalizePath) {
    const normal = normalizePath(path);
    if (normal === undefined) return BAD_PATH;
    path = normal;
  }
  if (config.mergeSlashes) path = mergeSlashes(path);
  headers.path = path;
  return redirect ? redirectTo(path) : undefined;
}

function redirectTo(path: string): Refusal {
  const edit = (headers: Headers) => headers.set('location', path);
  return {
    reply: { status: 307, body: '', details: 'path_normalization_failed', edit },
    counter: 'downstream_rq_redirected_with_normalized_path',
  };
}

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  426: 'Upgrade Required',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
};

/** The answer to what the codec refuses. A request without a host is no error of the protocol. */
export function codecErrorReply({ status, details }: MessageError): LocalReply {
  if (details === 'missing_host_header') return { status: 400, body: '', details };
  const body = STATUS_TEXT[status] ?? 'Bad Request';
  return { status, body, details, flags: ResponseFlag.DownstreamProtocolError };
}
