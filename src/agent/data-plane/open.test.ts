import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { agentOptions } from '../../../test/support/agent-options.ts';
import { systemClock } from '../../base/clock.ts';
import type { ProxyConfig } from '../environment/proxy-config.ts';
import { AgentNetwork } from '../network.ts';
import { Paths } from '../paths.ts';
import { EnvoyProcess } from './envoy.ts';
import { InProcessProxy } from './in-process.ts';
import { type OpenDataPlaneOptions, openDataPlane } from './open.ts';

interface More {
  readonly env?: Readonly<Record<string, string>>;
  readonly proxyConfig?: Partial<ProxyConfig>;
  readonly options?: Partial<OpenDataPlaneOptions>;
}

function setUp(t: TestContext, { env, proxyConfig, options }: More = {}) {
  const { options: agent, lines } = agentOptions(t, env, proxyConfig);
  const { dir, environment } = agent;
  const open = () =>
    openDataPlane({
      ...agent,
      paths: new Paths(dir),
      network: new AgentNetwork(environment),
      discovery: { host: '127.0.0.1', port: 15010, serverName: undefined },
      statusPort: 15020,
      secrets: undefined,
      sdsSocket: './socket',
      clock: systemClock,
      ...options,
    });
  return { dir, lines, open };
}

const bootstrapOf = (dir: string) =>
  JSON.parse(fs.readFileSync(path.join(dir, 'etc/istio/proxy/envoy-rev.json'), 'utf8'));

test('the bootstrap is written, for our own proxy and for Envoy', async (t) => {
  const own = setUp(t);
  assert.ok((await own.open()) instanceof InProcessProxy);
  assert.match(bootstrapOf(own.dir).node.id, /^sidecar~127\.0\.0\.1~web-1\./);
  const theirs = setUp(t, { options: { envoy: '/usr/bin/envoy' } });
  assert.ok((await theirs.open()) instanceof EnvoyProcess);
  assert.match(bootstrapOf(theirs.dir).node.id, /^sidecar~/);
});

test('a bootstrap of their own is used as it is', async (t) => {
  const { dir, open } = setUp(t, { proxyConfig: { customConfigFile: './own.json' } });
  fs.writeFileSync(path.join(dir, 'own.json'), '{"node": {"id": "own"}, "static_resourses": {}}');
  await assert.rejects(open(), /own\.json:1:\d+: .*static_resourses/);
  assert.equal(fs.existsSync(path.join(dir, 'etc')), false);
});

test('what cannot be honoured is named', async (t) => {
  const table: [More, RegExp][] = [
    [{ proxyConfig: { proxyBootstrapTemplatePath: '/t' } }, /^proxyBootstrapTemplatePath has no effect/],
    [{ env: { ISTIO_BOOTSTRAP_OVERRIDE: '/nowhere' } }, /^ISTIO_BOOTSTRAP_OVERRIDE .*nowhere cannot be read/],
    [{ options: { proxyLogLevel: 'loud' } }, /^--proxyLogLevel: /],
    [{ options: { proxyComponentLogLevel: 'misc:loud' } }, /^--proxyLogLevel: /],
  ];
  for (const [more, message] of table) await assert.rejects(setUp(t, more).open(), { name: 'UserError', message });
});

test('an override is merged over what is written', async (t) => {
  const { dir, open } = setUp(t, { env: { ISTIO_BOOTSTRAP_OVERRIDE: './over.json' } });
  fs.writeFileSync(path.join(dir, 'over.json'), '{"no_such_field": 1}');
  await assert.rejects(open(), /no_such_field/);
  fs.writeFileSync(path.join(dir, 'over.json'), '{"cluster_manager": {"local_cluster_name": "here"}}');
  assert.ok((await open()) instanceof InProcessProxy);
});

test('more than one thread is told of', async (t) => {
  const { lines, open } = setUp(t, { proxyConfig: { concurrency: 4 } });
  await open();
  assert.match(lines.join(''), /concurrency 4: our own proxy works with one thread/);
});
