import type { Headers } from '../../../wire/headers.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import { finalizeResponse } from '../../router/finalize-response.ts';
import type { ChosenCluster, Route, RouteAction } from '../../router/route.ts';

/**
 * Turns the headers of a request into what the upstream gets: edits of cluster, route, virtual host and table, then the
 * rewritten path and host (Envoy's `RouteEntryImplBase::finalizeRequestHeaders`).
 */
export function finalizeRequest(
  headers: Headers,
  info: StreamInfo,
  route: Route,
  action: RouteAction,
  chosen: ChosenCluster,
  insertOriginal: boolean,
): void {
  chosen.requestEdits?.(headers, info);
  for (const edit of route.requestEdits) edit(headers, info);
  rewriteHost(headers, info, action, chosen, insertOriginal);
  if (action.pathRewrite !== undefined && headers.path !== '') {
    const { path } = headers;
    const query = path.indexOf('?');
    const rewritten = action.pathRewrite(path, query < 0 ? path.length : query, info);
    if (rewritten === undefined) return;
    if (insertOriginal) headers.set('x-envoy-original-path', path);
    headers.path = rewritten;
  }
}

function rewriteHost(
  headers: Headers,
  info: StreamInfo,
  action: RouteAction,
  chosen: ChosenCluster,
  keepOriginal: boolean,
): void {
  const { hostRewrite } = action;
  if (chosen.hostRewrite) {
    headers.authority = chosen.hostRewrite;
    return;
  }
  if (hostRewrite === undefined) return;
  let host: string | undefined;
  if (hostRewrite.kind === 'literal') host = hostRewrite.host;
  else if (hostRewrite.kind === 'format') host = hostRewrite.render(info);
  else if (hostRewrite.kind === 'header') host = headers.get(hostRewrite.name);
  else if (hostRewrite.kind === 'path-regex') host = hostRewrite.substitution(headers.path.replace(/\?.*$/s, ''));
  if (host) setHost(headers, host, action.appendForwardedHost, keepOriginal);
}

/**
 * Replaces the host. The one before is appended to x-forwarded-host where that is wanted, unless it was the last to be,
 * and kept in x-envoy-original-host (Envoy's `Http::Utility::updateAuthority`).
 */
export function setHost(headers: Headers, host: string, append: boolean, keepOriginal: boolean): void {
  const { authority } = headers;
  if (append && authority !== '') {
    const forwarded = headers.getJoined('x-forwarded-host');
    if (forwarded?.slice(forwarded.lastIndexOf(',') + 1).trim() !== authority) {
      headers.append('x-forwarded-host', authority);
    }
  }
  if (keepOriginal) headers.set('x-envoy-original-host', authority);
  headers.authority = host;
}

/** Turns the headers of an upstream's response into what the filters get (Envoy's `Filter::onUpstreamHeaders`); `cookies`: values of `set-cookie`. */
export function finalizeUpstreamResponse(
  headers: Headers,
  info: StreamInfo,
  route: Route,
  chosen: ChosenCluster | undefined,
  attempts: number,
  cookies: readonly string[],
): void {
  if (route.virtualHost.includeAttemptCountInResponse) headers.set('x-envoy-attempt-count', String(attempts));
  for (const cookie of cookies) headers.add('set-cookie', cookie);
  info.responseCodeDetails = 'via_upstream';
  info.responseCode = headers.status;
  info.responseHeaders = headers;
  finalizeResponse(headers, info, route, chosen);
}
