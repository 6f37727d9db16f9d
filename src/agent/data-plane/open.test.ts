import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { scratch } from '../../../test/support/reference.ts';
import { systemClock } from '../../base/clock.ts';
import { Logging } from '../../base/log.ts';
import { readEnvironment } from '../environment/environment.ts';
import type { ProxyConfig } from '../environment/proxy-config.ts';
import { AgentNetwork } from '../network.ts';
import { Paths } from '../paths.ts';
import { EnvoyProcess } from './envoy.ts';
import { InProcessProxy } from './in-process.ts';
import { type OpenDataPlaneOptions, openDataPlane } from './open.ts';

const PROXY_CONFIG: ProxyConfig = {
  configPath: './etc/istio/proxy',
  discoveryAddress: '127.0.0.1:15010',
  controlPlaneAuthPolicy: 'NONE',
  drainDuration: 45_000,
  terminationDrainDuration: 5000,
  proxyAdminPort: 15000,
  statusPort: 15020,
};

interface More {
  readonly env?: Readonly<Record<string, string>>;
  readonly proxyConfig?: Partial<ProxyConfig>;
  readonly options?: Partial<OpenDataPlaneOptions>;
}

function setUp(t: TestContext, { env, proxyConfig, options }: More = {}) {
  const dir = scratch(t);
  const environment = readEnvironment({ INSTANCE_IP: '127.0.0.1', POD_NAME: 'web-1', ...env }, 'sidecar');
  const lines: string[] = [];
  const logging = new Logging({ format: 'istio', stream: { write: (line) => lines.push(line) } });
  const open = () =>
    openDataPlane({
      role: 'sidecar',
      dir,
      environment,
      proxyConfig: { ...PROXY_CONFIG, ...proxyConfig },
      proxyConfigJson: {},
      domain: undefined,
      podLabels: {},
      podAnnotations: {},
      envoy: undefined,
      proxyLogLevel: '',
      proxyComponentLogLevel: undefined,
      version: '1.31.0',
      logging,
      proxyLogging: logging,
      env: {},
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
