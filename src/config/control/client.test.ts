import assert from 'node:assert/strict';
import http from 'node:http';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { scratch } from '../../../test/support/reference.ts';
import { ControlClient } from './client.ts';

async function serve(t: TestContext, answer: http.RequestListener, answerMs?: number): Promise<ControlClient> {
  const socket = path.join(scratch(t), 'control.sock');
  const server = http.createServer(answer);
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return new ControlClient(socket, answerMs);
}

test('answers and refusals are told as they are', async (t) => {
  const client = await serve(t, ({ method, url }, response) => {
    const refused = url === '/v1/status';
    response.statusCode = refused ? 409 : 200;
    response.end(JSON.stringify(refused ? { error: 'not so' } : { asked: `${method} ${url}` }));
  });
  assert.deepEqual(await client.objects({ kinds: ['Pod', 'Service'], namespace: 'a', written: true }), {
    asked: 'GET /v1/objects?kind=Pod&kind=Service&namespace=a&written=true',
  });
  await assert.rejects(client.status(), /UserError: not so/);
});

test('a control plane that stands still is not waited for', async (t) => {
  const client = await serve(t, () => {}, 20);
  const sentence = /UserError: the control plane cannot be asked: no answer within 0\.02 s/;
  await assert.rejects(client.state(), sentence);
  await assert.rejects(client.objects({}), sentence);
});

test('one that does not run is said not to', async (t) => {
  const client = new ControlClient(path.join(scratch(t), 'nobody.sock'));
  await assert.rejects(client.state(), /UserError: the control plane does not run/);
});
