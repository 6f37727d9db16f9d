import type { JsonObject } from '@bufbuild/protobuf';
import { TypeUrl } from '../../translate/cell.ts';
import { resourceJson } from '../../xds/server/resource-json.ts';
import type { ServedResource } from '../../xds/session/messages.ts';
import type { ConnectedProxy } from '../proxies/connected-proxy.ts';
import { findProxy } from './find-proxy.ts';
import { type DebugEndpoint, json } from './handler.ts';

const ADMIN = 'type.googleapis.com/envoy.admin.v3.';

/** The resources of a type that a proxy has or is being given. */
export function resourcesOf(proxy: ConnectedProxy, typeUrl: string): readonly ServedResource[] {
  const { view } = proxy.stream;
  const followed = proxy.stream.status().find((type) => type.typeUrl === typeUrl);
  if (!view || !followed) return [];
  const named = [...followed.names].sort().flatMap((name) => view.get(typeUrl, name) ?? []);
  return followed.wildcard ? [...new Set([...view.all(typeUrl), ...named])] : named;
}

function printed(proxy: ConnectedProxy, typeUrl: string): JsonObject[] {
  return resourcesOf(proxy, typeUrl).map((resource) => resourceJson(typeUrl, resource));
}

/** Everything that a proxy has from here, in the shape of Envoy's own `/config_dump`. */
function configDump(proxy: ConnectedProxy): JsonObject {
  const versionInfo = String(proxy.stream.view?.number ?? 0);
  return {
    configs: [
      { '@type': `${ADMIN}BootstrapConfigDump` },
      {
        '@type': `${ADMIN}ClustersConfigDump`,
        versionInfo,
        dynamicActiveClusters: printed(proxy, TypeUrl.Cluster).map((cluster) => ({ cluster })),
      },
      {
        '@type': `${ADMIN}ListenersConfigDump`,
        versionInfo,
        dynamicListeners: printed(proxy, TypeUrl.Listener).map((listener) => ({
          name: listener.name,
          activeState: { listener },
        })),
      },
      { '@type': `${ADMIN}ScopedRoutesConfigDump` },
      {
        '@type': `${ADMIN}RoutesConfigDump`,
        dynamicRouteConfigs: printed(proxy, TypeUrl.Route).map((routeConfig) => ({ versionInfo, routeConfig })),
      },
      {
        '@type': `${ADMIN}SecretsConfigDump`,
        dynamicActiveSecrets: printed(proxy, TypeUrl.Secret).map((secret) => ({
          name: secret.name,
          versionInfo,
          secret,
        })),
      },
      {
        '@type': `${ADMIN}EcdsConfigDump`,
        ecdsFilters: printed(proxy, TypeUrl.ExtensionConfig).map((ecdsFilter) => ({ versionInfo, ecdsFilter })),
      },
    ],
  };
}

function ofProxy(name: string, help: string, print: (proxy: ConnectedProxy) => JsonObject): DebugEndpoint {
  return {
    name,
    help,
    ownNamespace: true,
    answer: (request, context) => {
      const proxy = findProxy(request, context);
      return 'status' in proxy ? proxy : json(print(proxy));
    },
  };
}

export const resourceEndpoints: readonly DebugEndpoint[] = [
  ofProxy('config_dump', "What a proxy has from here, as Envoy's own config_dump: ?proxyID=", configDump),
  ofProxy('cdsz', 'Clusters of a proxy: ?proxyID=', (proxy) => ({ configs: printed(proxy, TypeUrl.Cluster) })),
  ofProxy('edsz', 'Endpoints of a proxy: ?proxyID=', (proxy) => ({ configs: printed(proxy, TypeUrl.Endpoint) })),
  ofProxy('ldsz', 'Listeners of a proxy: ?proxyID=', (proxy) => ({ configs: printed(proxy, TypeUrl.Listener) })),
  ofProxy('rdsz', 'Routes of a proxy: ?proxyID=', (proxy) => ({ configs: printed(proxy, TypeUrl.Route) })),
  ofProxy('ecdsz', 'Extension configurations of a proxy: ?proxyID=', (proxy) => ({
    configs: printed(proxy, TypeUrl.ExtensionConfig),
  })),
  ofProxy('ndsz', 'The name table of a proxy: ?proxyID=', (proxy) => {
    const [table] = printed(proxy, TypeUrl.NameTable);
    if (!table) return {};
    const { '@type': _, ...rest } = table;
    return rest;
  }),
];
