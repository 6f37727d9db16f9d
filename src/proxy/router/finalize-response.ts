import type { Headers } from '../../wire/headers.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { ChosenCluster, Route } from './route.ts';

/** What cluster, route, virtual host and table do to the headers of a response (Envoy's `finalizeResponseHeaders`). */
export function finalizeResponse(
  headers: Headers,
  info: StreamInfo,
  route: Route,
  chosen: ChosenCluster | undefined,
): void {
  chosen?.responseEdits?.(headers, info);
  for (const edit of route.responseEdits) edit(headers, info);
}
