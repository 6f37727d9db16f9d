import type { Headers } from '../../../wire/headers.ts';
import type { Cluster, UpstreamOptions } from '../../cluster/cluster.ts';
import type { Connection } from '../../net/connection.ts';
import type { ForeignSource } from '../../net/socket-options.ts';
import { ORIGINAL_SOURCE, UPSTREAM_ALPN, UPSTREAM_SANS, UPSTREAM_SNI } from '../../observe/filter-state.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import type { RouteAction } from '../../router/route.ts';

/** How a request wants its upstream connection to be: what filters have set comes before what the cluster derives. */
export function upstreamOptions(
  headers: Headers,
  info: StreamInfo,
  downstream: Connection,
  action: Pick<RouteAction, 'priority'>,
  cluster: Pick<Cluster, 'autoSni' | 'autoSanValidation' | 'autoSniHeader'>,
): UpstreamOptions {
  let sni = info.getFilterState(UPSTREAM_SNI) as string | undefined;
  let subjectAltNames = info.getFilterState(UPSTREAM_SANS) as readonly string[] | undefined;
  if (cluster.autoSni || cluster.autoSanValidation) {
    const host = serverName(headers, cluster.autoSniHeader);
    if (cluster.autoSni) sni ??= host;
    if (cluster.autoSanValidation) subjectAltNames ??= [host];
  }
  return {
    priority: action.priority,
    downstreamProtocol: info.protocol === '' ? 'HTTP/1.1' : info.protocol,
    alpn: info.getFilterState(UPSTREAM_ALPN) as readonly string[] | undefined,
    sni,
    subjectAltNames,
    downstream,
    source: info.getFilterState(ORIGINAL_SOURCE) as ForeignSource | undefined,
  };
}

/** The name that a server is asked for: the request's host, or what a header says (`override_auto_sni_header`). */
function serverName(headers: Headers, header: string): string {
  const name = (header !== '' && headers.get(header)) || headers.authority;
  return name.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}
