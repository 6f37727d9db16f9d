import { httpConnectionManagerFilter } from '../http/connection-manager.ts';
import { delimited, HTTP_PROXY_ROUTE, listenerName } from '../names.ts';
import type { ProxyView } from '../proxy-view.ts';
import { chain } from './filter-chain.ts';
import { type BuiltListener, build } from './outbound.ts';

/** The listener of the mesh's HTTP proxy port (MeshConfig `proxyHttpPort`), which programs name as their proxy; undefined without one. */
export function httpProxyListener(proxy: ProxyView): BuiltListener | undefined {
  const number = proxy.node.httpProxyPort || proxy.mesh.proxyHttpPort;
  if (number === 0) return undefined;
  const addresses = proxy.localhosts;
  const filters = () => [
    httpConnectionManagerFilter(proxy, {
      listenerClass: 'outbound',
      port: number,
      statPrefix: delimited(`outbound_${listenerName(addresses[0], number)}`),
      routes: HTTP_PROXY_ROUTE,
      grpcWeb: false,
      http2: false,
      forwardProxy: true,
    }),
  ];
  return build(proxy, {
    binding: { addresses, bindToPort: true },
    port: { port: number, name: '', protocol: 'HTTP_PROXY' },
    chains: [chain({ filters })],
  });
}
