import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { ClusterSchema } from '../../src/api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { ClusterLoadAssignmentSchema } from '../../src/api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import { ListenerSchema } from '../../src/api/gen/envoy/config/listener/v3/listener_pb.ts';
import { RouteConfigurationSchema } from '../../src/api/gen/envoy/config/route/v3/route_pb.ts';
import { cluster, HTTP2, httpListener, socketAddress } from '../support/envoy-config.ts';
import { exchange } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import { requestBytes, type Twin, twinProxies } from '../support/twin-proxies.ts';

/** Every type over a stream of its own, which is what `api_config_source` without ADS means. */
const source = (type: 'GRPC' | 'DELTA_GRPC'): JsonObject => ({
  api_config_source: {
    api_type: type,
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
  },
  resource_api_version: 'V3',
});

const routes = (answer: string): JsonObject => ({
  name: 'routes',
  virtual_hosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: [
        { match: { path: '/direct' }, direct_response: { status: 200, body: { inline_string: answer } } },
        { match: { prefix: '/' }, route: { cluster: 'endpoints' } },
      ],
    },
  ],
});

async function ask(twin: Twin, target: string): Promise<string> {
  const { status, body } = await exchange(twin.env.port('main'), [requestBytes({ path: target })]);
  return `${status} ${body.toString('latin1').split(/[\s/]/)[0]}`;
}

for (const type of ['GRPC', 'DELTA_GRPC'] as const) {
  test(`each type over a stream of its own: ${type}`, { skip: withoutReference }, async (t) => {
    const planes = new Map<number, ScriptedControlPlane>();
    const xds = async (context: TestContext) => {
      const plane = new ScriptedControlPlane();
      const port = await plane.listen();
      planes.set(port, plane);
      context.after(() => plane.close());
      return port;
    };
    const twins = await twinProxies(t, {
      listeners: ['main'],
      servers: { xds },
      bootstrap(env) {
        const plane = planes.get(env.backend('xds'))!;
        plane.set(ClusterSchema, {
          endpoints: {
            name: 'endpoints',
            type: 'EDS',
            connect_timeout: '5s',
            eds_cluster_config: { eds_config: source(type) },
          },
        });
        plane.set(ClusterLoadAssignmentSchema, {
          endpoints: {
            cluster_name: 'endpoints',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(env.backend('backend')) } }] }],
          },
        });
        const manager = {
          route_config: undefined as never,
          rds: { route_config_name: 'routes', config_source: source(type) },
        };
        const listener = httpListener('main', { port: env.port('main'), log: env.log('main'), manager });
        plane.set(ListenerSchema, { main: JSON.parse(JSON.stringify(listener)) });
        plane.set(RouteConfigurationSchema, { routes: routes('one') });
        plane.push();
        return {
          node: { id: 'test', cluster: 'test' },
          dynamic_resources: { cds_config: source(type), lds_config: source(type) },
          static_resources: { clusters: [cluster('xds', env.backend('xds'), HTTP2)] },
        };
      },
    });
    for (const twin of [twins.envoy, twins.isthmus]) {
      assert.deepEqual([await ask(twin, '/direct'), await ask(twin, '/')], ['200 one', '200 GET'], twin.program);
      const plane = planes.get(twin.env.backend('xds'))!;
      plane.set(RouteConfigurationSchema, { routes: routes('two') });
      plane.push();
      await until(
        `${twin.program} has the routes`,
        async () => (await ask(twin, '/direct')) === '200 two' || undefined,
      );
      assert.deepEqual(plane.nacks, []);
    }
  });
}
