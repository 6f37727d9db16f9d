import type { Headers } from '../../../wire/headers.ts';
import type { LocalReply } from '../../http/filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import { finalizeResponse } from '../../router/finalize-response.ts';
import type { Route } from '../../router/route.ts';
import { clusterNotFound } from './failures.ts';
import type { RouterStats } from './stats.ts';

export const NOT_FOUND: LocalReply = {
  status: 404,
  body: '',
  details: 'route_not_found',
  flags: ResponseFlag.NoRouteFound,
};

/** The answer of a route that forwards nothing: `redirect`, `direct_response` or `non_forwarding_action`. Counts it. */
export function routeAnswer(
  route: Route,
  headers: Headers,
  info: StreamInfo,
  secure: boolean,
  stats: RouterStats,
): LocalReply {
  const { action } = route;
  if (action.kind !== 'redirect' && action.kind !== 'direct') {
    // To Envoy's router, a route without an action is one to a cluster without a name.
    stats.no_cluster++;
    return clusterNotFound(503);
  }
  // As in Envoy, redirects count as direct responses.
  stats.rq_direct_response++;
  const location =
    action.kind === 'redirect' ? action.location(headers, secure, info) : ownLocation(action.status, headers, secure);
  return {
    status: action.status,
    body: action.kind === 'redirect' ? '' : action.body,
    details: 'direct_response',
    edit(response) {
      if (location !== undefined) response.set('location', location);
      finalizeResponse(response, info, route, undefined);
    },
  };
}

/** As in Envoy, a direct response of a status that has a Location tells where the request went. */
function ownLocation(status: number, { scheme, authority, path }: Headers, secure: boolean): string | undefined {
  if (status !== 201 && (status < 300 || status > 399)) return undefined;
  return `${scheme || (secure ? 'https' : 'http')}://${authority}${path}`;
}
