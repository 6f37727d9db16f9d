import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { ClusterLoadAssignmentSchema } from '../../src/api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import { RouteConfigurationSchema } from '../../src/api/gen/envoy/config/route/v3/route_pb.ts';
import { systemClock } from '../../src/base/clock.ts';
import { AdsClient } from '../../src/xds/client/ads-client.ts';
import type { RawResource, Rejection, SubscriptionSink } from '../../src/xds/client/config-source.ts';
import { Resource } from '../../src/xds/session/resource-types.ts';
import { encodedNode, startIsthmus, startIstiod, type TestedControlPlane } from '../support/mesh.ts';
import { clusterOf, service } from '../support/mesh-yaml.ts';
import { until, withoutReference } from '../support/reference.ts';
import { SocketTransport } from '../support/socket-transport.ts';

// What a client of discovery relies on, asked of every server that there is: ours, and real istiod.

const GATEWAY = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]
`;

const route = (name: string) => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: [web.example.com]
  gateways: [istio-system/gw]
  http: [{route: [{destination: {host: ${name}.default.svc.cluster.local}}]}]
`;

/** Keeps what it gets, and accepts it unless told otherwise. */
class Sink implements SubscriptionSink {
  readonly resources = new Map<string, RawResource>();
  readonly updates: string[] = [];
  readonly missing: string[] = [];
  reject: (resource: RawResource) => string | undefined = () => undefined;

  onUpdate(resources: readonly RawResource[], removed: readonly string[], settle: (r: readonly Rejection[]) => void) {
    const rejections: Rejection[] = [];
    for (const resource of resources) {
      const reason = this.reject(resource);
      if (reason === undefined) this.resources.set(resource.name, resource);
      else rejections.push({ name: resource.name, reason });
    }
    for (const name of removed) this.resources.delete(name);
    this.updates.push([...resources.map((r) => r.name), ...removed.map((name) => `-${name}`)].join(' '));
    settle(rejections);
  }

  onMissing(names: readonly string[]): void {
    this.missing.push(...names);
  }
}

function connect(t: TestContext, server: TestedControlPlane, delta: boolean) {
  const transport = new SocketTransport(server.grpc);
  const states: boolean[] = [];
  const client = new AdsClient({
    transport,
    clock: systemClock,
    node: encodedNode('router', 'gateway', 'istio-system'),
    delta,
    backoff: { initialMs: 20, maxMs: 200 },
    stats: { connected: (state) => states.push(state), identifier: () => {}, pendingRequests: () => {} },
  });
  t.after(() => client.close());
  return { client, transport, states };
}

function portsOf(resource: RawResource | undefined): number[] {
  if (!resource) return [];
  const assignment = fromBinary(ClusterLoadAssignmentSchema, resource.bytes);
  return assignment.endpoints
    .flatMap(({ lbEndpoints }) => lbEndpoints)
    .map(({ hostIdentifier }) => {
      const address = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined;
      return address?.case === 'socketAddress' && address.value.portSpecifier.case === 'portValue'
        ? address.value.portSpecifier.value
        : 0;
    })
    .sort();
}

function clustersOf(resource: RawResource | undefined): string[] {
  if (!resource) return [];
  const { virtualHosts } = fromBinary(RouteConfigurationSchema, resource.bytes);
  return virtualHosts
    .flatMap(({ routes }) => routes)
    .flatMap(({ action }) =>
      action.case === 'route' && action.value.clusterSpecifier.case === 'cluster'
        ? [action.value.clusterSpecifier.value]
        : [],
    );
}

const servers = [
  { name: 'isthmus', start: startIsthmus, skip: false },
  { name: 'istiod', start: startIstiod, skip: withoutReference },
] as const;

for (const { name, start, skip } of servers) {
  for (const delta of [false, true]) {
    describe(`${name}, ${delta ? 'delta' : 'state of the world'}`, { skip, concurrency: true }, () => {
      const config = { 'gateway.yaml': GATEWAY + service('a', 9001) + service('b', 9002) + route('a') };

      test('gives clusters, endpoints and routes, and their changes', async (t) => {
        const server = await start(t, config);
        const { client } = connect(t, server, delta);
        const [clusters, endpoints, routes] = [new Sink(), new Sink(), new Sink()];
        client.subscribe(Resource.Cluster, undefined, clusters);
        await until(
          'clusters come',
          () => clusters.resources.has(clusterOf('a')) && clusters.resources.has(clusterOf('b')),
        );

        const followed = client.subscribe(Resource.Endpoint, [clusterOf('a'), clusterOf('b')], endpoints);
        await until('endpoints come', () => endpoints.resources.size === 2);
        assert.deepEqual(portsOf(endpoints.resources.get(clusterOf('a'))), [9001]);

        client.subscribe(Resource.Route, ['http.8080'], routes);
        await until('the route comes', () => routes.resources.get('http.8080'));
        assert.deepEqual(clustersOf(routes.resources.get('http.8080')), [clusterOf('a')]);

        server.write('gateway.yaml', GATEWAY + service('a', 9001, 9003) + service('c', 9004) + route('c'));
        await until('the new cluster comes', () => clusters.resources.has(clusterOf('c')));
        followed.setNames([clusterOf('a'), clusterOf('c')]);
        await until('its endpoints come', () => endpoints.resources.get(clusterOf('c')));
        assert.deepEqual(portsOf(endpoints.resources.get(clusterOf('c'))), [9004]);
        await until('a changed endpoint comes', () => portsOf(endpoints.resources.get(clusterOf('a'))).length === 2);
        await until('the route follows', () => clustersOf(routes.resources.get('http.8080')).includes(clusterOf('c')));
        await until('the old cluster goes', () => !clusters.resources.has(clusterOf('b')));
      });

      test('goes on after a NACK, and tells the client what is good later', async (t) => {
        const server = await start(t, config);
        const { client } = connect(t, server, delta);
        const [clusters, endpoints] = [new Sink(), new Sink()];
        client.subscribe(Resource.Cluster, undefined, clusters);
        await until('clusters come', () => clusters.resources.has(clusterOf('a')));
        endpoints.reject = (r) => (portsOf(r).includes(9666) ? 'the test does not like 9666' : undefined);
        client.subscribe(Resource.Endpoint, [clusterOf('a')], endpoints);
        await until('endpoints come', () => endpoints.resources.get(clusterOf('a')));
        server.write('gateway.yaml', GATEWAY + service('a', 9666) + service('b', 9002) + route('a'));
        await until('the bad update comes', () => endpoints.updates.length >= 2);
        assert.deepEqual(portsOf(endpoints.resources.get(clusterOf('a'))), [9001], 'the last good one stays');
        server.write('gateway.yaml', GATEWAY + service('a', 9005) + service('b', 9002) + route('a'));
        await until('the good update comes', () => portsOf(endpoints.resources.get(clusterOf('a')))[0] === 9005);
      });

      test('takes a client back that was cut off', async (t) => {
        const server = await start(t, config);
        const { client, transport, states } = connect(t, server, delta);
        const [clusters, endpoints] = [new Sink(), new Sink()];
        client.subscribe(Resource.Cluster, undefined, clusters);
        await until('clusters come', () => clusters.resources.has(clusterOf('a')));
        client.subscribe(Resource.Endpoint, [clusterOf('a')], endpoints);
        await until('endpoints come', () => endpoints.resources.size === 1);
        transport.cut();
        await until('the client is back', () => states.filter(Boolean).length >= 2);
        server.write('gateway.yaml', GATEWAY + service('a', 9001, 9009) + service('b', 9002) + route('a'));
        await until('a change comes', () => portsOf(endpoints.resources.get(clusterOf('a'))).length === 2);
        assert.ok(clusters.resources.has(clusterOf('b')));
      });
    });
  }
}

test('ours sends a client that comes back only what it does not have', async (t) => {
  const config = { 'gateway.yaml': GATEWAY + service('a', 9001) + service('b', 9002) + route('a') };
  const server = await startIsthmus(t, config);
  const { client, transport, states } = connect(t, server, true);
  const [clusters, endpoints] = [new Sink(), new Sink()];
  client.subscribe(Resource.Cluster, undefined, clusters);
  await until('clusters come', () => clusters.resources.has(clusterOf('a')));
  client.subscribe(Resource.Endpoint, [clusterOf('a'), clusterOf('b')], endpoints);
  await until('endpoints come', () => endpoints.resources.size === 2);
  const before = [clusters.updates.length, endpoints.updates.length];
  transport.cut();
  await until('the client is back', () => states.filter(Boolean).length >= 2);
  server.write('more.yaml', service('c', 9003));
  await until('a change comes', () => clusters.resources.has(clusterOf('c')));
  assert.deepEqual(clusters.updates.slice(before[0]), [clusterOf('c')]);
  assert.equal(endpoints.updates.length, before[1]);
});
