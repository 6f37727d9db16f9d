import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { silentLogger } from '../../base/log.ts';
import { readObjects } from '../../config/read.ts';
import { MemoryStore } from '../../config/store/memory-store.ts';
import { type Cell, TypeUrl } from '../../translate/cell.ts';
import type { MeshSnapshot } from '../../translate/mesh.ts';
import type { ProxyNode } from '../../translate/node.ts';
import type { Translator } from '../../translate/translation.ts';
import type { ResourceView } from '../../xds/server/resource-view.ts';
import { type ConnectedProxy, newProgress } from '../proxies/connected-proxy.ts';
import { ProxyRegistry } from '../proxies/proxy-registry.ts';
import { MeshSource } from '../snapshot/mesh-source.ts';
import { PushScheduler } from './scheduler.ts';

const REGISTRY = {
  domain: 'cluster.local',
  clusterId: 'Kubernetes',
  network: '',
  allocateAddresses: false,
  allocateClusterIps: false,
};

/** Namespaces are the configuration here: a proxy is affected by those that begin with its own name. */
const translator: Translator<MeshSnapshot, ProxyNode> = {
  translate: ({ number, config }, node) => {
    const cells = config
      .list('Namespace')
      .map(({ metadata }): Cell => {
        const { name } = metadata;
        if (name.endsWith('-broken')) throw new Error(`cannot translate ${name}`);
        return { type: TypeUrl.Cluster, name, bytes: Buffer.from(name), version: name, origin: [] };
      })
      .filter(({ name }) => name.startsWith(node.name));
    return { number, all: () => cells, get: () => undefined };
  },
  affects: (before, after, node) => {
    const of = ({ config }: MeshSnapshot) =>
      JSON.stringify(config.list('Namespace').filter(({ metadata }) => metadata.name.startsWith(node.name)).length);
    return of(before) !== of(after);
  },
};

function mesh(options: { maxPushes?: number; slice?: number } = {}) {
  const store = new MemoryStore();
  let now = 0;
  const source = new MeshSource({ store, mesh: {}, registry: REGISTRY, now: () => now });
  const proxies = new ProxyRegistry();
  const events: string[] = [];
  const yielded: (() => void)[] = [];
  const scheduler = new PushScheduler({
    source,
    translator,
    proxies,
    secrets: { view: () => ({ get: () => undefined }), affects: () => false },
    maxPushes: options.maxPushes ?? 100,
    observer: {
      onQueued: () => {},
      onConverged: (seconds) => events.push(`converged ${seconds}`),
      onFailed: () => events.push('failed'),
    },
    log: silentLogger,
    now: () => {
      now += options.slice ?? 0;
      return now;
    },
    yield: (callback) => yielded.push(callback),
  });
  const connect = (name: string): ConnectedProxy => {
    const proxy: ConnectedProxy = {
      connectionId: `${name}-1`,
      id: name,
      node: { name } as ProxyNode,
      rawNode: create(NodeSchema, {}),
      identity: undefined,
      peer: '',
      connectedAt: 0,
      stream: {
        snapshot: 0,
        view: undefined,
        status: () => [],
        push: (view: ResourceView) => events.push(`push ${name} ${view.number} ${names(view)}`),
        adopt: (view: ResourceView) => events.push(`adopt ${name} ${view.number}`),
        renew: () => {},
      },
      disconnect: () => {},
      progress: newProgress(),
    };
    proxies.add(proxy);
    scheduler.enqueue(proxy);
    return proxy;
  };
  const declare = (name: string) =>
    store.apply(readObjects(`apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}}`, 'test.yaml').entries);
  const end = (proxy: ConnectedProxy, settled?: number) => {
    if (settled !== undefined) scheduler.settled(proxy, settled);
    scheduler.pushEnded(proxy);
  };
  return {
    store,
    source,
    proxies,
    scheduler,
    events,
    yielded,
    connect,
    declare,
    end,
    tick: (ms: number) => (now += ms),
  };
}

function names(view: ResourceView): string {
  return view
    .all(TypeUrl.Cluster)
    .map((cell) => cell.name)
    .join(' ');
}

test('a proxy that connects is pushed to at once, and again in the turn in which a change is known', async () => {
  const { events, connect, declare, end } = mesh();
  const a = connect('a');
  assert.deepEqual(events.splice(0), ['push a 1 ']);
  end(a, 1);
  await declare('a1');
  assert.deepEqual(events.splice(0), ['push a 2 a1']);
});

test('a change that does not concern a proxy is taken over without a push', async () => {
  const { events, connect, declare, end } = mesh();
  const [a, b] = [connect('a'), connect('b')];
  end(a, 1);
  end(b, 1);
  events.length = 0;
  await declare('b1');
  assert.deepEqual(events, ['adopt a 2', 'push b 2 b1']);
  assert.equal(a.progress.affectedBy, 1);
  assert.equal(b.progress.affectedBy, 2);
});

test('a busy proxy gets the newest state when it is done, and nothing in between', async () => {
  const { events, connect, declare, end, tick } = mesh();
  const a = connect('a');
  end(a, 1);
  events.length = 0;
  tick(1000);
  for (const name of ['a1', 'a2', 'a3']) await declare(name);
  assert.deepEqual(events.splice(0), ['push a 2 a1']);
  tick(500);
  end(a, 2);
  assert.deepEqual(events.splice(0), ['push a 4 a1 a2 a3']);
  tick(500);
  end(a, 4);
  assert.deepEqual(events.splice(0), ['converged 1'], 'counted from the oldest change');
});

test('no more pushes are under way at once than allowed, and turns go round', async () => {
  const { events, connect, declare, end, scheduler } = mesh({ maxPushes: 2 });
  const [a, b, c] = [connect('a'), connect('b'), connect('c')];
  assert.deepEqual(events.splice(0), ['push a 1 ', 'push b 1 ']);
  assert.deepEqual([scheduler.pushing, scheduler.queued], [2, 1]);
  await declare('a1');
  end(a, 1);
  assert.deepEqual(events.splice(0), ['push c 2 '], 'the one that waits longest');
  end(b, 1);
  assert.deepEqual(events.splice(0), ['push a 2 a1']);
  end(c, 2);
  assert.deepEqual(events.splice(0), ['converged 0', 'adopt b 2']);
});

test('translation yields to other work, and goes on where it was', async () => {
  const { events, connect, declare, end, yielded } = mesh({ slice: 4 });
  const proxies = ['a', 'b', 'c', 'd', 'e'].map(connect);
  while (yielded.length > 0) yielded.shift()!();
  for (const proxy of proxies) end(proxy, 1);
  while (yielded.length > 0) yielded.shift()!();
  events.length = 0;
  await declare('a1');
  assert.deepEqual(events, ['push a 2 a1'], 'the first one at once');
  let turns = 0;
  for (; yielded.length > 0; turns++) yielded.shift()!();
  assert.deepEqual(events, ['push a 2 a1', 'adopt b 2', 'adopt c 2', 'adopt d 2', 'adopt e 2']);
  assert.ok(turns >= 2, `${turns} turns`);
});

test('a proxy that is gone gives its place up', () => {
  const { events, connect, scheduler, proxies } = mesh({ maxPushes: 1 });
  const [a, b] = [connect('a'), connect('b')];
  proxies.remove(b);
  scheduler.forget(b);
  connect('c');
  events.length = 0;
  proxies.remove(a);
  scheduler.forget(a);
  assert.deepEqual(events, ['push c 1 ']);
  assert.equal(scheduler.pushing, 1);
});

test('what cannot be translated is told, and keeps nobody else', async () => {
  const { events, connect, declare, end, store } = mesh();
  const a = connect('a');
  const b = connect('b');
  end(a, 1);
  end(b, 1);
  events.length = 0;
  await declare('a-broken');
  assert.deepEqual(events.splice(0), ['failed', 'failed']);
  assert.match(a.progress.failure ?? '', /cannot translate a-broken/);
  await store.remove(['Namespace//a-broken']);
  end(a, 3);
  await declare('a2');
  assert.equal(a.progress.failure, undefined);
  assert.match(events.join(), /push a 4 a2/);
});
