import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { clusterProto, newHost } from '../../../test/support/hosts.ts';
import { ClusterStats } from '../cluster/cluster-stats.ts';
import { HealthFlag, type Host, type Locality, NO_LOCALITY } from '../cluster/host.ts';
import { ConfigErrors } from '../config/errors.ts';
import { HostSet, type LocalityMembers } from './host-set.ts';
import { MersenneTwister } from './mersenne-twister.ts';
import { policyOf } from './policy-config.ts';

const OPTIONS = { overprovisioning: 140, weightedHealth: false };
const HERE: Locality = { region: 'r', zone: 'here', subZone: '' };
const THERE: Locality = { region: 'r', zone: 'there', subZone: '' };

const members = (hosts: readonly Host[], locality = NO_LOCALITY, weight = 0): LocalityMembers => ({
  locality,
  weight,
  hosts,
});
const setOf = (...list: LocalityMembers[]) =>
  new HostSet(
    list.flatMap(({ hosts }) => hosts),
    list,
    HERE,
    OPTIONS,
  );

/** A balancer of a cluster's policy with its statistics; `random` runs through a fixed sequence. */
function balance(json: JsonObject, priorities: readonly HostSet[], panicThreshold = 50) {
  const errors = new ConfigErrors();
  const policy = policyOf(clusterProto(json), errors);
  assert.deepEqual(errors.list, []);
  const twister = new MersenneTwister(1);
  const counters = new ClusterStats();
  const balancer = policy!.create({
    random: () => twister.next() / 2 ** 32,
    now: () => 0,
    counters,
    panicThreshold,
    locality: HERE,
    local: undefined,
  });
  balancer.update(priorities);
  const pick = (context: object = {}) =>
    balancer.pick({
      hash: undefined,
      metadataMatch: undefined,
      headers: undefined,
      downstream: undefined,
      overrideAddress: undefined,
      rejects: () => false,
      ...context,
    });
  /** How often each port comes out. */
  const counts = (total: number, context?: object) => {
    const result: Record<number, number> = {};
    for (let i = 0; i < total; i++) {
      const port = pick(context)?.address.port ?? 0;
      result[port] = (result[port] ?? 0) + 1;
    }
    return result;
  };
  return { balancer, counters, pick, counts };
}

const hosts = (count: number, more: object = {}) => Array.from({ length: count }, (_, i) => newHost(i + 1, more));
const fail = (host: Host) => host.setHealthFlag(HealthFlag.FailedActiveHealthCheck, true);
const near = (value: number | undefined, wanted: number, slack: number) =>
  assert.ok(Math.abs((value ?? 0) - wanted) <= slack, `${value} is not about ${wanted}`);

test('ROUND_ROBIN takes each in turn, in proportion to the weights', () => {
  assert.deepEqual(balance({}, [setOf(members(hosts(3)))]).counts(30), { 1: 10, 2: 10, 3: 10 });
  const weighted = [newHost(1, { weight: 3 }), newHost(2, { weight: 1 })];
  const { 1: first, 2: second } = balance({}, [setOf(members(weighted))]).counts(400);
  near(first, 300, 2);
  near(second, 100, 2);
});

test('ROUND_ROBIN goes on where it was when the list changes', () => {
  const list = hosts(3);
  const { balancer, pick } = balance({}, [setOf(members(list))]);
  const first = pick()!.address.port;
  balancer.update([setOf(members([...list, newHost(4)]))]);
  assert.equal(pick()!.address.port, (first % 4) + 1);
});

test('LEAST_REQUEST avoids the busy', () => {
  const list = hosts(2);
  list[0].stats.rq_active = 100;
  const { 2: idle } = balance({ lb_policy: 'LEAST_REQUEST' }, [setOf(members(list))]).counts(1000);
  near(idle, 750, 50);
});

test('RANDOM is even', () => {
  const { 1: first } = balance({ lb_policy: 'RANDOM' }, [setOf(members(hosts(2)))]).counts(1000);
  near(first, 500, 60);
});

test('RING_HASH and MAGLEV keep a hash with its host, and move few when one goes', () => {
  for (const lb_policy of ['RING_HASH', 'MAGLEV']) {
    const list = hosts(10);
    const hashes = Array.from({ length: 500 }, (_, i) => (BigInt(i + 1) * 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn);
    const { balancer, pick } = balance({ lb_policy }, [setOf(members(list))]);
    const owners = () => hashes.map((hash) => pick({ hash })!.address.port);
    const before = owners();
    assert.deepEqual(owners(), before, lb_policy);
    assert.equal(new Set(before).size, 10);
    balancer.update([setOf(members(list.slice(1)))]);
    const moved = owners().filter((port, i) => port !== before[i] && before[i] !== 1).length;
    assert.ok(moved < 50, `${lb_policy} moved ${moved} of 500`);
  }
});

test('the unhealthy get nothing, unless too many are', () => {
  const list = hosts(4);
  fail(list[0]);
  const sets = [setOf(members(list))];
  assert.deepEqual(Object.keys(balance({}, sets).counts(30)), ['2', '3', '4']);
  list.slice(0, 3).forEach(fail);
  const panicked = balance({}, [setOf(members(list))]);
  assert.deepEqual(Object.keys(panicked.counts(40)), ['1', '2', '3', '4']);
  assert.equal(panicked.counters.lb_healthy_panic, 40);
  assert.deepEqual(balance({}, [setOf(members(list))], 0).counts(10), { 4: 10 });
  fail(list[3]);
  assert.equal(balance({}, [setOf(members(list))], 0).pick(), undefined);
});

test('the next priority takes what the first cannot carry', () => {
  const first = hosts(10);
  const second = [newHost(99)];
  const shareOfSecond = (failed: number) => {
    first.forEach((host, i) => host.setHealthFlag(HealthFlag.FailedActiveHealthCheck, i < failed));
    return balance({}, [setOf(members(first)), setOf(members(second))]).counts(1000)[99] ?? 0;
  };
  assert.equal(shareOfSecond(0), 0);
  assert.equal(shareOfSecond(2), 0, '140 % of 80 %');
  near(shareOfSecond(5), 300, 45);
  assert.equal(shareOfSecond(10), 1000);
});

test('degraded hosts come before the unhealthy, and after the healthy', () => {
  const list = hosts(2);
  list[0].setHealthFlag(HealthFlag.DegradedActiveHealthCheck, true);
  const { 1: degraded } = balance({}, [setOf(members(list))]).counts(1000);
  near(degraded, 300, 45);
  fail(list[1]);
  assert.deepEqual(balance({}, [setOf(members(list))], 0).counts(10), { 1: 10 });
});

test('locality_weighted_lb_config divides by weight of localities', () => {
  const sets = [setOf(members([newHost(1)], HERE, 1), members([newHost(2), newHost(3)], THERE, 3))];
  const json = { common_lb_config: { locality_weighted_lb_config: {} } };
  const { 1: here, 2: second, 3: third } = balance(json, sets).counts(400);
  near(here, 100, 2);
  near(second, 150, 2);
  near(third, 150, 2);
});

test('a request that rejects a host is given another one, if it may ask again', () => {
  const { pick } = balance({}, [setOf(members(hosts(2)))]);
  const rejects = (host: Host) => host.address.port === 1;
  for (let i = 0; i < 6; i++) assert.equal(pick({ rejects, hostAttempts: 5 })?.address.port, 2);
});

const labelled = (port: number, labels: JsonObject) => newHost(port, { metadata: new Map([['envoy.lb', labels]]) });
const wanting = (labels: JsonObject) => ({ metadataMatch: new Map([['envoy.lb', labels]]) });

test('subsets: who has the labels, or what the fallback says', () => {
  const list = [labelled(1, { version: 'v1' }), labelled(2, { version: 'v2' }), newHost(3)];
  const subsets = (fallback_policy: string, more: JsonObject = {}) =>
    balance({ lb_subset_config: { fallback_policy, subset_selectors: [{ keys: ['version'] }], ...more } }, [
      setOf(members(list)),
    ]);
  const none = subsets('NO_FALLBACK');
  assert.deepEqual(none.counts(4, wanting({ version: 'v2' })), { 2: 4 });
  assert.equal(none.pick(wanting({ version: 'v3' })), undefined);
  assert.equal(none.pick(), undefined);
  assert.deepEqual([none.counters.lb_subsets_active, none.counters.lb_subsets_selected], [2, 4]);
  const any = subsets('ANY_ENDPOINT');
  assert.deepEqual(any.counts(6, wanting({ version: 'v3' })), { 1: 2, 2: 2, 3: 2 });
  assert.equal(any.counters.lb_subsets_fallback, 6);
  assert.deepEqual(subsets('DEFAULT_SUBSET', { default_subset: { version: 'v1' } }).counts(3), { 1: 3 });
});

test('policies that cannot be are refused', () => {
  for (const [json, path] of [
    [{ lb_policy: 'LOAD_BALANCING_POLICY_CONFIG' }, 'load_balancing_policy'],
    [{ lb_policy: 'MAGLEV', maglev_lb_config: { table_size: '12' } }, 'maglev_lb_config.table_size'],
    [
      { lb_policy: 'LEAST_REQUEST', least_request_lb_config: { choice_count: 1 } },
      'least_request_lb_config.choice_count',
    ],
  ] as const) {
    const errors = new ConfigErrors();
    policyOf(clusterProto(json), errors);
    assert.deepEqual(
      errors.list.map((error) => error.path),
      [path],
    );
  }
});
