import type { Headers } from '../../../wire/headers.ts';
import type { LocalReply } from '../../http/filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import { finalizeResponse } from '../../router/finalize-response.ts';
import type { Route } from '../../router/route.ts';
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
  if (action.kind !== 'redirect' && action.kind !== 'direct') return NOT_FOUND;
  const finish = (response: Headers) => finalizeResponse(response, info, route, undefined);
  if (action.kind === 'direct') {
    stats.rq_direct_response++;
    return { status: action.status, body: action.body, details: 'direct_response', edit: finish };
  }
  stats.rq_redirect++;
  const location = action.location(headers, secure);
  return {
    status: action.status,
    body: '',
    details: 'direct_response',
    edit(response) {
      response.set('location', location);
      finish(response);
    },
  };
}
