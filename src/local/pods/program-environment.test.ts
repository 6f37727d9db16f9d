import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../../test/support/object-view.ts';
import { programEnvironment, serviceLinks } from './program-environment.ts';

const place = { address: '127.128.0.1', port: 3000, proxy: undefined, direct: [] };

test('a program learns where to listen, and of its surroundings only what it needs', () => {
  assert.deepEqual(programEnvironment({ PATH: '/bin', AWS_SECRET_ACCESS_KEY: 'x', http_proxy: 'y' }, 'web-1', place), {
    PATH: '/bin',
    HOSTNAME: 'web-1',
    HOST: '127.128.0.1',
    PORT: '3000',
  });
  assert.equal('PORT' in programEnvironment({}, 'web-1', { ...place, port: undefined }), false);
});

test('beside a sidecar, clients are told to go through it for everything but the pod itself', () => {
  const proxy = { address: '127.192.0.1', port: 15002 };
  const env = programEnvironment({}, 'web-1', { ...place, proxy, direct: ['127.64.0.1', '127.192.0.1'] });
  for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'])
    assert.equal(env[name], 'http://127.192.0.1:15002', name);
  assert.equal(env.no_proxy, 'localhost,127.0.0.1,::1,127.64.0.1,127.192.0.1');
  assert.equal(env.NO_PROXY, env.no_proxy);
  assert.equal(env.NODE_USE_ENV_PROXY, '1');
});

test('services are named in variables as Kubernetes names them', () => {
  const services = viewOf(`
apiVersion: v1
kind: Service
metadata: {name: my-cache, namespace: shop}
spec: {ports: [{name: tcp-redis, port: 6379}, {name: admin, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: peers, namespace: shop}
spec: {clusterIP: None, ports: [{port: 1}]}
`).list('Service');
  const links = serviceLinks(
    services,
    () => '127.192.0.1',
    (port) => (port < 1024 ? port + 8000 : port),
  );
  assert.deepEqual(links, {
    MY_CACHE_SERVICE_HOST: '127.192.0.1',
    MY_CACHE_SERVICE_PORT: '6379',
    MY_CACHE_SERVICE_PORT_TCP_REDIS: '6379',
    MY_CACHE_SERVICE_PORT_ADMIN: '8080',
  });
});
