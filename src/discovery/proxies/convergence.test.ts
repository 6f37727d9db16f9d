import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { ManualClock } from '../../base/clock.ts';
import { TypeUrl } from '../../translate/cell.ts';
import type { ProxyNode } from '../../translate/node.ts';
import type { TypeStatus } from '../../xds/server/served-type.ts';
import { type ConnectedProxy, newProgress } from './connected-proxy.ts';
import { Convergence } from './convergence.ts';
import { ProxyRegistry } from './proxy-registry.ts';

function world() {
  const clock = new ManualClock();
  const proxies = new ProxyRegistry();
  const convergence = new Convergence(proxies, clock);
  const connect = (id: string, types: TypeStatus[] = [status()]): ConnectedProxy => {
    const proxy: ConnectedProxy = {
      connectionId: proxies.nextConnectionId(id),
      id,
      node: {} as ProxyNode,
      rawNode: create(NodeSchema, {}),
      identity: undefined,
      peer: '',
      connectedAt: 0,
      stream: { snapshot: 0, view: undefined, status: () => types, push() {}, adopt() {}, renew() {} },
      disconnect() {},
      progress: newProgress(),
    };
    proxies.add(proxy);
    return proxy;
  };
  const settle = (proxy: ConnectedProxy, snapshot: number) => {
    proxy.progress.settled = snapshot;
    proxies.notify(proxy);
  };
  return { clock, proxies, convergence, connect, settle };
}

function status(more: Partial<TypeStatus> = {}): TypeStatus {
  return {
    typeUrl: TypeUrl.Cluster,
    wildcard: true,
    names: new Set(),
    sentNonce: '',
    ackedNonce: '',
    ackedVersion: '',
    sentSnapshot: 0,
    ackedSnapshot: 0,
    sentAt: 0,
    inFlight: undefined,
    nack: undefined,
    ...more,
  };
}

test('a snapshot has arrived when every affected proxy has settled it', async () => {
  const { convergence, connect, settle } = world();
  const sent = (sentSnapshot: number) => [
    status({ sentSnapshot: 1 }),
    status({ typeUrl: TypeUrl.Route, sentSnapshot }),
  ];
  const [a, b, c] = [connect('a', sent(3)), connect('b', sent(4)), connect('c', sent(2))];
  let done = false;
  const waiting = convergence.waitFor(3, 1000).then((report) => {
    done = true;
    return report;
  });
  settle(a, 3);
  settle(c, 5);
  await Promise.resolve();
  assert.equal(done, false);
  settle(b, 4);
  assert.deepEqual(await waiting, {
    snapshot: 3,
    converged: true,
    affected: ['a', 'b'],
    synced: ['a', 'b'],
    laggards: [],
  });
});

test('without proxies, and without anything to wait for, it has arrived at once', async () => {
  const { convergence, connect, settle } = world();
  assert.equal((await convergence.waitFor(1, 1000)).converged, true);
  settle(connect('a'), 2);
  assert.deepEqual((await convergence.waitFor(2, 1000)).affected, []);
});

test('when the time is over, who lags and why', async () => {
  const { clock, convergence, connect } = world();
  connect('a', [
    status({ inFlight: { nonce: 'x', version: '', names: [] }, sentSnapshot: 3, sentAt: clock.now() - 500 }),
    status({ typeUrl: TypeUrl.Route }),
  ]);
  connect('b');
  const broken = connect('c');
  broken.progress.failure = 'a defect';
  const waiting = convergence.waitFor(3, 2000);
  clock.advance(2000);
  const { converged, laggards } = await waiting;
  assert.equal(converged, false);
  assert.deepEqual(
    laggards.map(({ proxy, reason }) => [proxy, reason]),
    [
      ['a', 'it has not answered CDS of snapshot 3 for 2.5 s'],
      ['b', 'it has not been given this snapshot yet'],
      ['c', 'part of its configuration cannot be made: a defect'],
    ],
  );
});

test('a refusal ends the wait, and names the line; an older one that stands does not count', async () => {
  const { convergence, connect, settle } = world();
  const a = connect('a');
  const nack = (snapshot: number) => ({
    at: 0,
    proxy: 'a',
    connectionId: 'a-1',
    typeUrl: TypeUrl.Route,
    snapshot,
    nonce: '',
    code: 13,
    message: 'bad',
    resources: [{ name: 'http.80', origin: [{ file: 'vs.yaml', line: 4, column: 1 }] }],
  });
  a.progress.nacks.set(TypeUrl.Route, nack(2));
  settle(a, 2);
  const report = await convergence.waitFor(2, 1000);
  assert.deepEqual(report.laggards, [
    { proxy: 'a', connectionId: 'a-1', reason: 'a rejected RDS http.80 (from vs.yaml:4:1): bad' },
  ]);
  assert.deepEqual(report.synced, []);
  settle(a, 3);
  assert.equal((await convergence.waitFor(3, 1000)).converged, true);
});

test('who disconnects, or only asks questions, is not waited for; closing ends every wait', async () => {
  const { proxies, convergence, connect } = world();
  connect('tool', []);
  const a = connect('a');
  const waiting = convergence.waitFor(1, 1000);
  proxies.remove(a);
  assert.equal((await waiting).converged, true);
  connect('b');
  const other = convergence.waitFor(1, 1000);
  convergence.close();
  assert.equal((await other).converged, false);
});
