import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { meshStatus, TestedMesh } from '../support/local-mesh.ts';
import { until } from '../support/reference.ts';

const APP = `
import http from 'node:http';
const server = http.createServer((request, response) => {
  if (request.url === '/metrics') return response.end('# TYPE app_things counter\\napp_things 7\\n');
  if (request.url !== '/slow') return response.end(request.url);
  console.log('slow begins');
  setTimeout(() => response.end('slow ends'), 1500);
});
server.listen(Number(process.env.PORT), process.env.HOST);
process.on('SIGTERM', () => server.close(() => process.exit()));
`;

/** Asks at once when it starts, through its sidecar. */
const FIRST = `
import http from 'node:http';
const { hostname: host, port } = new URL(process.env.http_proxy);
const ask = (path, then) => {
  http.get({ host, port, path: 'http://app' + path, headers: { host: 'app' } }, (answer) => {
    let text = '';
    answer.on('data', (part) => (text += part));
    answer.on('end', () => then(answer.statusCode + ' ' + text));
    answer.on('error', (error) => then(error.message));
  }).on('error', (error) => then(error.message));
};
ask('/hello', (text) => console.log('first: ' + text));
process.on('SIGUSR2', () => ask('/slow', (text) => console.log('slow: ' + text)));
setInterval(() => {}, 1000);
`;

const YAML = `
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec: {profile: minimal}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: v1
kind: Service
metadata: {name: app}
spec: {selector: {app: app}, ports: [{name: http, port: 80, targetPort: 3000}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: app
  labels: {app: app}
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/port: "3000"
    sidecar.istio.io/logLevel: debug
    sidecar.istio.io/statsInclusionPrefixes: cluster.outbound
    proxy.istio.io/config: |
      terminationDrainDuration: 5s
      proxyMetadata: {ISTIO_META_COLOUR: blue}
      runtimeValues: {tracing.zipkin.min_flush_spans: "1"}
      tracing: {sampling: 100, zipkin: {address: "ZIPKIN"}}
spec:
  containers:
  - name: main
    command: [node, app.mjs]
    ports: [{containerPort: 3000}]
    readinessProbe: {httpGet: {path: /ready, port: 3000}}
---
apiVersion: v1
kind: Pod
metadata:
  name: first
  annotations: {proxy.istio.io/config: "holdApplicationUntilProxyStarts: true"}
spec:
  containers: [{name: main, command: [node, first.mjs]}]
`;

interface Span {
  readonly name: string;
  readonly localEndpoint: { readonly serviceName: string };
  readonly tags: Readonly<Record<string, string>>;
}

/** Spans that come to a Zipkin outside the mesh, and its address. */
async function zipkin(t: TestContext): Promise<{ readonly address: string; readonly spans: readonly Span[] }> {
  const spans: Span[] = [];
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (part) => (body += part));
    request.on('end', () => {
      if (request.url === '/api/v2/spans') spans.push(...JSON.parse(body));
      response.writeHead(202).end();
    });
  });
  // Not 127.0.0.1, which is the pod's own in a pod.
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.2', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { address: `127.0.0.2:${(server.address() as AddressInfo).port}`, spans };
}

test('annotations of a pod: held back, probed, scraped, traced, logged and drained as they say', async (t) => {
  const { address, spans } = await zipkin(t);
  const yaml = YAML.replace('ZIPKIN', address);
  const mesh = await TestedMesh.start(t, { 'app.mjs': APP, 'first.mjs': FIRST, 'mesh.yaml': yaml });
  const { pods } = await meshStatus(mesh);
  const podOf = (name: string) => pods.find((pod) => pod.name === name)!;
  const logOf = (name: string, container: string) => {
    const { logFile } = podOf(name).containers.find((c) => c.name === container)!;
    return fs.readFileSync(logFile, 'utf8');
  };
  await until('the first request is answered', () => /^first: /m.test(logOf('first', 'main')) || undefined);
  assert.match(logOf('first', 'main'), /^first: (200 \/hello|503 )/m, 'its sidecar was there before it');
  assert.doesNotMatch(logOf('first', 'main'), /ECONNREFUSED/);

  const { podIp } = podOf('app');
  const ask = async (url: string) => (await mesh.curl(['-w', '\n%{http_code}', `http://${podIp}:${url}`])).stdout;
  assert.equal(await ask('15020/app-health/main/readyz'), '/ready\n200', 'past strict mutual TLS');
  assert.match(await ask('15020/app-health/main/livez'), /\n400$/);
  assert.equal(await ask('15021/healthz/ready'), '\n200');
  const metrics = await ask('15020/stats/prometheus');
  for (const line of [/^app_things 7$/m, /^istio_agent_cert_expiry_seconds\{/m, /^envoy_server_live\{\} 1$/m])
    assert.match(metrics, line);
  const gzip = ['-H', 'accept-encoding: gzip', '-o', '/dev/null', '-D', '-'];
  const head = (await mesh.curl([...gzip, `http://${podIp}:15090/stats/prometheus`])).stdout;
  assert.match(head, /^content-encoding: gzip/im);
  assert.match(logOf('app', 'istio-proxy'), /\tdebug\tenvoy|\[debug\]| debug /);
  const bootstrap = (await mesh.isthmus(['proxy-config', 'bootstrap', 'app', '-o', 'json'])).stdout;
  assert.match(bootstrap, /"COLOUR": "blue"/);
  assert.match(bootstrap, /"prefix": "cluster\.outbound"/);

  const { pid } = podOf('first').containers.find(({ name }) => name === 'main')!;
  process.kill(pid!, 'SIGUSR2');
  await until('a slow request is under way', () => /slow begins/.test(logOf('app', 'main')) || undefined);
  fs.rmSync(path.join(mesh.dir, 'mesh.yaml'));
  fs.writeFileSync(
    path.join(mesh.dir, 'mesh.yaml'),
    yaml.replace('labels: {app: app}', 'labels: {app: app, version: v2}'),
  );
  await until('it is answered', () => /^slow: /m.test(logOf('first', 'main')) || undefined);
  assert.match(logOf('first', 'main'), /^slow: 200 slow ends$/m, 'the pod was drained before it ended');
  const span = await until('a span of what came to the sidecar', () =>
    spans.find(({ tags }) => tags['http.url']?.endsWith('/slow')),
  );
  assert.equal(span.localEndpoint.serviceName, 'app.default');
  assert.equal(span.tags['istio.canonical_service'], 'app');
});
