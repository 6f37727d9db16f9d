import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { ConvergenceState } from '../../config/control/api.ts';
import { whenWarm } from './warming.ts';

const convergence: ConvergenceState = {
  snapshot: 7,
  converged: true,
  affected: ['gateway.a', 'other.b', 'vm.c'],
  synced: ['gateway.a', 'other.b', 'vm.c'],
  laggards: [],
};

/** An administration interface whose number of warming listeners goes through a list and stays at the last. */
async function admin(t: { after(fn: () => void): void }, ...counts: number[]): Promise<string> {
  const server = http.createServer((request, response) => {
    assert.equal(
      decodeURIComponent(request.url!),
      '/stats?filter=^listener_manager.total_listeners_warming$',
      'only what is needed is asked for',
    );
    const count = counts.length > 1 ? counts.shift() : counts[0];
    response.end(`listener_manager.total_listeners_warming: ${count}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('waits until no listener is warming', async (t) => {
  const warming = await admin(t, 2, 1, 0);
  const gone = '127.0.0.1:1';
  const at = (proxy: string) => ({ 'gateway.a': warming, 'other.b': gone })[proxy];
  assert.equal(await whenWarm(convergence, at, 20_000), convergence);
});

test('names proxies whose listeners are not at work in time', async (t) => {
  const warming = await admin(t, 1);
  const two = await admin(t, 2);
  const at = (proxy: string) => ({ 'gateway.a': warming, 'other.b': two })[proxy];
  assert.deepEqual(await whenWarm(convergence, at, 0), {
    snapshot: 7,
    converged: false,
    affected: ['gateway.a', 'other.b', 'vm.c'],
    synced: ['vm.c'],
    laggards: [
      { proxy: 'gateway.a', reason: 'a listener waits for routes or secrets that have not come' },
      { proxy: 'other.b', reason: '2 listeners wait for routes or secrets that have not come' },
    ],
  });
});
