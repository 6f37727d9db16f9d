import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { ClusterSchema } from '../../src/api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { ClusterLoadAssignmentSchema } from '../../src/api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import { cluster, HTTP2, httpListener, socketAddress } from '../support/envoy-config.ts';
import { exchange } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import { requestBytes, start, type Twin, twinProxies } from '../support/twin-proxies.ts';
import { sameHosts, sameStats } from '../support/twin-stats.ts';

const eds = (name: string, more: JsonObject = {}, timeout = '0s'): JsonObject => ({
  name,
  type: 'EDS',
  connect_timeout: '5s',
  eds_cluster_config: { eds_config: { ads: {}, initial_fetch_timeout: timeout, resource_api_version: 'V3' } },
  ...more,
});

interface Group {
  readonly ports: readonly number[];
  readonly more?: JsonObject;
  readonly health?: string;
}

const endpoints = (name: string, groups: readonly Group[], more: JsonObject = {}): JsonObject => ({
  cluster_name: name,
  endpoints: groups.map(({ ports, more: own = {}, health }) => ({
    lb_endpoints: ports.map((port) => ({
      endpoint: { address: socketAddress(port) },
      ...(health && { health_status: health }),
    })),
    ...own,
  })),
  ...more,
});

/** A control plane for each twin, and the bootstrap that leads to it. */
function controlled() {
  const planes = new Map<number, ScriptedControlPlane>();
  const servers = {
    xds: async (t: TestContext) => {
      const plane = new ScriptedControlPlane();
      const port = await plane.listen();
      planes.set(port, plane);
      t.after(() => plane.close());
      return port;
    },
  };
  const bootstrap = (xds: number, listeners: JsonObject[]): JsonObject => ({
    node: { id: 'test', cluster: 'test' },
    dynamic_resources: {
      cds_config: { ads: {}, resource_api_version: 'V3' },
      ads_config: {
        // Where the state of the world comes, what is missing in it may still come; a delta says what there is not.
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
    },
    static_resources: { listeners, clusters: [cluster('xds', xds, HTTP2)] },
  });
  return { servers, bootstrap, planeOf: (twin: Twin) => planes.get(twin.env.backend('xds'))! };
}

const NAMES = ['eds', 'late', 'gone', 'checked'];

test('clusters and endpoints come and go as with Envoy', { skip: withoutReference }, async (t) => {
  const { servers, bootstrap, planeOf } = controlled();
  const twins = await twinProxies(t, {
    listeners: ['main'],
    servers: {
      xds: async (context) => {
        const port = await servers.xds(context);
        return port;
      },
    },
    backends: () => ({}),
    bootstrap: (env) =>
      bootstrap(env.backend('xds'), [
        httpListener('main', {
          port: env.port('main'),
          log: env.log('main'),
          routeConfig: { validate_clusters: false },
          routes: NAMES.map((name) => ({ match: { path: `/${name}` }, route: { cluster: name } })),
        }),
      ]),
  });
  const both = [twins.envoy, twins.isthmus];
  const publish = async (
    clusters: (twin: Twin) => JsonObject[],
    assignments: (twin: Twin) => JsonObject[],
    settled = true,
  ) => {
    await Promise.all(
      both.map(async (twin) => {
        const plane = planeOf(twin);
        const byName = (list: JsonObject[], key: string) => Object.fromEntries(list.map((one) => [one[key], one]));
        plane.set(ClusterSchema, byName(clusters(twin), 'name') as Record<string, JsonObject>);
        plane.set(ClusterLoadAssignmentSchema, byName(assignments(twin), 'cluster_name') as Record<string, JsonObject>);
        const number = plane.push();
        if (settled) await until(`${twin.program} has taken ${number}`, () => plane.settled >= number);
      }),
    );
  };
  const status = async (twin: Twin, name: string) =>
    (await exchange(twin.env.port('main'), [requestBytes({ path: `/${name}` })])).status;
  const statuses = (name: string) => Promise.all(both.map((twin) => status(twin, name)));
  const active = async (name: string, wanted: boolean) => {
    for (const twin of both) {
      await until(`${twin.program}: ${name} is ${wanted ? 'there' : 'gone'}`, async () => {
        return (await twin.admin('/clusters')).includes(`\n${name}::`) === wanted;
      });
    }
  };
  const port = (twin: Twin) => twin.env.backend('backend');

  await t.test('hosts by priority, locality, weight and health', async () => {
    await publish(
      () => [eds('eds')],
      (twin) => [
        endpoints('eds', [
          {
            ports: [port(twin)],
            more: { locality: { region: 'r', zone: 'z', sub_zone: 's' }, load_balancing_weight: 3 },
          },
          { ports: [1, 2], more: { priority: 1 }, health: 'UNHEALTHY' },
          { ports: [3], more: { priority: 1, locality: { region: 'q' } }, health: 'DEGRADED' },
          { ports: [4], more: { priority: 1 }, health: 'DRAINING' },
        ]),
      ],
    );
    await active('eds', true);
    const lines = await sameHosts(twins, 'eds', /health_flags|weight|priority|region|zone|sub_zone|canary|hostname/);
    assert.ok(lines.includes('127.0.0.1:1::health_flags::/failed_eds_health'));
    await sameStats(twins, 'eds', /update_|version|upstream_|http1/);
    assert.deepEqual(await statuses('eds'), [200, 200]);
  });

  await t.test('a new list of hosts', async () => {
    await publish(
      () => [eds('eds')],
      (twin) => [endpoints('eds', [{ ports: [port(twin), 5] }])],
    );
    await until('the list', async () => (await sameHosts(twins, 'eds', /weight/).catch(() => [])).length === 2);
    await sameStats(twins, 'eds', /update_|version|upstream_|http1|total_match_count/);
  });

  await t.test('a cluster waits for its endpoints, and the one before it serves on', async () => {
    await publish(
      () => [eds('eds'), eds('late')],
      (twin) => [endpoints('eds', [{ ports: [port(twin)] }])],
      false,
    );
    for (const twin of both) {
      await until(`${twin.program} warms`, async () =>
        /cluster_manager\.warming_clusters: 1/.test(await twin.admin('/stats?filter=warming_clusters')),
      );
    }
    assert.deepEqual(await statuses('late'), [503, 503]);
    assert.deepEqual(await statuses('eds'), [200, 200]);
    await publish(
      () => [eds('eds'), eds('late')],
      (twin) => ['eds', 'late'].map((name) => endpoints(name, [{ ports: [port(twin)] }])),
    );
    await active('late', true);
    assert.deepEqual(await statuses('late'), [200, 200]);
  });

  await t.test('a cluster waits no longer than initial_fetch_timeout', async () => {
    await publish(
      () => [eds('eds'), eds('gone', {}, '0.2s')],
      (twin) => [endpoints('eds', [{ ports: [port(twin)] }])],
      false,
    );
    await active('gone', true);
    await active('late', false);
    assert.deepEqual(await statuses('gone'), [503, 503]);
    await sameStats(twins, 'gone', /update_attempt|upstream_/);
  });

  await t.test('a cluster waits for the first health check', async () => {
    const check = {
      timeout: '1s',
      interval: '0.1s',
      unhealthy_threshold: 1,
      healthy_threshold: 1,
      tcp_health_check: {},
    };
    await publish(
      () => [eds('checked', { health_checks: [check] })],
      (twin) => [endpoints('checked', [{ ports: [port(twin)] }])],
      false,
    );
    await active('checked', true);
    await sameHosts(twins, 'checked', /health_flags/);
    assert.deepEqual(await statuses('checked'), [200, 200]);
  });
});

test('a message of many megabytes is taken', async (t) => {
  const { servers, bootstrap, planeOf } = controlled();
  const twin = await start(t, 'isthmus', {
    listeners: [],
    servers,
    bootstrap: (env) => bootstrap(env.backend('xds'), []),
  });
  const plane = planeOf(twin);
  const ballast = 'x'.repeat(6 * 1024 * 1024);
  const large = { ...cluster('large', 1), metadata: { filter_metadata: { test: { ballast } } } };
  plane.set(ClusterSchema, { large });
  plane.push();
  await until('the cluster is there', async () => (await twin.admin('/clusters')).includes('\nlarge::'));
  assert.deepEqual(plane.nacks, []);
});
