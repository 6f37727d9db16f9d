import type { Headers } from '../../../wire/headers.ts';
import type { FilterCallbacks } from '../../http/filter.ts';
import type { InternalRedirectPolicy, Route, RouteAction } from '../../router/route.ts';

/** An absolute URL: scheme, authority, and path with query, without the fragment. As in Envoy, both want a path. */
const ABSOLUTE = /^(https?):\/\/([^/?#]+)(?:(\/[^#]*)(?:#.*)?)?$/;

/** A route to a cluster. */
export interface ForwardingRoute {
  readonly route: Route;
  readonly action: RouteAction;
}

/**
 * Follows the Location of an answer in place of the client (Envoy's `internal_redirect_policy`): points `request` at it
 * and finds its route. Returns undefined, with the request as it was, if the policy or the lack of a route forbid that.
 */
export function followRedirect(
  policy: InternalRedirectPolicy,
  response: Headers,
  request: Headers,
  callbacks: Pick<FilterCallbacks, 'connection' | 'route' | 'clearRouteCache'>,
): ForwardingRoute | undefined {
  const target = ABSOLUTE.exec(response.get('location') ?? '');
  if (target === null) return undefined;
  const scheme = callbacks.connection.tls ? 'https' : 'http';
  if (target[1] !== scheme && !policy.allowCrossScheme) return undefined;
  const { authority, path } = request;
  request.authority = target[2];
  request.path = target[3] ?? '/';
  callbacks.clearRouteCache();
  const { route } = callbacks;
  if (route?.action.kind !== 'route') {
    request.authority = authority;
    request.path = path;
    callbacks.clearRouteCache();
    return undefined;
  }
  request.set('x-envoy-original-url', `${scheme}://${authority}${path}`);
  return { route, action: route.action };
}
