import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encodeMessage, exchange, headerOf, RawBackend } from '../support/raw-http.ts';
import { freePorts, scratch, until } from '../support/reference.ts';

/** The filter of docs/adding-a-filter.md, as a user has it: a file of one's own that the bootstrap names. */

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const EXAMPLE = path.join(ROOT, 'examples/filters/tenant');

interface Running {
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

function proxy(t: TestContext, bootstrap: string, cwd = ROOT): Running {
  let output = '';
  const child = spawn(process.execPath, [path.join(ROOT, 'src/cli/main.ts'), 'proxy', '-c', bootstrap], {
    cwd,
    stdio: 'pipe',
  });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { output: () => output, ended };
}

const text = fs.readFileSync(path.join(EXAMPLE, 'envoy.yaml'), 'utf8');

test('a filter in a file of the user’s own', async (t) => {
  const folder = scratch(t);
  const backend = new RawBackend((request) =>
    encodeMessage('HTTP/1.1 200 OK', [], `tenant ${headerOf(request, 'x-tenant') ?? 'none'}`),
  );
  const backendPort = await backend.listen();
  t.after(() => backend.close());
  const [port, adminPort] = await freePorts(2);
  const bootstrap = path.join(folder, 'envoy.yaml');
  fs.copyFileSync(path.join(EXAMPLE, 'tenant.ts'), path.join(folder, 'tenant.ts'));
  fs.writeFileSync(
    bootstrap,
    text
      .replace('port_value: 8000', `port_value: ${port}`)
      .replace('port_value: 9000', `port_value: ${backendPort}`)
      .replace('port_value: 15000', `port_value: ${adminPort}`),
  );
  const running = proxy(t, bootstrap);
  const admin = async (target: string) => await (await fetch(`http://127.0.0.1:${adminPort}${target}`)).text();
  await until('the proxy serves', async () => (await admin('/ready')) === 'LIVE\n').catch((error) =>
    assert.fail(`${error}\n${running.output()}`),
  );
  const ask = async (host: string, target = '/') => {
    const response = await exchange(port, [`GET ${target} HTTP/1.1\r\nhost: ${host}\r\nx-tenant: liar\r\n\r\n`]);
    return [response.status, response.body.toString(), headerOf(response, 'x-tenant')];
  };
  assert.deepEqual(await ask('acme.example.com'), [200, 'tenant acme', 'acme']);
  assert.deepEqual(await ask('other.example.com'), [403, 'no such tenant: other\n', undefined]);
  assert.deepEqual(await ask('other.example.com', '/public/x'), [200, 'tenant none', undefined]);
  assert.equal(await admin('/stats?filter=tenant'), 'http.main.tenant.known: 1\nhttp.main.tenant.refused: 1\n');
});

test('a filter that fails costs the connection that met it, is told of once, and the proxy goes on', async (t) => {
  const folder = scratch(t);
  const backend = new RawBackend(() => encodeMessage('HTTP/1.1 200 OK', [], 'from behind'));
  const backendPort = await backend.listen();
  t.after(() => backend.close());
  const [port, adminPort] = await freePorts(2);
  const broken = fs
    .readFileSync(path.join(EXAMPLE, 'tenant.ts'), 'utf8')
    .replace(/requestHeaders\(headers[^{]*\{/, (begin) => {
      return `${begin}\n    if (headers.path === '/broken') throw new TypeError('tenant is confused');`;
    });
  assert.match(broken, /tenant is confused/);
  fs.writeFileSync(path.join(folder, 'tenant.ts'), broken);
  const bootstrap = path.join(folder, 'envoy.yaml');
  fs.writeFileSync(
    bootstrap,
    text
      .replace('port_value: 8000', `port_value: ${port}`)
      .replace('port_value: 9000', `port_value: ${backendPort}`)
      .replace('port_value: 15000', `port_value: ${adminPort}`),
  );
  const running = proxy(t, bootstrap);
  const admin = async (target: string) => await (await fetch(`http://127.0.0.1:${adminPort}${target}`)).text();
  await until('the proxy serves', async () => (await admin('/ready')) === 'LIVE\n').catch((error) =>
    assert.fail(`${error}\n${running.output()}`),
  );
  const head = 'HTTP/1.1\r\nhost: acme.example.com\r\n\r\n';
  for (let i = 0; i < 3; i++) {
    await assert.rejects(exchange(port, [`GET /broken ${head}`]));
    assert.equal((await exchange(port, [`GET / ${head}`])).status, 200);
  }
  assert.equal(running.output().match(/a fault of the proxy has ended a connection/g)?.length, 1);
  const stats = await until('connections are gone', async () => {
    const now = await admin('/stats?filter=http.main.downstream_(cx|rq)_active');
    return /cx_active: 0/.test(now) ? now : undefined;
  });
  assert.equal(stats, 'http.main.downstream_cx_active: 0\nhttp.main.downstream_rq_active: 0\n');
});

test('what is wrong is said with its place', async (t) => {
  const folder = scratch(t);
  const [port, adminPort] = await freePorts(2);
  fs.copyFileSync(path.join(EXAMPLE, 'tenant.ts'), path.join(folder, 'tenant.ts'));
  const ours = text
    .replace('port_value: 8000', `port_value: ${port}`)
    .replace('port_value: 15000', `port_value: ${adminPort}`);
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['no such file', ours.replace('[tenant.ts]', '[none.ts]'), /modules\[0\]: .*none\.ts cannot be loaded/],
    [
      'configuration of the filter',
      ours.replace('known: [acme, globex]', 'header: "a b"'),
      /\.header: a header name is needed\n.*\.known: a list of tenants is needed/,
    ],
  ];
  for (const [name, bootstrap, message] of cases) {
    await t.test(name, async (t) => {
      const file = path.join(folder, `${name}.yaml`);
      fs.writeFileSync(file, bootstrap);
      const running = proxy(t, file);
      assert.equal(await running.ended, 1);
      assert.match(running.output(), message);
      assert.doesNotMatch(running.output(), /^\s+at /m);
    });
  }
});
