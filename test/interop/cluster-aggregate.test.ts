import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { httpListener, named, socketAddress, tcpListener } from '../support/envoy-config.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { observe, start, type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';
import { clusterStats } from '../support/twin-stats.ts';

/** Aggregate clusters: whose hosts get requests when some of the clusters behind are ill, empty or missing. */

/** For each priority the health of its hosts: healthy, degraded, unhealthy. */
type Members = readonly (readonly ('h' | 'd' | 'u')[])[];

interface Case {
  /** Clusters in their order; undefined is one that there is not. */
  readonly clusters: Readonly<Record<string, Members | undefined>>;
  readonly more?: JsonObject;
  /** Cluster that gets everything, where that is certain. */
  readonly want?: string;
}

const CASES: Readonly<Record<string, Case>> = {
  'the first is healthy': { clusters: { a: [['h']], b: [['h']] }, want: 'a' },
  'the first is ill': { clusters: { a: [['u']], b: [['h']] }, want: 'b' },
  'the first is empty': { clusters: { a: [], b: [['h']] }, want: 'b' },
  'the first is not there': { clusters: { a: undefined, b: [['h']] }, want: 'b' },
  'the second priority of the first comes before the second cluster': {
    clusters: { a: [['u'], ['h']], b: [['h']] },
    want: 'a',
  },
  'an empty priority': { clusters: { a: [[], ['h']], b: [['h']] }, want: 'a' },
  'degraded before the next': { clusters: { a: [['d']], b: [['d']] }, want: 'a' },
  'healthy before degraded': { clusters: { a: [['d']], b: [['h']] }, want: 'b' },
  'half of the first is ill': { clusters: { a: [['h', 'u']], b: [['h']] } },
  'half of both is ill': { clusters: { a: [['h', 'u', 'u', 'u']], b: [['h', 'u', 'u', 'u']] } },
  'most are ill': { clusters: { a: [['h', 'u', 'u', 'u', 'u', 'u', 'u', 'u']], b: [['u']] } },
  'all are ill': { clusters: { a: [['u', 'u', 'u']], b: [['u']] } },
  'all are ill, and health counts': {
    clusters: { a: [['u']], b: [['u']] },
    more: { common_lb_config: { healthy_panic_threshold: { value: 0 } } },
  },
  'nobody is there': { clusters: { a: [], b: undefined } },
  'three clusters': { clusters: { a: [['h', 'u', 'u']], b: [['h', 'u', 'u']], c: [['h']] } },
};

const HEALTH = { h: 'HEALTHY', d: 'DEGRADED', u: 'UNHEALTHY' } as const;

function member(name: string, priorities: Members, port: number): JsonObject {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    load_assignment: {
      cluster_name: name,
      endpoints: priorities.flatMap((hosts, priority) => ({
        priority,
        lb_endpoints: hosts.map((health) => ({
          health_status: HEALTH[health],
          endpoint: { address: socketAddress(port) },
        })),
      })),
    },
  };
}

function aggregate(name: string, clusters: readonly string[], more: JsonObject = {}): JsonObject {
  return {
    name,
    connect_timeout: '5s',
    lb_policy: 'CLUSTER_PROVIDED',
    cluster_type: named('envoy.clusters.aggregate', 'envoy.extensions.clusters.aggregate.v3.ClusterConfig', {
      clusters: [...clusters],
    }),
    ...more,
  };
}

const NAMES = Object.keys(CASES);
/** Members get names of their own for each case. */
const full = (i: number, name: string) => `m${i}${name}`;

function bootstrap(env: TwinEnv): JsonObject {
  const listeners = [
    httpListener('main', {
      port: env.port('main'),
      log: env.log('main'),
      logFormat: '%UPSTREAM_CLUSTER% %UPSTREAM_REQUEST_ATTEMPT_COUNT%',
      routes: NAMES.map((_, i) => ({
        match: { prefix: `/${i}/` },
        route: { cluster: `aggregate${i}`, retry_policy: { retry_on: '5xx', num_retries: 1 } },
      })),
    }),
    tcpListener('tcp', { port: env.port('tcp'), log: env.log('tcp'), proxy: { cluster: 'aggregate1' } }),
  ];
  const clusters = NAMES.flatMap((name, i) => {
    const { clusters, more } = CASES[name]!;
    const members = Object.entries(clusters).flatMap(([one, priorities]) =>
      priorities === undefined ? [] : [member(full(i, one), priorities, env.backend(one))],
    );
    return [
      ...members,
      aggregate(
        `aggregate${i}`,
        Object.keys(clusters).map((one) => full(i, one)),
        more,
      ),
    ];
  });
  return { static_resources: { listeners, clusters } };
}

const answer = (name: string) => () => encodeMessage('HTTP/1.1 200 OK', [['x-by', name]], name);

test('aggregate clusters balance as Envoy does', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main', 'tcp'],
    backends: () => ({ a: answer('a'), b: answer('b'), c: answer('c') }),
    servers: {},
    bootstrap,
  });
  const both = [twins.envoy, twins.isthmus] as const;
  for (const [i, name] of NAMES.entries()) {
    await t.test(name, async () => {
      const { want, clusters } = CASES[name]!;
      const ask = async (twin: Twin, count: number) => {
        const answers = new Map<string, number>();
        for (let n = 0; n < count; n++) {
          const seen = await observe(twin, { name, send: { path: `/${i}/` } }, 'main');
          const by = `${seen.status} ${seen.body} | ${seen.log}`;
          answers.set(by, (answers.get(by) ?? 0) + 1);
        }
        return answers;
      };
      const [envoy, isthmus] = await Promise.all(both.map((twin) => ask(twin, want === undefined ? 120 : 4)));
      const keys = new Set([...envoy!.keys(), ...isthmus!.keys()]);
      if (want !== undefined) {
        assert.match([...keys].join(), new RegExp(`^200 ${want} `));
        assert.deepEqual(isthmus, envoy);
      }
      // Chance may be off by so much in this many draws, and hardly ever by more.
      for (const key of keys) {
        const difference = Math.abs((envoy!.get(key) ?? 0) - (isthmus!.get(key) ?? 0));
        assert.ok(difference < 36, `${key}: ${envoy!.get(key)} of Envoy, ${isthmus!.get(key)} of ours`);
      }
      if (want === undefined) return;
      for (const cluster of [`aggregate${i}`, ...Object.keys(clusters).map((one) => full(i, one))]) {
        const [theirs, ours] = await Promise.all(both.map((twin) => clusterStats(twin, cluster)));
        const shown = (stats: Map<string, number>) =>
          [...stats].map(([key, value]) => `${cluster} ${key}: ${value}`).sort();
        assert.deepEqual(shown(ours!), shown(theirs!));
      }
    });
  }
  await t.test('TCP', async () => {
    for (const twin of both) {
      const socket = net.connect(twin.env.port('tcp'), '127.0.0.1');
      socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      assert.match(chunk.toString(), /x-by: b/, twin.program);
      socket.destroy();
    }
  });
});

test('aggregate clusters that Envoy refuses', { skip: withoutReference }, async (t) => {
  const refused: Readonly<Record<string, JsonObject>> = {
    'without clusters': aggregate('x', []),
    'another policy': aggregate('x', ['a'], { lb_policy: 'ROUND_ROBIN' }),
  };
  for (const [name, cluster] of Object.entries(refused)) {
    await t.test(name, async (t) => {
      for (const program of ['envoy', 'isthmus'] as const) {
        const starting = start(t, program, {
          listeners: [],
          bootstrap: () => ({ static_resources: { clusters: [cluster] } }),
        });
        await assert.rejects(starting, /ended/, program);
      }
    });
  }
});
