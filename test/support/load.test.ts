import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { underLoad } from './load.ts';
import { HttpClient } from './load-clients.ts';
import { until } from './reference.ts';

/** A server whose answer is changed. */
async function startServer(t: TestContext) {
  const state = { status: 200, breaks: false, old: new WeakSet<object>() };
  const server = http.createServer((request, response) => {
    if (state.breaks) return request.socket.destroy();
    response.writeHead(state.old.has(request.socket) ? 200 : state.status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const client = () =>
    new HttpClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, host: 'test.example' });
  return { server, state, client };
}

describe('a change under load', () => {
  it('is seen, with none failed', async (t) => {
    const { state, client } = await startServer(t);
    await underLoad(client(), async (load) => {
      await load.change({ make: async () => void (state.status = 404), sees: '404' });
      assert.ok(load.sent >= 200);
      assert.deepEqual([...load.answers.keys()], ['200', '404']);
    });
  });

  it('is seen by others than those who go on as before', async (t) => {
    const { client } = await startServer(t);
    const other = await startServer(t);
    other.state.status = 418;
    await underLoad(client(), async (load) => {
      await load.change({ make: async () => {}, sees: '418', by: other.client() });
      assert.deepEqual([...load.answers.keys()], ['200']);
    });
  });

  it('fails when a request has no answer', async (t) => {
    const { state, client } = await startServer(t);
    const change = underLoad(client(), (load) =>
      load.change({ make: async () => void (state.breaks = true), sees: '200' }),
    );
    await assert.rejects(change, /connection: Error/);
  });

  it('fails when one that was sent at the end has none', async (t) => {
    const { state, client } = await startServer(t);
    const part = underLoad(client(), async (load) => {
      await load.more(10);
      state.breaks = true;
      const { sent } = load;
      await until('one more', () => load.sent > sent || undefined);
    });
    await assert.rejects(part, /connection: Error/);
  });

  it('fails when a new connection sees the old behaviour', async (t) => {
    const { server, state, client } = await startServer(t);
    let connections = 0;
    const change = underLoad(client(), (load) =>
      load.change({
        make: async () => {
          state.status = 404;
          server.on('connection', (socket) => connections++ % 2 === 0 && state.old.add(socket));
        },
        sees: '404',
      }),
    );
    await assert.rejects(change, /who came since has seen: .*200: /);
  });

  it('fails when those who are to go on as before see it, too', async (t) => {
    const { state, client } = await startServer(t);
    const change = underLoad(client(), (load) =>
      load.change({ make: async () => void (state.status = 404), sees: '404', by: client() }),
    );
    await assert.rejects(change, /the others were answered as before/);
  });
});
