import type { Headers } from '../../../wire/headers.ts';
import type { FilterCallbacks } from '../../http/filter.ts';
import { type InternalRedirectPolicy, RedirectHistory } from '../../router/internal-redirect.ts';
import type { RouterStats } from './stats.ts';

/** scheme, authority without credentials, path with query, without fragment. */
const LOCATION = /^([a-z][a-z0-9+.-]*):\/\/(?:[^/?#@]*@)?([^/?#]+)([^#]*)/i;

type RedirectStats = Pick<
  RouterStats,
  | 'passthrough_internal_redirect_bad_location'
  | 'passthrough_internal_redirect_no_route'
  | 'passthrough_internal_redirect_predicate'
  | 'passthrough_internal_redirect_too_many_redirects'
  | 'passthrough_internal_redirect_unsafe_scheme'
>;

/**
 * Points `request` to where an answer redirects it, in place of the client (Envoy's `internal_redirect_policy`). Returns
 * false, with the headers of the request as they were, if the policy or the lack of a route forbid that. The route that
 * was found stays the request's either way, as with Envoy.
 */
export function followRedirect(
  policy: InternalRedirectPolicy,
  response: Headers,
  request: Headers,
  callbacks: Pick<FilterCallbacks, 'connection' | 'info' | 'route' | 'clearRouteCache'>,
  stats: RedirectStats,
): boolean {
  const target = LOCATION.exec(response.get('location') ?? '');
  if (target === null) {
    stats.passthrough_internal_redirect_bad_location++;
    return false;
  }
  const scheme = request.scheme || (callbacks.connection.tls ? 'https' : 'http');
  const targetScheme = target[1].toLowerCase();
  const isKnown = targetScheme === 'http' || targetScheme === 'https';
  if (!isKnown || (targetScheme !== scheme && !policy.allowCrossScheme)) {
    stats.passthrough_internal_redirect_unsafe_scheme++;
    return false;
  }
  const { info } = callbacks;
  info.redirects ??= new RedirectHistory();
  if (info.redirects.count >= policy.maxRedirects) {
    stats.passthrough_internal_redirect_too_many_redirects++;
    return false;
  }
  const before = request.clone();
  for (const name of policy.headersToCopy) {
    request.remove(name);
    for (const value of response.getAll(name)) request.add(name, value);
  }
  request.scheme = targetScheme;
  request.authority = target[2];
  request.path = target[3].startsWith('/') ? target[3] : `/${target[3]}`;
  const from = info.routeName;
  callbacks.clearRouteCache();
  const { route } = callbacks;
  if (route === undefined) {
    stats.passthrough_internal_redirect_no_route++;
    request.assign(before);
    return false;
  }
  const hop = {
    from,
    to: route.name,
    downstreamSecure: scheme === 'https',
    targetSecure: targetScheme === 'https',
    history: info.redirects,
  };
  if (!policy.predicates.every((accepts) => accepts(hop))) {
    stats.passthrough_internal_redirect_predicate++;
    request.assign(before);
    return false;
  }
  info.redirects.count++;
  request.set('x-envoy-original-url', `${scheme}://${before.authority}${before.path}`);
  return true;
}

/** RFC 9110 section 15.4.4: what is asked for after a 303 is asked for with GET, without a body. */
export function becomesGet(status: number, request: Headers): boolean {
  if (status !== 303 || request.method === 'GET' || request.method === 'HEAD') return false;
  request.method = 'GET';
  request.remove('content-length');
  return true;
}
