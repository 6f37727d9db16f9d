import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { scratch } from '../../../test/support/reference.ts';
import { silentLogger } from '../../base/log.ts';
import { HttpServer } from '../http/server.ts';
import { type EnvoyOptions, EnvoyProcess, envoyArguments } from './envoy.ts';

const OPTIONS: EnvoyOptions = {
  program: 'envoy',
  bootstrapFile: './envoy-rev.json',
  bootstrapOverride: undefined,
  cwd: '.',
  env: { PATH: process.env.PATH },
  admin: { host: '127.0.0.1', port: 1 },
  logLevel: 'warning',
  componentLogLevel: undefined,
  concurrency: 0,
  drainMs: 45_000,
  skipDeprecatedLogs: false,
  ipVersion: 'v4',
  ownPorts: [15021, 15090],
  log: silentLogger,
};

test('the command line', () => {
  const first = '-c ./envoy-rev.json --drain-time-s 45 --drain-strategy immediate --local-address-ip-version v4';
  const rest = '--file-flush-interval-msec 1000 --disable-hot-restart --allow-unknown-static-fields';
  const cases: [Partial<EnvoyOptions>, string][] = [
    [{}, `${first} ${rest} -l warning`],
    [{ logLevel: '' }, `${first} ${rest}`],
    [{ logLevel: 'warning,misc:error' }, `${first} ${rest} -l warning --component-log-level misc:error`],
    [{ componentLogLevel: 'rbac:debug' }, `${first} ${rest} -l warning --component-log-level rbac:debug`],
    [
      { concurrency: 2, skipDeprecatedLogs: true },
      `${first} ${rest} -l warning --skip-deprecated-logs --concurrency 2`,
    ],
    [{ bootstrapOverride: '{}' }, `${first.replace(' --drain', ' --config-yaml {} --drain')} ${rest} -l warning`],
  ];
  for (const [more, wanted] of cases) assert.equal(envoyArguments({ ...OPTIONS, ...more }).join(' '), wanted);
});

/** A program in Envoy's place. */
function program(t: TestContext, script: string): string {
  const file = path.join(scratch(t), 'envoy');
  fs.writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return file;
}

test('its end is that of the agent: exit codes, signals as a shell tells them, and none when it was stopped', async (t) => {
  const cases: [string, number, RegExp][] = [
    ['exit 3', 3, /exit code 3/],
    ['exit 0', 0, /exit code 0/],
    ['kill -KILL $$', 137, /SIGKILL/],
  ];
  for (const [script, code, reason] of cases) {
    const envoy = new EnvoyProcess({ ...OPTIONS, program: program(t, script) });
    await envoy.start();
    const end = await envoy.ended;
    assert.equal(end.exitCode, code);
    assert.match(end.reason, reason);
  }
  const running = new EnvoyProcess({ ...OPTIONS, program: program(t, 'exec sleep 1000') });
  await running.start();
  await running.stop();
  assert.equal((await running.ended).exitCode, 0);
  await running.stop();
});

test('a program that is not there is an error in words', async () => {
  const envoy = new EnvoyProcess({ ...OPTIONS, program: '/nowhere/envoy' });
  const message = /^The proxy \/nowhere\/envoy cannot be started: .*ENOENT/;
  await assert.rejects(envoy.start(), { name: 'UserError', message });
});

/** An admin interface whose statistics the test sets. */
async function adminServer(t: TestContext) {
  const stats = new Map<string, number>();
  const calls: string[] = [];
  const replies = { status: 200 };
  const server = new HttpServer(({ method, path: at, query }) => {
    calls.push(`${method} ${at}${query === '' ? '' : `?${query}`}`);
    if (at !== '/stats') return { ...replies, body: 'said' };
    return { ...replies, body: [...stats].map(([name, value]) => `${name}: ${value}\n`).join('') };
  });
  const { port } = await server.listen('admin interface', '127.0.0.1', 0);
  t.after(() => server.close());
  const envoy = new EnvoyProcess({ ...OPTIONS, admin: { host: '127.0.0.1', port } });
  return { envoy, stats, calls, replies };
}

test('it is ready with its configuration, live, and with its workers', async (t) => {
  const { envoy, stats, replies } = await adminServer(t);
  assert.match((await envoy.readiness()) ?? '', /^config not received from XDS server/);
  stats.set('cluster_manager.cds.update_success', 1);
  stats.set('listener_manager.lds.update_success', 1);
  stats.set('server.state', 2);
  assert.equal(await envoy.readiness(), 'server is not live, current state is: PRE_INITIALIZING');
  stats.set('server.state', 0);
  assert.equal(await envoy.readiness(), 'workers have not yet started');
  stats.set('listener_manager.workers_started', 1);
  assert.equal(await envoy.readiness(), undefined);
  // Once configured it stays so: counters that are reset say nothing.
  stats.delete('cluster_manager.cds.update_success');
  assert.equal(await envoy.readiness(), undefined);
  replies.status = 500;
  assert.match((await envoy.readiness()) ?? '', /^failed to get readiness of Envoy: .*status 500/);
});

test('connections of traffic are counted, and each once', async (t) => {
  const { envoy, stats } = await adminServer(t);
  assert.equal(await envoy.activeConnections(), undefined);
  stats.set('listener.0.0.0.0_8080.downstream_cx_active', 2);
  stats.set('listener.0.0.0.0_8080.worker_0.downstream_cx_active', 2);
  stats.set('listener.0.0.0.0_15006.downstream_cx_active', 3);
  stats.set('listener.0.0.0.0_15021.downstream_cx_active', 5);
  stats.set('listener.admin.downstream_cx_active', 7);
  stats.set('http.outbound.downstream_cx_active', 11);
  assert.equal(await envoy.activeConnections(), 5);
});

test('what the agent asks for goes to the admin interface', async (t) => {
  const { envoy, calls, replies } = await adminServer(t);
  await envoy.drain(true);
  await envoy.drain(false);
  assert.equal((await envoy.stats('usedonly', [], 1000)).toString(), 'said');
  assert.deepEqual(await envoy.admin('POST', '/logging'), { status: 200, body: 'said' });
  assert.deepEqual(calls, [
    'POST /drain_listeners?graceful&skip_exit&inboundonly',
    'POST /drain_listeners?graceful&skip_exit',
    'GET /stats/prometheus?usedonly',
    'POST /logging',
  ]);
  replies.status = 503;
  await assert.rejects(envoy.drain(false), /status 503: said/);
});
