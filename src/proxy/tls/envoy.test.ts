import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { type Attack, alert, attacks, mutual, VERSIONS } from './attacks.test.ts';
import { bench, downstream, identity, listen, until, visit } from './harness.test.ts';
import { testPki } from './pki.test.ts';

/** The attacks once more, with a real Envoy beside us: the same verdict, the same alert, the same words. */

const envoy = process.env.REFERENCE_BIN && path.join(process.env.REFERENCE_BIN, 'envoy');
const skip = envoy && fs.existsSync(envoy) ? false : 'REFERENCE_BIN does not name a folder with an envoy';
const pki = await testPki();
const table = await attacks();

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const type = (name: string): string => `type.googleapis.com/envoy.${name}`;
const address = (port: number): JsonObject => ({ socket_address: { address: '127.0.0.1', port_value: port } });

function listener(name: string, port: number, tls: JsonObject, log: string): JsonObject {
  const route = { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'pong' } } };
  const manager = {
    '@type': type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'x',
    route_config: { virtual_hosts: [{ name: 'x', domains: ['*'], routes: [route] }] },
    http_filters: [{ name: 'router', typed_config: { '@type': type('extensions.filters.http.router.v3.Router') } }],
  };
  return {
    name,
    address: address(port),
    access_log: [
      {
        name: 'file',
        typed_config: {
          '@type': type('extensions.access_loggers.file.v3.FileAccessLog'),
          path: log,
          log_format: { text_format_source: { inline_string: '%DOWNSTREAM_TRANSPORT_FAILURE_REASON%\n' } },
        },
      },
    ],
    filter_chains: [
      {
        filters: [{ name: 'http', typed_config: manager }],
        transport_socket: {
          name: 'tls',
          typed_config: { '@type': type('extensions.transport_sockets.tls.v3.DownstreamTlsContext'), ...tls },
        },
      },
    ],
  };
}

const ready = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    http
      .get({ port, host: '127.0.0.1', path: '/ready', agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      })
      .on('error', () => resolve(false));
  });

describe('real Envoy', { skip }, () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-envoy-'));
  const where = new Map<Attack, { port: number; log: string }>();
  let process: ReturnType<typeof spawn> | undefined;
  let output = '';

  before(async () => {
    const listeners: JsonValue[] = [];
    for (const [i, attack] of table.entries()) {
      const at = { port: await freePort(), log: path.join(dir, `${i}.log`) };
      where.set(attack, at);
      listeners.push(listener(attack.name, at.port, mutual(attack.validation), at.log));
    }
    const adminPort = await freePort();
    const config = { admin: { address: address(adminPort) }, static_resources: { listeners } };
    fs.writeFileSync(path.join(dir, 'envoy.json'), JSON.stringify(config), { mode: 0o600 });
    const args = ['-c', path.join(dir, 'envoy.json'), '--concurrency', '1', '--disable-hot-restart', '-l', 'error'];
    process = spawn(envoy as string, [...args, '--file-flush-interval-msec', '50'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    process.stderr?.on('data', (data: Buffer) => {
      output += data;
    });
    while (!(await ready(adminPort))) assert.equal(process.exitCode, null, output);
  });

  after(async () => {
    if (process?.exitCode === null) {
      process.kill('SIGTERM');
      await new Promise((resolve) => process?.once('exit', resolve));
    }
    fs.rmSync(dir, { recursive: true, force: true });
  });

  for (const attack of table) {
    for (const version of VERSIONS) {
      test(`${attack.name}, ${version}`, async (t) => {
        const { port, log } = where.get(attack)!;
        const options = {
          ...(attack.made && identity(pki[attack.made])),
          minVersion: version,
          maxVersion: version,
        };
        const request = 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
        const seen = await visit(port, options, request);
        if (attack.envoy === 'admits') {
          assert.match(seen.result, /^HTTP\/1.1 200/);
          return;
        }
        assert.equal(seen.result, alert(attack.alerts[version]));
        const lines = () => (fs.existsSync(log) ? fs.readFileSync(log, 'utf8').split('\n').filter(Boolean) : []);
        await until(() => lines().length > VERSIONS.indexOf(version));
        const said = lines()[VERSIONS.indexOf(version)];
        const b = bench(t);
        const ours = await listen(t, b, downstream(b, mutual(attack.validation)));
        await visit(ours.port, options);
        await until(() => ours.failures.length === 1);
        const reason = ours.failures[0].reason.replaceAll(' ', '_');
        if (attack.envoy === 'says more') assert.ok(said.endsWith(reason.slice('TLS_error:'.length)), said);
        else assert.equal(reason, said);
      });
    }
  }
});
