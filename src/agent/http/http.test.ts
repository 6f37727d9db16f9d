import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type HttpCall, httpCall } from './client.ts';
import { type HttpHandler, HttpServer } from './server.ts';

async function serve(t: TestContext, handler: HttpHandler): Promise<number> {
  const server = new HttpServer(handler);
  t.after(() => server.close());
  return (await server.listen('test server', '127.0.0.1', 0)).port;
}

const ask = (port: number, more: Partial<HttpCall> = {}) =>
  httpCall({ host: '127.0.0.1', port, path: '/', timeoutMs: 10_000, maxBodyBytes: 1000, ...more });

/** A server that answers every connection with this, whatever it is asked. */
async function answering(t: TestContext, text: string): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(text));
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Sends bytes and returns everything that comes back. */
async function raw(port: number, text: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  socket.end(text);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

test('a request and its answer', async (t) => {
  const port = await serve(t, ({ method, path, query, headers, remoteAddress }) => ({
    status: 201,
    contentType: 'text/x',
    body: `${method} ${path} ${query} ${headers.get('x-a')} ${headers.authority} ${remoteAddress}`,
  }));
  const { status, headers, body } = await ask(port, { method: 'POST', path: '/a/b?c=1?2', headers: [['X-A', 'v']] });
  assert.equal(status, 201);
  assert.equal(headers.get('content-type'), 'text/x');
  assert.equal(body.toString(), `POST /a/b c=1?2 v 127.0.0.1:${port} 127.0.0.1`);
});

test('several requests on one connection, bodies unread, HEAD without a body', async (t) => {
  const port = await serve(t, ({ path }) => ({ status: 200, body: path }));
  const text = await raw(
    port,
    'POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc' +
      'HEAD /2 HTTP/1.1\r\nhost: a\r\n\r\n' +
      'GET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
  );
  const answers = text.split('HTTP/1.1 200 OK').slice(1);
  assert.equal(answers.length, 3);
  assert.match(answers[0], /content-length: 2\r\n[\s\S]*\r\n\r\n\/1$/);
  assert.match(answers[1], /content-length: 2\r\n[\s\S]*\r\n\r\n$/);
  assert.match(answers[2], /connection: close\r\n\r\n\/3$/);
});

test('what is no request is refused, what is too long too, and what a handler throws is told', async (t) => {
  const port = await serve(t, () => {
    throw new Error('boom');
  });
  assert.match(await raw(port, 'GET / HTTP/1.1\r\n\r\n'), /^HTTP\/1.1 400 /);
  assert.match(
    await raw(port, `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 70000\r\n\r\n${'x'.repeat(70_000)}`),
    /^HTTP\/1.1 413 /,
  );
  const { status, body } = await ask(port);
  assert.deepEqual([status, body.toString()], [500, 'boom\n']);
});

test('an address that is taken is an error in words', async (t) => {
  const port = await serve(t, () => ({ status: 200 }));
  const second = new HttpServer(() => ({ status: 200 }));
  t.after(() => second.close());
  await assert.rejects(second.listen('status server', '127.0.0.1', port), {
    name: 'UserError',
    message: `The status server cannot listen on 127.0.0.1:${port}: another program listens there.`,
  });
});

test('answers that are cut, too large, late or not there', async (t) => {
  const port = await serve(t, ({ path }) => {
    if (path === '/never') return new Promise(() => {});
    return { status: 200, body: 'x'.repeat(2000) };
  });
  await assert.rejects(ask(port), /the answer is larger than 1000 bytes/);
  assert.equal((await ask(port, { truncate: true })).body.length, 1000);
  await assert.rejects(ask(port, { path: '/never', timeoutMs: 20 }), /no answer within 20 ms/);
  await assert.rejects(ask(await answering(t, 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab')), /./);
  await assert.rejects(ask(await answering(t, '')), /./);
  await assert.rejects(ask(await answering(t, 'nonsense\r\n\r\n')), /http1/);
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n';
  assert.equal((await ask(await answering(t, chunked))).body.toString(), 'abc');
  assert.equal(
    (await ask(await answering(t, 'HTTP/1.1 200 OK\r\n\r\nuntil the end'))).body.toString(),
    'until the end',
  );
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const free = (server.address() as AddressInfo).port;
  server.close();
  await once(server, 'close');
  await assert.rejects(ask(free), /ECONNREFUSED/);
});
