import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any } from '../support/envoy-config.ts';
import { assignment, group, type HostSpec } from '../support/host-groups.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import type { TwinEnv } from '../support/twin-proxies.ts';
import { compareRows, type TwinParts, type TwinRow } from '../support/twin-rows.ts';

/** Who gets a request that asks for hosts with certain metadata: hosts a to d, which answer with their name. */

const POLICIES = 'envoy.extensions.load_balancing_policies';

const typed = (type: string, fields: JsonObject = {}): JsonObject => ({
  policies: [{ typed_extension_config: { name: type, typed_config: any(`${POLICIES}.${type}`, fields) } }],
});
const policy = (type: string, fields: JsonObject = {}): JsonObject => ({ load_balancing_policy: typed(type, fields) });
const lb = (values: JsonObject): JsonObject => ({ metadata: { filter_metadata: { 'envoy.lb': values } } });
const hosts =
  (list: readonly HostSpec[], more: JsonObject = {}) =>
  (env: TwinEnv): JsonObject => ({ ...assignment([group(env, list)]), ...more });

/** Hosts by the groups that they are in, and requests that say which they want. */
const SUBSETS: readonly HostSpec[] = [
  ['a', lb({ version: 'v1', stage: 'prod' })],
  ['b', lb({ version: 'v2', stage: 'prod' })],
  ['c', lb({ version: 'v2', stage: 'test' })],
  ['d', lb({ version: ['v3', 'v4'] })],
];
const WANTED: readonly JsonObject[] = [
  { version: 'v1' },
  { version: 'v2' },
  { version: 'v2', stage: 'test' },
  { version: 'v1', stage: 'test' },
  { stage: 'prod' },
  { version: 'v9' },
  { version: 'v4' },
  { nobody: 'has this' },
];
const match = (values: JsonObject): JsonObject => ({ filter_metadata: { 'envoy.lb': values } });
const BY_METADATA: TwinParts = {
  routes: [
    ...WANTED.map((values, i) => ({
      match: { path: `/${i}` },
      route: { cluster: 'own', metadata_match: match(values) },
    })),
    {
      match: { path: '/list' },
      route: {
        cluster: 'own',
        metadata_match: match({ version: 'v9', fallback_list: [{ version: 'v8' }, { version: 'v1' }] }),
      },
    },
    { match: { prefix: '/' }, route: { cluster: 'own' } },
  ],
  cluster: hosts(SUBSETS),
};
/** Each twice: of two hosts each gets one. */
const ASKED: TwinRow['send'] = [...WANTED.keys(), 'list', 'any'].flatMap((path) => [
  { path: `/${path}` },
  { path: `/${path}` },
  { path: `/${path}` },
  { path: `/${path}` },
]);
const selectors = (...list: readonly (readonly string[])[]): JsonObject[] =>
  list.map((names) => ({ keys: [...names] }));
const subset = (name: string, fields: JsonObject): TwinRow => ({
  name: `lb_subset_config: ${name}`,
  base: BY_METADATA,
  cluster: { lb_subset_config: { subset_selectors: selectors(['version'], ['version', 'stage']), ...fields } },
  send: ASKED,
  anyOrder: true,
  // How many there are Envoy counts for its main thread as well.
  stats: ['cluster.own.lb_subsets_(fallback|removed|selected|single)'],
});
const typedSubset = (name: string, fields: JsonObject, lbPolicy = typed('round_robin.v3.RoundRobin')): TwinRow => ({
  name: `Subset: ${name}`,
  base: BY_METADATA,
  cluster: policy('subset.v3.Subset', {
    subset_selectors: selectors(['version'], ['version', 'stage']),
    subset_lb_policy: lbPolicy,
    ...fields,
  }),
  send: ASKED,
  anyOrder: true,
  // How many there are Envoy counts for its main thread as well.
  stats: ['cluster.own.lb_subsets_(fallback|removed|selected|single)'],
});

/** Of the subset one locality has all of its hosts, the other half of them. */
const localities = (env: TwinEnv): JsonObject =>
  assignment([
    group(env, [['a', lb({ version: 'v1' })]], { locality: { zone: 'x' }, load_balancing_weight: 1 }),
    group(env, [['b', lb({ version: 'v1' })], 'c'], { locality: { zone: 'y' }, load_balancing_weight: 6 }),
  ]);
const rowByLocality = (name: string, base: JsonObject, cluster: JsonObject): TwinRow => ({
  name,
  base: { routes: BY_METADATA.routes!, cluster: (env) => ({ ...localities(env), ...base }) },
  cluster,
  send: Array.from({ length: 28 }, () => ({ path: '/0' })),
  anyOrder: true,
});
const byLocality = (name: string, base: JsonObject, fields: JsonObject): TwinRow => {
  const common_lb_config = { locality_weighted_lb_config: {} };
  const of = (more: JsonObject) => ({ lb_subset_config: { subset_selectors: selectors(['version']), ...more } });
  return rowByLocality(name, { common_lb_config, ...of(base) }, of(fields));
};
const byTypedLocality = (name: string, base: JsonObject, fields: JsonObject): TwinRow => {
  const subset_lb_policy = typed('round_robin.v3.RoundRobin', {
    locality_lb_config: { locality_weighted_lb_config: {} },
  });
  const of = (more: JsonObject) =>
    policy('subset.v3.Subset', { subset_selectors: selectors(['version']), subset_lb_policy, ...more });
  return rowByLocality(name, of(base), of(fields));
};

const ROWS: readonly TwinRow[] = [
  subset('NO_FALLBACK', {}),
  subset('ANY_ENDPOINT', { fallback_policy: 'ANY_ENDPOINT' }),
  subset('default_subset', { fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'prod' } }),
  subset('panic_mode_any', {
    fallback_policy: 'DEFAULT_SUBSET',
    default_subset: { stage: 'nobody' },
    panic_mode_any: true,
  }),
  subset('list_as_any', { list_as_any: true }),
  subset('fallback_list', { metadata_fallback_policy: 'FALLBACK_LIST' }),
  subset('fallback of a selector', {
    subset_selectors: [
      { keys: ['version'], fallback_policy: 'ANY_ENDPOINT' },
      { keys: ['version', 'stage'], fallback_policy: 'KEYS_SUBSET', fallback_keys_subset: ['version'] },
      { keys: ['stage'], fallback_policy: 'DEFAULT_SUBSET' },
    ],
    default_subset: { version: 'v1' },
  }),
  subset('single_host_per_subset', {
    subset_selectors: [
      { keys: ['version'], single_host_per_subset: true },
      { keys: ['stage'], single_host_per_subset: true },
    ],
  }),
  typedSubset('NO_FALLBACK', {}),
  typedSubset('ANY_ENDPOINT', { fallback_policy: 'ANY_ENDPOINT' }),
  typedSubset('default_subset', { fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'prod' } }),
  typedSubset('panic_mode_any', {
    fallback_policy: 'DEFAULT_SUBSET',
    default_subset: { stage: 'nobody' },
    panic_mode_any: true,
  }),
  typedSubset('list_as_any', { list_as_any: true }),
  typedSubset('fallback_list', { metadata_fallback_policy: 'FALLBACK_LIST' }),
  typedSubset('fallback of a selector', {
    subset_selectors: [
      { keys: ['version'], fallback_policy: 'ANY_ENDPOINT' },
      { keys: ['version', 'stage'], fallback_policy: 'KEYS_SUBSET', fallback_keys_subset: ['version'] },
      { keys: ['stage'], fallback_policy: 'DEFAULT_SUBSET' },
    ],
    default_subset: { version: 'v1' },
  }),
  typedSubset('single_host_per_subset', {
    subset_selectors: [
      { keys: ['version'], single_host_per_subset: true },
      { keys: ['stage'], single_host_per_subset: true },
    ],
  }),
  typedSubset('allow_redundant_keys', {
    subset_selectors: selectors(['version'], ['stage']),
    allow_redundant_keys: true,
  }),
  byLocality('lb_subset_config: locality_weight_aware', {}, { locality_weight_aware: true }),
  byLocality(
    'lb_subset_config: scale_locality_weight',
    { locality_weight_aware: true },
    { locality_weight_aware: true, scale_locality_weight: true },
  ),
  byTypedLocality('Subset: locality_weight_aware', {}, { locality_weight_aware: true }),
  byTypedLocality(
    'Subset: scale_locality_weight',
    { locality_weight_aware: true },
    { locality_weight_aware: true, scale_locality_weight: true },
  ),
];

test('fields of subsets change who gets a request as with Envoy', { skip: withoutReference }, async (t) => {
  const answer = (name: string) => () => encodeMessage('HTTP/1.1 200 OK', [], name);
  await compareRows(
    t,
    ROWS.map((row): TwinRow => ({ only: ['status', 'body'], ...row })),
    {
      backends: () => Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, answer(name)])),
    },
  );
});
