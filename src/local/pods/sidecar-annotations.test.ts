import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAppProbers } from '../../agent/status/app-probers.ts';
import type { Container } from '../../config/kinds/shared/pod-spec.ts';
import { appProbers, proxyReadiness, scrapeAnnotations, withRewrittenProbes } from './sidecar-annotations.ts';

const container: Container = {
  name: 'main',
  ports: [{ name: 'web', containerPort: 3000 }],
  readinessProbe: { httpGet: { path: '/ready', port: 'web' }, timeoutSeconds: 2 },
  livenessProbe: { tcpSocket: { port: 3001 } },
  startupProbe: { exec: { command: ['true'] } },
};

test('probes of programs are told to the agent in the form that it reads', () => {
  const probers = parseAppProbers(appProbers([container], {}));
  assert.deepEqual(Object.fromEntries(probers), {
    '/app-health/main/livez': { kind: 'tcp', timeoutMs: 1000, port: 3001 },
    '/app-health/main/readyz': { kind: 'http', timeoutMs: 2000, port: 3000, path: '/ready', https: false },
  });
  assert.equal(appProbers([container], { 'sidecar.istio.io/rewriteAppHTTPProbers': 'false' }), undefined);
  assert.equal(appProbers([{ name: 'none' }], {}), undefined);
  const unknown = { name: 'x', readinessProbe: { httpGet: { port: 'nowhere' } } };
  assert.equal(appProbers([unknown], {}), undefined, 'a port that the container does not name');
});

test('metrics of programs are merged where the pod says where they are', () => {
  const annotations = { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9090', 'prometheus.io/path': '/m' };
  assert.equal(scrapeAnnotations(annotations), '{"scrape":"true","path":"/m","port":"9090"}');
  assert.equal(scrapeAnnotations({ 'prometheus.io/scrape': 'true' }), '{"scrape":"true","path":"","port":""}');
  assert.equal(scrapeAnnotations({ ...annotations, 'prometheus.io/scrape': 'false' }), undefined);
  assert.equal(scrapeAnnotations({ ...annotations, 'prometheus.istio.io/merge-metrics': 'false' }), undefined);
  assert.equal(scrapeAnnotations({}), undefined);
});

test('annotations set how the proxy is probed', () => {
  const probe = { httpGet: { path: '/r', port: 1 }, periodSeconds: 15, failureThreshold: 4 };
  const prefix = 'readiness.status.sidecar.istio.io';
  assert.deepEqual(
    proxyReadiness(probe, { [`${prefix}/periodSeconds`]: '2', [`${prefix}/initialDelaySeconds`]: '1' }),
    { ...probe, periodSeconds: 2, initialDelaySeconds: 1 },
  );
  assert.deepEqual(proxyReadiness(probe, { [`${prefix}/failureThreshold`]: 'many' }), probe);
});

test('probes of a program whose traffic is captured go to the agent, with their times; commands stay as they are', () => {
  const container = {
    name: 'web',
    readinessProbe: {
      periodSeconds: 3,
      httpGet: { path: '/ready', port: 'http', httpHeaders: [{ name: 'A', value: 'b' }] },
    },
    livenessProbe: { tcpSocket: { port: 9000 }, timeoutSeconds: 2 },
    startupProbe: { exec: { command: ['true'] } },
  };
  assert.deepEqual(withRewrittenProbes(container, {}), {
    name: 'web',
    readinessProbe: {
      periodSeconds: 3,
      httpGet: { path: '/app-health/web/readyz', port: 15020, httpHeaders: [{ name: 'A', value: 'b' }] },
    },
    livenessProbe: { timeoutSeconds: 2, httpGet: { path: '/app-health/web/livez', port: 15020 } },
    startupProbe: { exec: { command: ['true'] } },
  });
  const annotations = { 'sidecar.istio.io/rewriteAppHTTPProbers': 'false' };
  assert.equal(withRewrittenProbes(container, annotations), container);
});
