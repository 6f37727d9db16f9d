import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { scratch, until } from '../support/reference.ts';

const MAIN = path.join(import.meta.dirname, '../../src/cli/main.ts');

const ADMIN = { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } };
const TCP_PROXY = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

function bootstrap(t: TestContext, filter: object = {}, more: object = {}) {
  const address = { socket_address: { address: '127.0.0.1', port_value: 0 } };
  const typed = { '@type': TCP_PROXY, stat_prefix: 't', cluster: 'c', ...filter };
  const json = {
    admin: ADMIN,
    static_resources: {
      listeners: [{ name: 'l', address, filter_chains: [{ filters: [{ name: 'tcp', typed_config: typed }] }] }],
      clusters: [
        {
          name: 'c',
          type: 'STRICT_DNS',
          load_assignment: {
            cluster_name: 'c',
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: { socket_address: { address: 'nowhere.invalid', port_value: 1 } } } },
                ],
              },
            ],
          },
        },
      ],
    },
    ...more,
  };
  const folder = scratch(t);
  const file = path.join(folder, 'bootstrap.json');
  fs.writeFileSync(file, JSON.stringify(json));
  return { folder, file };
}

function proxy(t: TestContext, args: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, 'proxy', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  const seen = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => (seen.stdout += text));
  child.stderr.on('data', (text) => (seen.stderr += text));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, seen, ended };
}

test('--mode validate looks at the whole bootstrap, starts nothing and ends', async (t) => {
  const good = bootstrap(t);
  const fine = proxy(t, ['-c', good.file, '--mode', 'validate']);
  assert.deepEqual([await fine.ended, fine.seen.stdout], [0, `configuration '${good.file}' OK\n`]);
  const table: readonly (readonly [object, object, RegExp])[] = [
    [{ bogus: 1 }, {}, /^Error: .*bootstrap\.json:1:\d+: static_resources\.listeners\[0\]\..*\.bogus: unknown field/],
    [{ cluster: undefined }, {}, /^Error: .*static_resources\.listeners\[0\]\.filter_chains\[0\]\.filters\[0\]/],
    [{}, { admin: { ...ADMIN, access_log_path: '/tmp/log' } }, /admin\.access_log_path: requests to the admin/],
    [
      {},
      { application_log_config: { log_format: { json_format: { m: '%v' } } } },
      /application_log_config\.log_format\.json_format: %v is not for JSON; use %j/,
    ],
  ];
  for (const [filter, more, message] of table) {
    const bad = proxy(t, ['-c', bootstrap(t, filter, more).file, '--mode', 'validate']);
    assert.equal(await bad.ended, 1, bad.seen.stdout);
    assert.match(bad.seen.stderr, message);
    assert.doesNotMatch(bad.seen.stderr, /\n +at /);
  }
});

test('flags that Envoy has do what they say', async (t) => {
  const { folder, file } = bootstrap(t, { bogus: 1 });
  const log = path.join(folder, 'proxy.log');
  const at = path.join(folder, 'admin');
  const running = proxy(
    t,
    ['-c', file, '--allow-unknown-static-fields', '--log-path', log, '--log-format', '%l|%n|%v', '-l', 'info'].concat(
      ['--admin-address-path', at, '--service-zone', 'z1', '--stats-tag', 'site:north', '--concurrency', '2'],
      ['--drain-strategy', 'immediate', '--local-address-ip-version', 'v4', '--skip-deprecated-logs'],
    ),
  );
  const admin = await until('the address of the admin interface', async () =>
    fs.existsSync(at) ? fs.readFileSync(at, 'utf8') || undefined : undefined,
  ).catch((error) => assert.fail(`${error}\n${running.seen.stderr}`));
  assert.match(admin, /^127\.0\.0\.1:\d+$/);
  const get = async (target: string) => (await fetch(`http://${admin}${target}`)).text();
  const info = JSON.parse(await get('/server_info'));
  assert.equal(info.node.locality.zone, 'z1');
  const { mode, log_path, stats_tag, drain_time } = info.command_line_options;
  assert.deepEqual([mode, log_path, stats_tag, drain_time], ['Serve', log, ['site:north'], '600s']);
  assert.match(await get('/stats/prometheus'), /^envoy_server_static_unknown_fields\{site="north"\} 1$/m);
  running.child.kill('SIGTERM');
  assert.equal(await running.ended, 0);
  assert.equal(running.seen.stderr, '');
  const lines = fs.readFileSync(log, 'utf8').trim().split('\n');
  assert.match(lines[0], /^warning\|main\|.*\.bogus: unknown field of .*: it has no effect$/);
  assert.match(lines[1], /^warning\|main\|--concurrency 2 has no effect/);
});

test('what a flag does not take is told in a sentence', async (t) => {
  const { file } = bootstrap(t);
  const table: readonly (readonly [readonly string[], RegExp])[] = [
    [['--stats-tag', 'a'], /--stats-tag "a" is not name:value/],
    [['--stats-tag', 'a.b:c'], /the name may have letters and digits only/],
    [['--stats-tag', 'a:1', '--stats-tag', 'a:2'], /a has a value already/],
    [['--log-path', '/nonexistent/folder/log'], /--log-path \/nonexistent\/folder\/log: .*no such file/],
    [['--mode', 'init'], /Allowed choices are serve, validate/],
  ];
  for (const [args, message] of table) {
    const bad = proxy(t, ['-c', file, ...args]);
    assert.notEqual(await bad.ended, 0);
    assert.match(bad.seen.stderr, message);
  }
});
