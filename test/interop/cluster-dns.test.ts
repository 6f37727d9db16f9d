import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { TestDnsServer } from '../support/dns-server.ts';
import { any, cluster, httpListener, socketAddress } from '../support/envoy-config.ts';
import { exchange } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { requestBytes, type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';
import { bothReach, hostLines, sameHosts, sameStats } from '../support/twin-stats.ts';

const STRICT: JsonObject = { type: 'STRICT_DNS', dns_refresh_rate: '1000s' };
const LOGICAL: JsonObject = { type: 'LOGICAL_DNS', dns_refresh_rate: '1000s' };
const OFTEN: JsonObject = { dns_refresh_rate: '0.1s' };

const moves = (asked: number) => (asked === 0 ? ['127.0.0.2'] : ['127.0.0.1', '127.0.0.3']);
const vanishes = (asked: number) => (asked === 0 ? ['127.0.0.1'] : ('NXDOMAIN' as const));

const zones = () => ({
  'two.test': { answers: () => ['127.0.0.2', '127.0.0.1', '127.0.0.2'] },
  'both.test': { answers: () => ['127.0.0.3', '::1', '127.0.0.1', '::2'] },
  'four.test': { answers: () => ['127.0.0.1'] },
  'six.test': { answers: () => ['::1'] },
  'broken.test': { answers: () => 'SERVFAIL' as const },
  'moves.test': { answers: moves },
  'logical-moves.test': { answers: moves },
  'vanishes.test': { answers: vanishes },
  'logical-vanishes.test': { answers: vanishes },
  'fails.test': { answers: (asked: number) => (asked === 0 ? ['127.0.0.1'] : ('SERVFAIL' as const)) },
  'short.test': { ttl: 1, answers: () => ['127.0.0.1'] },
});

const dnsCluster = (fields: JsonObject): JsonObject => ({
  type: undefined as never,
  cluster_type: {
    name: 'envoy.clusters.dns',
    typed_config: any('envoy.extensions.clusters.dns.v3.DnsCluster', fields),
  },
});

/** Cluster -> the name that it resolves, and what it is. */
const CLUSTERS: Readonly<Record<string, readonly [name: string, fields: JsonObject]>> = {
  two: ['two.test', STRICT],
  'both-auto': ['both.test', STRICT],
  'both-v4': ['both.test', { ...STRICT, dns_lookup_family: 'V4_ONLY' }],
  'both-v6': ['both.test', { ...STRICT, dns_lookup_family: 'V6_ONLY' }],
  'both-preferred': ['both.test', { ...STRICT, dns_lookup_family: 'V4_PREFERRED' }],
  'both-all': ['both.test', { ...STRICT, dns_lookup_family: 'ALL' }],
  'four-auto': ['four.test', STRICT],
  'four-v6': ['four.test', { ...STRICT, dns_lookup_family: 'V6_ONLY' }],
  'six-preferred': ['six.test', { ...STRICT, dns_lookup_family: 'V4_PREFERRED' }],
  literal: ['127.0.0.1', STRICT],
  localhost: ['localhost', { ...STRICT, dns_lookup_family: 'V4_ONLY' }],
  none: ['none.test', STRICT],
  broken: ['broken.test', STRICT],
  moves: ['moves.test', { ...STRICT, ...OFTEN, dns_lookup_family: 'V4_ONLY' }],
  vanishes: ['vanishes.test', { ...STRICT, ...OFTEN, dns_lookup_family: 'V4_ONLY' }],
  fails: ['fails.test', { ...STRICT, ...OFTEN, dns_lookup_family: 'V4_ONLY' }],
  logical: ['two.test', LOGICAL],
  'logical-all': ['both.test', { ...LOGICAL, dns_lookup_family: 'ALL' }],
  'logical-moves': ['logical-moves.test', { ...LOGICAL, ...OFTEN, dns_lookup_family: 'V4_ONLY' }],
  'logical-vanishes': ['logical-vanishes.test', { ...LOGICAL, ...OFTEN, dns_lookup_family: 'V4_ONLY' }],
  short: ['short.test', { ...STRICT, respect_dns_ttl: true, dns_lookup_family: 'V4_ONLY' }],
  tcp: ['four.test', { ...STRICT, dns_lookup_family: 'V4_ONLY' }],
  typed: ['two.test', dnsCluster({ dns_refresh_rate: '1000s', dns_lookup_family: 'V4_ONLY' })],
  single: ['two.test', dnsCluster({ dns_refresh_rate: '1000s', all_addresses_in_single_endpoint: true })],
};

/** Those of which both say the same once they have stopped to change: nothing but how often was asked. */
const TIMED = new Set(['moves', 'vanishes', 'fails', 'logical-moves', 'logical-vanishes', 'short']);

test('names are resolved as Envoy resolves them', { skip: withoutReference }, async (t) => {
  const servers = new Map<number, TestDnsServer>();
  const dns = async (context: TestContext) => {
    const server = new TestDnsServer(zones());
    const port = await server.listen(context);
    servers.set(port, server);
    return port;
  };
  const resolver = (env: TwinEnv, options: JsonObject = {}): JsonObject => ({
    typed_dns_resolver_config: {
      name: 'envoy.network.dns_resolver.cares',
      typed_config: any('envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig', {
        resolvers: [socketAddress(env.backend('dns'))],
        dns_resolver_options: { no_default_search_domain: true, ...options },
      }),
    },
  });
  const twins = await twinProxies(t, {
    listeners: ['main'],
    servers: { dns },
    bootstrap: (env) => ({
      ...resolver(env),
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            routes: Object.keys(CLUSTERS).map((name) => ({ match: { path: `/${name}` }, route: { cluster: name } })),
          }),
        ],
        clusters: Object.entries(CLUSTERS).map(([name, [host, { type, ...fields }]]) => ({
          ...cluster(name, 0, fields),
          ...(type === undefined ? {} : { type }),
          ...('cluster_type' in fields && { type: undefined as never }),
          ...(name === 'tcp' && resolver(env, { use_tcp_for_dns_lookups: true })),
          load_assignment: {
            cluster_name: name,
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(env.backend('backend'), host) } }] }],
          },
        })),
      },
    }),
  });

  const settled: Readonly<Record<string, number>> = { moves: 2, vanishes: 0 };
  for (const name of Object.keys(CLUSTERS)) {
    await t.test(`hosts of ${name}`, async () => {
      if (name in settled) await bothReach(twins, name, 'membership_total', settled[name]);
      if (name === 'logical-moves') {
        await Promise.all(
          [twins.envoy, twins.isthmus].map((twin) =>
            until(`${twin.program} moves`, async () => (await hostLines(twin, name))[0]?.startsWith('127.0.0.1')),
          ),
        );
      }
      await sameHosts(twins, name, /hostname|weight|health_flags|priority/);
      await sameStats(twins, name, TIMED.has(name) ? /update_|membership_change|total_match_count/ : undefined);
    });
  }

  await t.test('who is asked for what, and how', () => {
    const asked = (twin: Twin) => {
      const { questions } = servers.get(twin.env.backend('dns'))!;
      return [...new Set(questions)].sort();
    };
    assert.deepEqual(asked(twins.isthmus), asked(twins.envoy));
  });

  await t.test('a name that is not there for a while leaves a logical host where it was', async () => {
    for (const twin of [twins.envoy, twins.isthmus]) {
      const { status } = await exchange(twin.env.port('main'), [requestBytes({ path: '/logical-vanishes' })]);
      assert.equal(status, 200, twin.program);
    }
  });

  await t.test('all addresses of a logical host are tried', async () => {
    for (const twin of [twins.envoy, twins.isthmus]) {
      const { status } = await exchange(twin.env.port('main'), [requestBytes({ path: '/logical-all' })]);
      assert.equal(status, 200, twin.program);
    }
  });

  await t.test('statistics of the resolver', async () => {
    const names = async (twin: Twin) =>
      (await twin.admin('/stats?filter=^dns'))
        .split('\n')
        .map((line) => line.replace(/: \d+$/, ''))
        .sort();
    assert.deepEqual(await names(twins.isthmus), await names(twins.envoy));
  });
});
