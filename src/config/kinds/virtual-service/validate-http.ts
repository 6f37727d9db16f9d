import type { Report } from '../../report.ts';
import { validateDestination, validateTotalWeight } from '../../validation/destinations.ts';
import { validateGatewayNames } from '../../validation/gateways.ts';
import { checkHeaderName, checkMatchedHeader, isAuthorityHeader, validateHeaders } from '../../validation/headers.ts';
import { isHostLabel } from '../../validation/hosts.ts';
import { checkPort } from '../../validation/ports.ts';
import { validateHttpRetry } from '../../validation/retries.ts';
import { checkDuration, checkFraction, checkPercent, checkRegex } from '../../validation/scalars.ts';
import { validateLabels } from '../../validation/selectors.ts';
import type { StringMatch } from '../shared/http-policy.ts';
import type { CorsPolicy, HttpDirectResponse, HttpFault, HttpMatch, HttpRewrite, HttpRoute } from './schema.ts';

export interface RouteContext {
  /** Of a VirtualService without hosts, which others delegate to. */
  readonly isDelegate: boolean;
  /** Made from Gateway API, whose backends need not be hosts. */
  readonly isConverted: boolean;
}

/** The rules for one `http` route. */
export function validateHttpRoute(route: HttpRoute, context: RouteContext, report: Report): void {
  validateAction(route, context.isDelegate, report);
  for (const [i, match] of (route.match ?? []).entries()) validateHttpMatch(match, report.at('match', i));
  validateHeaders(route.headers, report.at('headers'));
  validateCors(route.corsPolicy, report.at('corsPolicy'));
  validateFault(route.fault, report.at('fault'));
  validateMirrors(route, report);
  validateRedirect(route, report.at('redirect'));
  validateDirectResponse(route.directResponse, report.at('directResponse'));
  validateHttpRetry(route.retries, report.at('retries'));
  validateRewrite(route.rewrite, report.at('rewrite'));
  validateAuthority(route, report);
  for (const [i, destination] of (route.route ?? []).entries()) {
    const at = report.at('route', i);
    if (!context.isConverted) validateDestination(destination.destination, at.at('destination'));
    validateHeaders(destination.headers, at.at('headers'));
    if ((destination.weight ?? 0) < 0) at.error(`must not be negative, is ${destination.weight}`, 'weight');
  }
  validateTotalWeight(route.route ?? [], report.at('route'));
  if (route.timeout !== undefined) report.check(checkDuration(route.timeout), 'timeout');
}

/** A route does one thing: forwards, redirects, answers, or delegates. */
function validateAction(route: HttpRoute, isDelegate: boolean, report: Report): void {
  const forwards = (route.route ?? []).length > 0;
  if (route.delegate !== undefined && !isDelegate) {
    for (const field of ['redirect', 'route'] as const) {
      if (route[field] !== undefined) report.error('cannot be set beside delegate', field);
    }
    if (route.directResponse !== undefined) report.warning('has no effect beside delegate', 'directResponse');
    return;
  }
  if (route.delegate !== undefined)
    report.error('cannot be set in a VirtualService without hosts: a delegate cannot delegate', 'delegate');
  const action =
    route.redirect !== undefined ? 'redirect' : route.directResponse !== undefined ? 'directResponse' : 'route';
  if (action === 'route') {
    if (!forwards) report.error('must have one of route, redirect and directResponse');
  } else {
    if (forwards) report.error(`cannot be set beside ${action}`, 'route');
    for (const field of ['fault', 'rewrite'] as const) {
      if (route[field] !== undefined) report.error(`cannot be set beside ${action}`, field);
    }
    if (action === 'redirect' && route.directResponse !== undefined) {
      report.error('cannot be set beside redirect', 'directResponse');
    }
  }
  if (route.mirror !== undefined && (route.mirrors ?? []).length > 0)
    report.error('cannot be set beside mirrors', 'mirror');
}

function validateHttpMatch(match: HttpMatch, report: Report): void {
  for (const [name, value] of Object.entries(match.headers ?? {})) {
    report.check(checkMatchedHeader(name), 'headers', name);
    validateStringMatch(value, report.at('headers', name));
  }
  for (const [name, value] of Object.entries(match.withoutHeaders ?? {})) {
    report.check(checkMatchedHeader(name), 'withoutHeaders', name);
    // Istio reads `regex: "*"` as presence, though it is no expression.
    if (value.regex !== '*') validateStringMatch(value, report.at('withoutHeaders', name));
  }
  // Every path begins with the empty prefix, so Envoy takes it for the uri and for nothing else.
  if (match.uri?.regex !== undefined) report.check(checkRegex(match.uri.regex), 'uri', 'regex');
  for (const field of ['scheme', 'method', 'authority'] as const) validateStringMatch(match[field], report.at(field));
  for (const [name, value] of Object.entries(match.queryParams ?? {})) {
    validateStringMatch(value, report.at('queryParams', name));
  }
  if (match.port) report.check(checkPort(match.port), 'port');
  validateLabels(match.sourceLabels, report.at('sourceLabels'));
  validateGatewayNames(match.gateways, report.at('gateways'));
  if (match.sourceNamespace && !isHostLabel(match.sourceNamespace)) {
    report.error(`must be the name of a namespace, not ${JSON.stringify(match.sourceNamespace)}`, 'sourceNamespace');
  }
}

function validateStringMatch(match: StringMatch | undefined, report: Report): void {
  if (match?.prefix === '') report.error('must not be empty', 'prefix');
  if (match?.regex !== undefined) report.check(checkRegex(match.regex), 'regex');
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE']);

function validateCors(policy: CorsPolicy | undefined, report: Report): void {
  if (policy === undefined) return;
  for (const [i, origin] of (policy.allowOrigins ?? []).entries()) {
    if (!(origin.exact || origin.prefix || origin.regex)) {
      report.error('must have one of exact, prefix and regex', 'allowOrigins', i);
    } else if (origin.regex) report.check(checkRegex(origin.regex), 'allowOrigins', i, 'regex');
  }
  for (const [i, method] of (policy.allowMethods ?? []).entries()) {
    if (method !== '*' && !METHODS.has(method)) {
      const methods = [...METHODS, '*'].join(', ');
      report.error(`must be one of ${methods}, not ${JSON.stringify(method)}`, 'allowMethods', i);
    }
  }
  for (const field of ['allowHeaders', 'exposeHeaders'] as const) {
    for (const [i, name] of (policy[field] ?? []).entries()) {
      if (name !== '*') report.check(checkHeaderName(name), field, i);
    }
  }
  if (policy.maxAge !== undefined) {
    report.check(
      checkDuration(policy.maxAge) ?? (policy.maxAge % 1000 === 0 ? undefined : 'must be a whole number of seconds'),
      'maxAge',
    );
  }
}

/** The codes of gRPC by name, as `grpcStatus` takes them. */
const GRPC_STATUS = new Set([
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]);

function validateFault(fault: HttpFault | undefined, report: Report): void {
  if (fault === undefined) return;
  const { abort, delay } = fault;
  if (abort === undefined && delay === undefined) report.error('must have abort or delay');
  if (abort !== undefined) {
    const at = report.at('abort');
    if (abort.percentage !== undefined) at.check(checkFraction(abort.percentage.value ?? 0), 'percentage', 'value');
    if (abort.grpcStatus !== undefined) {
      if (!GRPC_STATUS.has(abort.grpcStatus)) {
        at.error(
          `must be the name of a gRPC status such as NOT_FOUND, not ${JSON.stringify(abort.grpcStatus)}`,
          'grpcStatus',
        );
      }
    } else if (abort.http2Error !== undefined) at.error('is not supported', 'http2Error');
    else if (abort.httpStatus !== undefined) at.check(checkHttpStatus(abort.httpStatus), 'httpStatus');
    else at.warning('has no effect without httpStatus or grpcStatus');
  }
  if (delay !== undefined) {
    const at = report.at('delay');
    if (delay.percentage !== undefined) at.check(checkFraction(delay.percentage.value ?? 0), 'percentage', 'value');
    if (delay.fixedDelay !== undefined) at.check(checkDuration(delay.fixedDelay), 'fixedDelay');
    if (delay.exponentialDelay !== undefined) at.error('is not supported; use fixedDelay', 'exponentialDelay');
  }
}

function checkHttpStatus(status: number): string | undefined {
  return status >= 200 && status <= 600 ? undefined : `must be an HTTP status between 200 and 599, not ${status}`;
}

function validateMirrors(route: HttpRoute, report: Report): void {
  if (route.mirrorPercent !== undefined) {
    report.check(checkPercent(route.mirrorPercent), 'mirrorPercent');
    report.warning('is deprecated; use mirrorPercentage', 'mirrorPercent');
  }
  if (route.mirrorPercentage !== undefined)
    report.check(checkPercent(route.mirrorPercentage.value ?? 0), 'mirrorPercentage', 'value');
  validateDestination(route.mirror, report.at('mirror'));
  for (const [i, mirror] of (route.mirrors ?? []).entries()) {
    const at = report.at('mirrors', i);
    validateDestination(mirror.destination, at.at('destination'));
    if (mirror.percentage !== undefined) at.check(checkPercent(mirror.percentage.value ?? 0), 'percentage', 'value');
  }
}

function validateRedirect({ redirect, match = [] }: HttpRoute, report: Report): void {
  if (redirect === undefined) return;
  const { uri, authority, port, derivePort, scheme, redirectCode, prefixRewrite } = redirect;
  const hasPort = port !== undefined || derivePort !== undefined;
  if (!uri && !authority && !scheme && !prefixRewrite && !hasPort) {
    report.error('must have at least one of uri, prefixRewrite, authority, scheme and port');
  }
  if (prefixRewrite) {
    if (uri) report.error('must not have both uri and prefixRewrite');
    if (match.some((m) => m.uri !== undefined && m.uri.prefix === undefined)) {
      report.error('needs every match on the uri to be by prefix: that is what it replaces', 'prefixRewrite');
    }
  }
  if (redirectCode && (redirectCode < 300 || redirectCode > 399))
    report.error(`must be between 300 and 399, not ${redirectCode}`, 'redirectCode');
  if (scheme && scheme !== 'http' && scheme !== 'https')
    report.error(`must be http or https, not ${JSON.stringify(scheme)}`, 'scheme');
  if (port) report.check(checkPort(port), 'port');
}

const LARGE_BODY = 100 * 1024;
const MAX_BODY = 1024 * 1024;

function validateDirectResponse(response: HttpDirectResponse | undefined, report: Report): void {
  if (response === undefined) return;
  const { body } = response;
  const size =
    body?.bytes !== undefined ? Buffer.byteLength(body.bytes, 'base64') : Buffer.byteLength(body?.string ?? '');
  if (size > MAX_BODY) report.error('must be smaller than 1 MiB: every proxy is sent it', 'body');
  else if (size > LARGE_BODY) report.warning('is large, and every proxy is sent it', 'body');
  report.check(checkHttpStatus(response.status ?? 0), 'status');
}

function validateRewrite(rewrite: HttpRewrite | undefined, report: Report): void {
  if (rewrite === undefined) return;
  const { uri, authority, uriRegexRewrite } = rewrite;
  if (uri && uriRegexRewrite !== undefined) report.error('must not have both uri and uriRegexRewrite');
  if (!uri && !authority && uriRegexRewrite === undefined)
    report.error('must have at least one of uri, uriRegexRewrite and authority');
  if (uriRegexRewrite === undefined) return;
  const at = report.at('uriRegexRewrite');
  for (const field of ['match', 'rewrite'] as const) if (!uriRegexRewrite[field]) at.error('is required', field);
  if (uriRegexRewrite.match) at.check(checkRegex(uriRegexRewrite.match), 'match');
}

/** The authority can be rewritten in one place only. */
function validateAuthority({ rewrite, headers }: HttpRoute, report: Report): void {
  const set = rewrite?.authority ? ['rewrite.authority'] : [];
  for (const operation of ['set', 'add'] as const) {
    for (const [name, value] of Object.entries(headers?.request?.[operation] ?? {})) {
      if (!isAuthorityHeader(name)) continue;
      if (set.length > 0)
        report.error(`sets the authority, which ${set[0]} sets too`, 'headers', 'request', operation, name);
      if (value !== '') set.push(`headers.request.${operation}.${name}`);
    }
  }
}
