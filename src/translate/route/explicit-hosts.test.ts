import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { translationFor } from '../../../test/interop/translation/isthmus.ts';
import { ClusterSchema } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import type { SocketAddress } from '../../api/gen/envoy/config/core/v3/address_pb.ts';
import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { ListenerSchema } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { RouteConfigurationSchema } from '../../api/gen/envoy/config/route/v3/route_pb.ts';
import { TypeUrl } from '../cell.ts';

const CONFIG = `
apiVersion: v1
kind: Service
metadata: {name: catalog, namespace: shop}
spec:
  clusterIP: 10.0.0.2
  selector: {app: catalog}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp-db, port: 9000}]
---
apiVersion: v1
kind: Service
metadata: {name: orders, namespace: shop}
spec:
  clusterIP: 10.0.0.3
  selector: {app: orders}
  ports: [{name: http, port: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: orders, namespace: other}
spec:
  clusterIP: 10.0.0.4
  selector: {app: orders}
  ports: [{name: http, port: 8080}, {name: http-alt, port: 80}]
---
apiVersion: v1
kind: Pod
metadata: {name: catalog-1, namespace: shop, labels: {app: catalog}}
spec: {containers: []}
status: {podIP: 127.64.0.2, phase: Running, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: secure, namespace: shop}
spec:
  hosts: [secure.example.com]
  resolution: DNS
  ports: [{name: tls, number: 443, protocol: TLS}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: by-port, namespace: shop}
spec:
  hosts: [secure.example.com, orders]
  http:
  - match: [{port: 80}]
    route: [{destination: {host: catalog}}]
  - match: [{port: 8080}]
    route: [{destination: {host: orders, port: {number: 8080}}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: far, namespace: shop}
spec:
  hosts: [far.example.com]
  resolution: DNS
  ports: [{name: tls, number: 443, protocol: TLS}, {name: tcp, number: 5432, protocol: TCP}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: far, namespace: shop}
spec:
  hosts: [far.example.com]
  gateways: [mesh, out]
  tls:
  - match: [{gateways: [out], port: 443, sniHosts: [far.example.com]}]
    route: [{destination: {host: far.example.com}}]
  - match: [{gateways: [mesh], port: 443, sniHosts: [far.example.com]}]
    route: [{destination: {host: catalog, port: {number: 80}}}]
  tcp:
  - match: [{port: 5432}]
    route:
    - {destination: {host: catalog, port: {number: 9000}}, weight: 90}
    - {destination: {host: far.example.com, port: {number: 5432}}, weight: 10}
`;

function proxyOf(metadata: JsonObject) {
  const node = fromJson(NodeSchema, {
    id: 'sidecar~127.64.0.2~catalog-1.shop~shop.svc.cluster.local',
    metadata: { NAMESPACE: 'shop', LABELS: { app: 'catalog' }, INTERCEPTION_MODE: 'NONE', ...metadata },
  });
  const translation = translationFor({ config: { 'mesh.yaml': CONFIG }, mesh: { proxyHttpPort: 15002 } }, node);
  const listeners = translation.all(TypeUrl.Listener).map(({ bytes }) => fromBinary(ListenerSchema, bytes));
  return {
    listener: (name: string) => listeners.find((listener) => listener.name === name),
    names: listeners.map(({ name }) => name),
    clusters: translation.all(TypeUrl.Cluster).map(({ bytes }) => fromBinary(ClusterSchema, bytes)),
    hosts: (table: string) =>
      new Map(
        fromBinary(RouteConfigurationSchema, translation.get(TypeUrl.Route, table)!.bytes).virtualHosts.map((host) => [
          host.name,
          host,
        ]),
      ),
    table: (name: string) => fromBinary(RouteConfigurationSchema, translation.get(TypeUrl.Route, name)!.bytes),
  };
}

const EXPLICIT = { ISTHMUS_CAPTURE: 'explicit' };

test('a sidecar of mode NONE takes the ports of its services only where capture is explicit', () => {
  const plain = proxyOf({});
  assert.deepEqual(
    plain.names.filter((name) => name.startsWith('127.64')),
    [],
  );
  assert.equal(
    plain.clusters.some(({ name }) => name === 'inbound|8080||'),
    false,
  );
  const explicit = proxyOf(EXPLICIT);
  assert.deepEqual(
    explicit.names.filter((name) => name.startsWith('127.64')),
    ['127.64.0.2_8080', '127.64.0.2_9000'],
  );
  const listener = explicit.listener('127.64.0.2_8080')!;
  const address = listener.address!.address.value as SocketAddress;
  assert.deepEqual([address.address, address.portSpecifier.value], ['127.64.0.2', 8080]);
  assert.equal(listener.bindToPort, undefined);
  assert.ok(listener.filterChains.every(({ filterChainMatch }) => filterChainMatch?.destinationPort === 8080));
});

test('what comes in through an explicit sidecar goes to its program on loopback', () => {
  const cluster = proxyOf(EXPLICIT).clusters.find(({ name }) => name === 'inbound|8080||')!;
  const endpoint = cluster.loadAssignment!.endpoints[0]!.lbEndpoints[0]!.hostIdentifier;
  assert.ok(endpoint.case === 'endpoint');
  const address = endpoint.value.address!.address.value as SocketAddress;
  assert.deepEqual([address.address, address.portSpecifier.value], ['127.0.0.1', 8080]);
});

test('a port of an explicit sidecar means the only service of the namespace on it', () => {
  const domains = (name: string, host: string) => proxyOf(EXPLICIT).hosts(name).get(host)!.domains;
  assert.deepEqual(domains('8080', 'orders.shop.svc.cluster.local:8080').slice(-2), ['localhost', '127.*']);
  assert.equal(domains('8080', 'orders.other.svc.cluster.local:8080').includes('127.*'), false);
  assert.deepEqual(domains('80', 'catalog.shop.svc.cluster.local:80').slice(-2), ['localhost', '127.*']);
  const plain = proxyOf({}).hosts('8080').get('orders.shop.svc.cluster.local:8080')!;
  assert.equal(plain.domains.includes('127.*'), false);
});

test('the HTTP proxy port of an explicit sidecar tells ports apart and tunnels to every port', () => {
  const proxy = proxyOf(EXPLICIT);
  assert.equal(proxy.table('http_proxy').ignorePortInHostMatching, false);
  assert.equal(proxy.table('8080').ignorePortInHostMatching, true);
  const hosts = proxy.hosts('http_proxy');
  const kinds = (name: string) => hosts.get(name)!.routes.map(({ match }) => match!.pathSpecifier.case);
  assert.deepEqual(kinds('orders.shop.svc.cluster.local:8080'), ['prefix', 'connectMatcher']);
  assert.deepEqual(kinds('catalog.shop.svc.cluster.local:9000'), ['connectMatcher']);
  assert.ok(hosts.get('orders.shop.svc.cluster.local:8080')!.domains.includes('orders:8080'));
  const secure = hosts.get('secure.example.com:443')!;
  assert.deepEqual(secure.domains, ['secure.example.com:443', 'secure.example.com.:443']);
  const action = secure.routes[0]!.action;
  assert.ok(action.case === 'route');
  assert.equal(action.value.clusterSpecifier.value, 'outbound|443||secure.example.com');
  assert.deepEqual(
    action.value.upgradeConfigs.map(({ upgradeType }) => upgradeType),
    ['CONNECT'],
  );
  assert.equal(proxyOf({}).table('http_proxy').ignorePortInHostMatching, true);
});

test('what a VirtualService says of a port holds for it on the HTTP proxy port of an explicit sidecar', () => {
  const hosts = proxyOf(EXPLICIT).hosts('http_proxy');
  const clusters = (name: string) =>
    hosts.get(name)!.routes.flatMap(({ action, match }) => {
      if (match!.pathSpecifier.case === 'connectMatcher' || action.case !== 'route') return [];
      return action.value.clusterSpecifier.value;
    });
  assert.deepEqual(clusters('orders.shop.svc.cluster.local:8080'), ['outbound|8080||orders.shop.svc.cluster.local']);
  // Its only port is not HTTP, so that it stands for plain HTTP as a host that is no service does.
  assert.deepEqual(clusters('secure.example.com:80'), ['outbound|80||catalog.shop.svc.cluster.local']);
  const { domains } = hosts.get('secure.example.com:80')!;
  assert.deepEqual(domains, ['secure.example.com', 'secure.example.com:80']);
});

test('a tunnel goes where a TLS or TCP rule sends its port', () => {
  const hosts = proxyOf(EXPLICIT).hosts('http_proxy');
  const clusters = (name: string) => {
    const action = hosts.get(name)!.routes.find(({ match }) => match!.pathSpecifier.case === 'connectMatcher')!.action;
    assert.ok(action.case === 'route');
    const { clusterSpecifier } = action.value;
    if (clusterSpecifier.case === 'cluster') return clusterSpecifier.value;
    assert.ok(clusterSpecifier.case === 'weightedClusters');
    return clusterSpecifier.value.clusters.map(({ name: cluster, weight }) => [cluster, weight]);
  };
  assert.equal(clusters('far.example.com:443'), 'outbound|80||catalog.shop.svc.cluster.local');
  assert.deepEqual(clusters('far.example.com:5432'), [
    ['outbound|9000||catalog.shop.svc.cluster.local', 90],
    ['outbound|5432||far.example.com', 10],
  ]);
  assert.equal(clusters('secure.example.com:443'), 'outbound|443||secure.example.com');
});
