import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeHost } from '../../../test/support/hosts.ts';
import { type Assignment, NO_ENDPOINTS } from './endpoints.ts';
import { HealthFlag, type HostDescription, NO_LOCALITY } from './host.ts';
import { Membership, type MembershipOptions } from './membership.ts';

const OPTIONS: MembershipOptions = {
  now: () => 7,
  locality: undefined,
  identity: 'address',
  checked: false,
  excludeUnchecked: false,
  keepHealthy: false,
};
const of = (...hosts: HostDescription[]): Assignment => ({
  ...NO_ENDPOINTS,
  localities: [...new Set(hosts.map(({ priority }) => priority))].map((priority) => ({
    locality: NO_LOCALITY,
    priority,
    weight: 0,
    hosts: hosts.filter((host) => host.priority === priority),
  })),
});
const ports = (hosts: Iterable<{ address: { port: number } }>) => [...hosts].map(({ address }) => address.port);

test('hosts that stay are the same objects, with what is known of them', () => {
  const membership = new Membership(OPTIONS);
  membership.update(of(describeHost(1), describeHost(2)));
  const [first] = membership.hosts;
  first.setHealthFlag(HealthFlag.FailedOutlierCheck, true);
  const change = membership.update(
    of(describeHost(1, { weight: 5, edsHealth: HealthFlag.EdsDraining }), describeHost(3)),
  );
  assert.deepEqual([ports(change.added), ports(change.removed)], [[3], [2]]);
  assert.equal([...membership.hosts][0], first);
  assert.deepEqual([first.weight, first.health], [5, HealthFlag.FailedOutlierCheck | HealthFlag.EdsDraining]);
  membership.update(of(describeHost(1)));
  assert.equal(first.health, HealthFlag.FailedOutlierCheck);
});

test('an address counts once with EDS, as often as it is listed elsewhere', () => {
  for (const [identity, size] of [
    ['address', 1],
    ['endpoint', 2],
  ] as const) {
    const membership = new Membership({ ...OPTIONS, identity });
    membership.update(of(describeHost(1), describeHost(1)));
    assert.equal(membership.size, size, identity);
  }
});

test('a host that is known by its place moves to a new address', () => {
  const membership = new Membership({ ...OPTIONS, identity: 'place' });
  membership.update(of(describeHost(1)));
  const [host] = membership.hosts;
  assert.deepEqual(membership.update(of(describeHost(2))), { added: [], removed: [] });
  assert.deepEqual([[...membership.hosts][0] === host, host.name], [true, '10.0.0.1:2']);
});

test('hosts that are to be checked begin as failed', () => {
  const membership = new Membership({ ...OPTIONS, checked: true, excludeUnchecked: true });
  membership.update(of(describeHost(1), describeHost(2, { healthCheckDisabled: true })));
  assert.deepEqual(
    [...membership.hosts].map(({ health }) => health),
    [HealthFlag.FailedActiveHealthCheck | HealthFlag.PendingActiveHealthCheck, 0],
  );
});

test('a host that is no longer listed stays while it passes its checks', () => {
  const membership = new Membership({ ...OPTIONS, checked: true, keepHealthy: true });
  membership.update(of(describeHost(1), describeHost(2)));
  const [first] = membership.hosts;
  first.setHealthFlag(HealthFlag.FailedActiveHealthCheck, false);
  assert.deepEqual(ports(membership.update(of()).removed), [2]);
  assert.equal(first.health, HealthFlag.PendingDynamicRemoval);
  assert.deepEqual(ports(membership.priorities[0].hosts), [1]);
  assert.deepEqual(membership.dropFailed(), []);
  first.setHealthFlag(HealthFlag.FailedActiveHealthCheck, true);
  assert.deepEqual(ports(membership.dropFailed()), [1]);
  assert.deepEqual([membership.size, membership.priorities[0].hosts.length], [0, 0]);
});

test('a host that is listed again is no longer on its way out', () => {
  const membership = new Membership({ ...OPTIONS, checked: true, keepHealthy: true });
  membership.update(of(describeHost(1)));
  const [host] = membership.hosts;
  host.setHealthFlag(HealthFlag.FailedActiveHealthCheck, false);
  membership.update(of());
  membership.update(of(describeHost(1)));
  assert.equal(host.health, 0);
});

test('priorities have no gaps, and are the same array until something changes', () => {
  const membership = new Membership(OPTIONS);
  membership.update(of(describeHost(1, { priority: 2 })));
  assert.deepEqual(
    membership.priorities.map(({ hosts }) => hosts.length),
    [0, 0, 1],
  );
  const before = membership.priorities;
  assert.equal(membership.priorities, before);
  membership.touch();
  assert.notEqual(membership.priorities, before);
});

test('a host is found by its address', () => {
  const membership = new Membership(OPTIONS);
  membership.update(of(describeHost(1)));
  assert.equal(membership.at('10.0.0.1:1')?.address.port, 1);
  membership.update(of());
  assert.equal(membership.at('10.0.0.1:1'), undefined);
});
