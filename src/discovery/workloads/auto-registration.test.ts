import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import { readObjects } from '../../config/read.ts';
import { MemoryStore } from '../../config/store/memory-store.ts';
import type { ConnectedProxy } from '../proxies/connected-proxy.ts';
import { ProxyRegistry } from '../proxies/proxy-registry.ts';
import { AutoRegistration, type AutoRegistrationOptions } from './auto-registration.ts';
import { entryName } from './registered-entry.ts';

const KEY = 'legacy-10.0.0.5';

async function setUp(existing = '') {
  const clock = new ManualClock();
  const config = new MemoryStore();
  const group = `{apiVersion: networking.istio.io/v1, kind: WorkloadGroup, metadata: {name: legacy, namespace: vms},
    spec: {template: {serviceAccount: vm}, probe: {tcpSocket: {port: 1}}}}`;
  await config.apply(readObjects(group, 'group.yaml').entries);
  const store = new MemoryStore();
  if (existing) await store.apply(readObjects(existing, 'runtime').entries);
  const proxies = new ProxyRegistry();
  const kept: AutoRegistrationOptions['store'] = {
    get snapshot() {
      return store.snapshot;
    },
    // A store in memory takes no notice of what is new in a status alone; the one of a mesh does.
    apply: async (entries) => {
      await store.remove(entries.map(({ key }) => key!));
      return store.apply(entries);
    },
    remove: (keys) => store.remove(keys),
  };
  const options = { proxies, store: kept, clock, config: () => config.snapshot, graceMs: 10_000, instance: 'istiod' };
  const registration = new AutoRegistration({ ...options, log: silentLogger });
  const disconnected: string[] = [];
  let count = 0;
  const connect = (group = 'legacy', serviceAccount = 'vm') => {
    const node = { namespace: 'vms', addresses: ['10.0.0.5'], network: '', labels: {}, locality: {}, serviceAccount };
    const proxy = {
      connectionId: `vm-${++count}`,
      node: { ...node, metadata: { AUTO_REGISTER_GROUP: group } },
      identity: { trustDomain: 'cluster.local', namespace: 'vms', serviceAccount },
      connectedAt: clock.now(),
      disconnect: (reason: string) => disconnected.push(reason),
      progress: {},
    } as unknown as ConnectedProxy;
    proxies.add(proxy);
    return proxy;
  };
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const entry = async () => {
    await settled();
    const found = store.snapshot.get('WorkloadEntry', 'vms', KEY);
    if (found === undefined) return undefined;
    const status = found.raw.status as { conditions: { status: string; message?: string }[] } | undefined;
    const { 'istio.io/disconnectedAt': gone } = found.metadata.annotations;
    const health = status?.conditions.map(({ status, message }) => [status, ...(message ? [message] : [])].join(' '));
    return [gone === undefined ? 'connected' : 'disconnected', ...(health ?? [])].join(', ');
  };
  const advance = async (ms: number) => {
    clock.advance(ms);
    await settled();
  };
  return { registration, proxies, connect, entry, advance, disconnected };
}

describe('a member of a group', () => {
  test('has an entry for as long as it is connected, and a while longer', async () => {
    const { proxies, connect, entry, advance } = await setUp();
    const proxy = connect();
    assert.equal(await entry(), 'connected');
    proxies.remove(proxy);
    assert.equal(await entry(), 'disconnected');
    await advance(9_999);
    assert.equal(await entry(), 'disconnected');
    await advance(1);
    assert.equal(await entry(), undefined);
  });

  test('that comes back in time keeps it', async () => {
    const { proxies, connect, entry, advance } = await setUp();
    proxies.remove(connect());
    await advance(9_000);
    connect();
    await advance(60_000);
    assert.equal(await entry(), 'connected');
  });

  test('may have several connections, of which the last counts', async () => {
    const { proxies, connect, entry, advance } = await setUp();
    const first = connect();
    connect();
    proxies.remove(first);
    await advance(60_000);
    assert.equal(await entry(), 'connected');
  });

  test('says how its program is, which has to be told anew after a break', async () => {
    const { registration, proxies, connect, entry } = await setUp();
    const proxy = connect();
    registration.healthOf(proxy, 'refused');
    assert.equal(await entry(), 'connected, False refused');
    registration.healthOf(proxy, undefined);
    assert.equal(await entry(), 'connected, True');
    proxies.remove(proxy);
    registration.healthOf(proxy, 'too late');
    assert.equal(await entry(), 'disconnected, True');
    connect();
    assert.equal(await entry(), 'connected');
  });

  test('must have the service account of the group, and the group must be there', async () => {
    const { connect, entry, disconnected } = await setUp();
    connect('legacy', 'other');
    connect('none');
    assert.equal(await entry(), undefined);
    assert.deepEqual(disconnected, [
      'auto-registration failed: members of WorkloadGroup vms/legacy have the service account vm, not other',
      'auto-registration failed: there is no WorkloadGroup vms/none',
    ]);
  });

  test('of an earlier run of the control plane is forgotten if it does not come back', async () => {
    const left = `{apiVersion: networking.istio.io/v1, kind: WorkloadEntry,
      metadata: {name: ${KEY}, namespace: vms, annotations: {istio.io/autoRegistrationGroup: legacy}}, spec: {address: 10.0.0.5}}`;
    const { entry, advance } = await setUp(left);
    await advance(34_999);
    assert.equal(await entry(), 'connected');
    await advance(1);
    assert.equal(await entry(), undefined);
  });
});

describe('names of entries', () => {
  const table: readonly (readonly [string, string, string, string])[] = [
    ['legacy', '10.0.0.5', '', 'legacy-10.0.0.5'],
    ['legacy', '10.0.0.5', 'net', 'legacy-10.0.0.5-net'],
    ['legacy', 'fd00::1', '', 'legacy-fd00--1'],
  ];
  for (const [group, address, network, expected] of table)
    test(expected, () => assert.equal(entryName(group, { addresses: [address], network }), expected));

  test('the end of a long one is kept', () => {
    const name = entryName('g'.repeat(260), { addresses: ['10.0.0.5'], network: '' });
    assert.deepEqual([name.length, name.endsWith('g-10.0.0.5')], [253, true]);
  });
});
