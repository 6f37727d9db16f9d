import { TypeUrl } from '../../translate/cell.ts';
import { nodeJson } from '../../xds/server/node.ts';
import type { TypeStatus } from '../../xds/server/served-type.ts';
import { type ConnectedProxy, followsConfiguration } from '../proxies/connected-proxy.ts';
import { type DebugContext, type DebugEndpoint, type DebugRequest, json, text, timestamp } from './handler.ts';

/** Types that istioctl shows in columns of their own, by the prefix of their members. */
const COLUMNS: readonly [prefix: string, typeUrl: string][] = [
  ['cluster', TypeUrl.Cluster],
  ['listener', TypeUrl.Listener],
  ['route', TypeUrl.Route],
  ['endpoint', TypeUrl.Endpoint],
  ['extensionconfig', TypeUrl.ExtensionConfig],
];

/** What `istioctl proxy-status` shows of one proxy. */
function syncStatus(proxy: ConnectedProxy) {
  const types = proxy.stream.status();
  const columns: Record<string, string> = {};
  for (const [prefix, typeUrl] of COLUMNS) {
    const type = types.find((t) => t.typeUrl === typeUrl);
    if (type?.sentNonce) columns[`${prefix}_sent`] = type.sentNonce;
    if (type?.ackedNonce) columns[`${prefix}_acked`] = type.ackedNonce;
  }
  return {
    cluster_id: proxy.node.clusterId,
    proxy: proxy.id,
    proxy_type: proxy.node.type,
    istio_version: proxy.node.istioVersion,
    ...columns,
    resources: Object.fromEntries(
      types.filter((type) => type.sentNonce).map((type) => [type.typeUrl, sentState(type)]),
    ),
  };
}

function sentState(type: TypeStatus) {
  const { sentNonce: sent, ackedNonce: acked, sentAt, nack } = type;
  return {
    sent,
    ...(acked ? { acked } : {}),
    ...(nack ? { error: nack.message, error_time: timestamp(sentAt) } : {}),
    sentTime: timestamp(sentAt),
  };
}

function clientOf(proxy: ConnectedProxy) {
  return { connectionId: proxy.connectionId, connectedAt: timestamp(proxy.connectedAt), address: proxy.peer };
}

function listed(proxies: readonly ConnectedProxy[], of: (proxy: ConnectedProxy) => object) {
  return json({ totalClients: proxies.length, clients: proxies.map(of) });
}

function byConnection({ proxies }: DebugContext): ConnectedProxy[] {
  return [...proxies].sort((a, b) => (a.connectionId < b.connectionId ? -1 : 1));
}

export const syncEndpoints: readonly DebugEndpoint[] = [
  {
    name: 'syncz',
    help: 'What each proxy was sent last, and what it acknowledged',
    answer: ({ query }: DebugRequest, context) => {
      const namespace = query.get('namespace');
      const shown = byConnection(context).filter(
        (proxy) => followsConfiguration(proxy) && (!namespace || proxy.node.namespace === namespace),
      );
      return json(shown.map(syncStatus));
    },
  },
  {
    name: 'adsz',
    help: 'Connected proxies and what they follow; ?push=true sends everything to all of them once more',
    answer: ({ query }, context) => {
      const proxies = byConnection(context);
      if (query.get('push')) {
        for (const proxy of proxies) proxy.stream.renew();
        return text(200, `Pushed to ${proxies.length} servers\n`);
      }
      return listed(proxies, (proxy) => {
        const node = nodeJson(proxy.rawNode);
        return {
          ...clientOf(proxy),
          ...(proxy.identity ? { identity: proxy.identity } : {}),
          labels: proxy.node.labels,
          metadata: node.metadata ?? {},
          locality: node.locality ?? {},
          watches: Object.fromEntries(proxy.stream.status().map((type) => [type.typeUrl, [...type.names]])),
        };
      });
    },
  },
  {
    name: 'connections',
    help: 'Connected proxies',
    answer: (_, context) => listed(byConnection(context), clientOf),
  },
  {
    name: 'force_disconnect',
    help: 'Ends the connection of a proxy: ?proxyID=',
    answer: ({ query }, { proxies }) => {
      const proxy = proxies.find(query.get('proxyID') ?? '');
      if (!proxy) return text(404, 'Proxy not connected to this Pilot instance.\n');
      proxy.disconnect('disconnected by an administrator');
      return text(200, 'OK\n');
    },
  },
];
