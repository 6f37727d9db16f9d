import assert from 'node:assert/strict';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { agentOptions } from '../../test/support/agent-options.ts';
import { until } from '../../test/support/reference.ts';
import { Agent } from './agent.ts';
import type { ProxyConfig } from './environment/proxy-config.ts';
import { httpCall } from './http/client.ts';

/** An agent without a proxy, whose secrets somebody else serves. */
function setUp(t: TestContext, env: Readonly<Record<string, string>> = {}, proxyConfig: Partial<ProxyConfig> = {}) {
  const bare = { DISABLE_ENVOY: 'true', WORKLOAD_IDENTITY_SOCKET_FILE: 'theirs' };
  return agentOptions(t, { ...bare, ...env }, proxyConfig);
}

async function start(t: TestContext, env: Readonly<Record<string, string>> = {}) {
  const { lines, options } = setUp(t, env);
  const agent = await Agent.start(options);
  t.after(async () => {
    agent.abort('the test is over');
    await agent.ended;
  });
  const call = (path: string, method = 'GET') =>
    httpCall({ host: '127.0.0.1', port: agent.statusPort, path, method, timeoutMs: 10_000, maxBodyBytes: 1 << 20 });
  return { agent, lines, call };
}

test('without a proxy it is ready at once, and ends with 0 when it is told to', async (t) => {
  const { agent, lines, call } = await start(t);
  const ready = await call('/healthz/ready');
  assert.equal(ready.status, 200);
  agent.shutdown('SIGTERM');
  agent.shutdown('SIGTERM');
  assert.equal(await agent.ended, 0);
  assert.equal(lines.filter((line) => line.includes('SIGTERM: shutting down')).length, 1);
});

test('it can be asked to end, by the pod itself', async (t) => {
  const { agent, call } = await start(t);
  assert.equal((await call('/quitquitquit', 'POST')).status, 200);
  assert.equal(await agent.ended, 0);
});

test('what it was started with can be looked at, but no certificates of its environment', async (t) => {
  const { call } = await start(t, { POD_NAMESPACE: 'shop' });
  const environment = JSON.parse((await call('/debug/environment')).body.toString());
  assert.deepEqual([environment.podNamespace, environment.certificates], ['shop', undefined]);
  const config = JSON.parse((await call('/debug/proxyConfig')).body.toString());
  assert.equal(config.discoveryAddress, '127.0.0.1:15010');
});

test('variables without effect are told of', async (t) => {
  const { lines } = await start(t, { XDS_AUTH_PROVIDER: 'gcp' });
  assert.match(lines.join(''), /warn.*XDS_AUTH_PROVIDER/);
});

test('a certificate that cannot be had is not waited for in clear, where no proxy needs it', async (t) => {
  const nobody = net.createServer();
  await new Promise<void>((resolve) => nobody.listen(0, '127.0.0.1', resolve));
  const { port } = nobody.address() as net.AddressInfo;
  await new Promise((resolve) => nobody.close(resolve));
  const env = { WORKLOAD_IDENTITY_SOCKET_FILE: 'socket', CA_ADDR: `127.0.0.1:${port}` };
  const { call } = await start(t, env);
  const body = await until('the failure is told', async () => {
    const { status, body: text } = await call('/healthz/ready');
    return status === 503 && /there is no valid certificate: ./.test(text.toString()) ? text.toString() : undefined;
  });
  assert.match(body, /there is no valid certificate: /);
});

test('an address that is no address is refused before anything is opened', async (t) => {
  const { options } = setUp(t, {}, { discoveryAddress: 'istiod' });
  const message = 'discoveryAddress must be of the form host:port, not "istiod".';
  await assert.rejects(Agent.start(options), { name: 'UserError', message });
});
