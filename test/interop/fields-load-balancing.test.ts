import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any } from '../support/envoy-config.ts';
import { assignment, group, type HostSpec } from '../support/host-groups.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import type { TwinEnv } from '../support/twin-proxies.ts';
import { compareRows, type TwinParts, type TwinRow } from '../support/twin-rows.ts';

/** Who gets a request: hosts a to d, which answer with their name, by policies, subsets, priorities and localities. */

const POLICIES = 'envoy.extensions.load_balancing_policies';

const typed = (type: string, fields: JsonObject = {}): JsonObject => ({
  policies: [{ typed_extension_config: { name: type, typed_config: any(`${POLICIES}.${type}`, fields) } }],
});
const policy = (type: string, fields: JsonObject = {}): JsonObject => ({ load_balancing_policy: typed(type, fields) });
const ring = (fields: JsonObject): JsonObject => ({
  // Only names can be hashed that come with the hosts.
  type: 'STRICT_DNS',
  lb_policy: 'RING_HASH',
  ...fields,
});

const BY_NAME = { consistent_hashing_lb_config: { use_hostname_for_hashing: true } };
const HASHED: TwinParts = { action: { hash_policy: [{ header: { header_name: 'x-key' } }] } };
const keys = (count: number, headers: [string, string][] = []): TwinRow['send'] =>
  Array.from({ length: count }, (_, i) => ({ headers: [['x-key', `key ${i}`] as const, ...headers] }));
const hosts =
  (list: readonly HostSpec[], more: JsonObject = {}) =>
  (env: TwinEnv): JsonObject => ({ ...assignment([group(env, list)]), ...more });

const at = (zone: string, more: JsonObject = {}): JsonObject => ({ locality: { region: 'r', zone }, ...more });
/** One locality gets three times what the other gets. */
const LOCALITIES: TwinParts = {
  ...HASHED,
  cluster: (env) => ({
    ...assignment([
      group(env, ['a'], at('x', { load_balancing_weight: 1 })),
      group(env, ['b'], at('y', { load_balancing_weight: 3 })),
    ]),
    type: 'STRICT_DNS',
  }),
};
const localities = (name: string, cluster: JsonObject): TwinRow => ({
  name,
  base: LOCALITIES,
  cluster,
  send: keys(24),
  anyOrder: true,
});

/** Two priorities, of which the first is not all there. */
const FAILOVER: TwinParts = {
  ...HASHED,
  cluster: (env) => ({
    ...ring({ common_lb_config: BY_NAME }),
    ...assignment([group(env, ['a', ['b', { health_status: 'UNHEALTHY' }]]), group(env, ['c'], { priority: 1 })]),
  }),
};
const failover = (name: string, fields: JsonObject): TwinRow => ({
  name: `ClusterLoadAssignment.policy: ${name}`,
  base: FAILOVER,
  cluster: (env) =>
    assignment([group(env, ['a', ['b', { health_status: 'UNHEALTHY' }]]), group(env, ['c'], { priority: 1 })], {
      policy: fields,
    }),
  send: keys(24),
  stats: ['cluster.own.(drop_overload|unconditional_drop_overload|upstream_rq_drop_overload)'],
  log: '%RESPONSE_FLAGS_LONG%',
});

const RINGS: readonly JsonObject[] = [
  { minimum_ring_size: 8, maximum_ring_size: 16 },
  { hash_function: 'MURMUR_HASH_2' },
];

const ROWS: readonly TwinRow[] = [
  failover('overprovisioning_factor', { overprovisioning_factor: 200 }),
  failover('overprovisioning_factor below 100', { overprovisioning_factor: 50 }),
  ...[999_999, 1_000_000].map(
    (numerator): TwinRow => ({
      ...failover('drop_overloads', {
        drop_overloads: [{ category: 'all', drop_percentage: { numerator, denominator: 'MILLION' } }],
      }),
      name: `ClusterLoadAssignment.policy: drop_overloads of ${numerator}`,
      send: keys(2),
      only: ['status', 'headers', 'body', 'log'],
    }),
  ),
  {
    name: 'ClusterLoadAssignment.policy: weighted_priority_health',
    base: {
      ...HASHED,
      cluster: (env) => ({
        ...ring({ common_lb_config: BY_NAME }),
        ...assignment([
          group(env, [
            ['a', { load_balancing_weight: 9 }],
            ['b', { health_status: 'UNHEALTHY', load_balancing_weight: 1 }],
            ['d', { health_status: 'UNHEALTHY', load_balancing_weight: 1 }],
          ]),
          group(env, ['c'], { priority: 1 }),
        ]),
      }),
    },
    cluster: (env) =>
      assignment(
        [
          group(env, [
            ['a', { load_balancing_weight: 9 }],
            ['b', { health_status: 'UNHEALTHY', load_balancing_weight: 1 }],
            ['d', { health_status: 'UNHEALTHY', load_balancing_weight: 1 }],
          ]),
          group(env, ['c'], { priority: 1 }),
        ],
        { policy: { weighted_priority_health: true } },
      ),
    send: keys(24),
  },
  localities('common_lb_config: locality_weighted_lb_config', {
    common_lb_config: { locality_weighted_lb_config: {} },
  }),
  localities(
    'Random: locality_lb_config',
    policy('random.v3.Random', { locality_lb_config: { locality_weighted_lb_config: {} } }),
  ),
  localities(
    'RoundRobin: locality_lb_config',
    policy('round_robin.v3.RoundRobin', {
      locality_lb_config: { locality_weighted_lb_config: {} },
    }),
  ),
  localities(
    'LeastRequest: locality_lb_config',
    policy('least_request.v3.LeastRequest', {
      locality_lb_config: { locality_weighted_lb_config: {} },
    }),
  ),
  {
    ...localities(
      'RingHash: locality_weighted_lb_config',
      policy('ring_hash.v3.RingHash', {
        ...BY_NAME,
        locality_weighted_lb_config: {},
      }),
    ),
    anyOrder: false,
  },
  {
    ...localities(
      'Maglev: locality_weighted_lb_config',
      policy('maglev.v3.Maglev', {
        ...BY_NAME,
        locality_weighted_lb_config: {},
      }),
    ),
    anyOrder: false,
  },
  ...RINGS.map(
    (fields): TwinRow => ({
      name: `RingHash: ${Object.keys(fields).join(', ')}`,
      base: {
        ...HASHED,
        cluster: hosts(['a', 'b', 'c', 'd'], { type: 'STRICT_DNS', ...policy('ring_hash.v3.RingHash', BY_NAME) }),
      },
      cluster: policy('ring_hash.v3.RingHash', { ...BY_NAME, ...fields }),
      send: keys(40),
      stats: ['cluster.own.ring_hash_lb'],
    }),
  ),
  {
    name: 'RingHash: use_hostname_for_hashing of old',
    base: {
      ...HASHED,
      cluster: hosts(['a', 'b', 'c', 'd'], { type: 'STRICT_DNS', ...policy('maglev.v3.Maglev', BY_NAME) }),
    },
    cluster: policy('ring_hash.v3.RingHash', { use_hostname_for_hashing: true }),
    send: keys(40),
    stats: ['cluster.own.ring_hash_lb'],
  },
];

test('fields of balancing change who gets a request as with Envoy', { skip: withoutReference }, async (t) => {
  const answer = (name: string) => () => encodeMessage('HTTP/1.1 200 OK', [], name);
  await compareRows(
    t,
    ROWS.map((row): TwinRow => ({ only: ['status', 'body'], ...row })),
    {
      backends: () => Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, answer(name)])),
    },
  );
});
