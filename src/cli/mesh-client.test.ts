import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { ProxyAddress } from '../config/control/mesh-api.ts';
import { adminAddress, askAdmin, proxiesOfService, selectProxies } from './mesh-client.ts';

function proxy(name: string, namespace: string, owner?: string): ProxyAddress {
  const id = `${name}.${namespace}`;
  return { id, name, namespace, owner, type: 'sidecar', podIp: '127.1.0.1', admin: '127.1.0.2:15000', status: '' };
}

const PROXIES = [
  proxy('web-1', 'default', 'Deployment/web'),
  proxy('web-2', 'default', 'Deployment/web'),
  proxy('db-0', 'shop', 'StatefulSet/db'),
  proxy('web', 'shop'),
];

test('a proxy is named as istioctl names it', () => {
  const table: readonly [target: string, namespace: string | undefined, ids: string[]][] = [
    ['web-1', undefined, ['web-1.default']],
    ['web-1.default', 'shop', ['web-1.default']],
    ['web', 'shop', ['web.shop']],
    ['pod/web.shop', undefined, ['web.shop']],
    ['deploy/web', undefined, ['web-1.default', 'web-2.default']],
    ['Deployment/web.default', 'shop', ['web-1.default', 'web-2.default']],
    ['sts/db', 'shop', ['db-0.shop']],
    ['deployment.apps/web', undefined, ['web-1.default', 'web-2.default']],
    ['deployments.apps/web.default', 'shop', ['web-1.default', 'web-2.default']],
  ];
  for (const [target, namespace, ids] of table) {
    assert.deepEqual(
      selectProxies(PROXIES, target, namespace).map(({ id }) => id),
      ids,
      target,
    );
  }
});

test('what names no proxy is told with what there is', () => {
  assert.throws(
    () => selectProxies(PROXIES, 'web', undefined),
    /^UserError: no proxy of "web" in namespace "default": there is web-1\.default, web-2\.default, db-0\.shop, web\.shop$/,
  );
  assert.throws(() => selectProxies([], 'deploy/web', 'x'), /no proxy of deployment "web".*the mesh has no proxy yet$/);
  assert.throws(() => selectProxies(PROXIES, 'cm/web', undefined), /"cm" has no proxies: use pod, deployment/);
});

test('the proxies of a service are those of the pods that it selects', () => {
  const pod = (name: string, labels?: object) => ({ key: `Pod/default/${name}`, raw: { metadata: { labels } } });
  const pods = [pod('web-1', { app: 'web', v: '1' }), pod('web-2', { app: 'web' }), pod('job'), pod('x', { app: 'x' })];
  const of = (selector?: object) =>
    proxiesOfService(PROXIES, 's', 'default', { spec: { selector } }, pods).map(({ id }) => id);
  assert.deepEqual(of({ app: 'web' }), ['web-1.default', 'web-2.default']);
  assert.deepEqual(of({ app: 'web', v: '1' }), ['web-1.default']);
  assert.throws(() => of({ app: 'x' }), /^UserError: no pod of service "s" in namespace "default" has a proxy$/);
  for (const selector of [undefined, {}]) assert.throws(() => of(selector), /selects no pods$/);
  assert.throws(() => proxiesOfService(PROXIES, 's', 'n', undefined, pods), /there is no service "s" in namespace "n"/);
});

test('an admin interface is asked on the port that is wanted, and its refusals are told', async (t) => {
  assert.equal(adminAddress(PROXIES[0]!, undefined), '127.1.0.2:15000');
  assert.equal(adminAddress(PROXIES[0]!, 9), '127.1.0.2:9');
  const server = http.createServer((request, response) => {
    response.statusCode = request.url === '/good' ? 200 : 404;
    response.end(`${request.method} ${request.url}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const admin = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  assert.equal(await askAdmin(admin, 'good', 'POST'), 'POST /good');
  await assert.rejects(askAdmin(admin, 'bad'), /admin interface 127\.0\.0\.1:\d+ answers 404: GET \/bad$/);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(askAdmin(admin, 'good'), /^UserError: the proxy's admin interface .* does not answer: /);
});
