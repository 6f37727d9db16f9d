import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../test/support/object-view.ts';
import type { MeshConfig } from '../config/kinds/mesh-config/schema.ts';
import type { PublishedPort } from './publication.ts';
import { publishedUrls } from './published-urls.ts';

const published = (port: number, targetPort: number, published: number, istio = 'ingressgateway'): PublishedPort => ({
  service: istio,
  name: '',
  port,
  targetPort,
  address: '127.0.0.1',
  published,
  gateway: { istio },
  enroute: undefined,
});
const PORTS = [published(80, 8080, 8080), published(443, 8443, 8443), published(31400, 31400, 31400)];

const urls = (text: string, ports = PORTS, mesh: MeshConfig = {}) =>
  publishedUrls(viewOf(text), ports, mesh).map(({ url, hosts }) => [url, hosts.join()].join(' '));

test('what Gateways serve, by the port of the service or of the gateway; only those of the gateway itself', () => {
  const text = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: in}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 8080, name: h, protocol: http}, hosts: [a.example, "ns/b.example"]}
  - {port: {number: 443, name: t, protocol: TLS}, hosts: [c.example], tls: {mode: PASSTHROUGH}}
  - {port: {number: 31400, name: m, protocol: TCP}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out}
spec:
  selector: {istio: egressgateway}
  servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: [far.example], tls: {mode: ISTIO_MUTUAL}}]
`;
  assert.deepEqual(urls(text), [
    'http://127.0.0.1:8080 a.example,b.example',
    'https://127.0.0.1:8443 c.example',
    '127.0.0.1:31400 *',
  ]);
  assert.deepEqual(urls(text, [published(443, 8443, 8443, 'egressgateway')]), ['https://127.0.0.1:8443 far.example']);
});

test('what Routes serve', () => {
  const route = (name: string, spec: string) => `
---
{apiVersion: route.openshift.io/v1, kind: Route, metadata: {name: ${name}}, spec: {to: {name: web}, ${spec}}}`;
  const text = [
    route('a', 'host: a.example'),
    route('b', 'host: b.example, tls: {termination: passthrough}'),
    route(
      'c',
      'host: x.c.example, wildcardPolicy: Subdomain, tls: {termination: edge, insecureEdgeTerminationPolicy: Redirect}',
    ),
    route('d', 'subdomain: d'),
  ].join('');
  assert.deepEqual(urls(text), [
    'http://127.0.0.1:8080 a.example,*.c.example',
    'https://127.0.0.1:8443 b.example,*.c.example',
    '127.0.0.1:31400 ',
  ]);
});

test('what Ingresses serve that are of the mesh', () => {
  const ingress = (name: string, spec: string, annotations = '{kubernetes.io/ingress.class: istio}') => `
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: ${name}, annotations: ${annotations}}, spec: {${spec}}}`;
  const rule = (host: string) =>
    `{${host}http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}`;
  const text = [
    ingress('a', `rules: [${rule('host: a.example, ')}, ${rule('host: "*.b.example", ')}]`),
    ingress(
      'c',
      `tls: [{hosts: [c.example], secretName: c}, {hosts: [d.example]}], rules: [${rule('host: c.example, ')}]`,
    ),
    ingress('other', `rules: [${rule('host: other.example, ')}]`, '{kubernetes.io/ingress.class: nginx}'),
    ingress('none', `rules: [${rule('host: none.example, ')}]`, '{}'),
  ].join('');
  assert.deepEqual(urls(text), [
    'http://127.0.0.1:8080 a.example,*.b.example,c.example',
    'https://127.0.0.1:8443 c.example',
    '127.0.0.1:31400 ',
  ]);
  const every = ingress('every', `tls: [{secretName: c}], rules: [${rule('')}]`);
  assert.deepEqual(urls(every).slice(0, 2), ['http://127.0.0.1:8080 *', 'https://127.0.0.1:8443 *']);
  const mesh: MeshConfig = { ingressControllerMode: 'DEFAULT', ingressSelector: 'edge' };
  assert.deepEqual(urls(text, [published(80, 8080, 8080, 'edge')], mesh), [
    'http://127.0.0.1:8080 a.example,*.b.example,c.example,none.example',
  ]);
});

test("what GatewayHosts serve, by what EnRoute's gateways are told of their ports", () => {
  const host = (name: string, spec: string) => `
---
{apiVersion: enroute.saaras.io/v1, kind: GatewayHost, metadata: {name: ${name}}, spec: ${spec}}`;
  const text = [
    host('a', '{virtualhost: {fqdn: a.example}}'),
    host('b', '{virtualhost: {fqdn: b.example, tls: {secretName: c}}}'),
    host(
      'c',
      '{virtualhost: {fqdn: c.example, tls: {passthrough: true}}, tcpproxy: {services: [{name: w, port: 443}]}}',
    ),
    host('part', '{routes: []}'),
  ].join('');
  const ports = { http: 9080, https: 9443 };
  const own = [published(80, 9080, 8080, 'enroute'), published(443, 9443, 8443, 'enroute')];
  assert.deepEqual(
    urls(
      text,
      own.map((port) => ({ ...port, enroute: ports })),
    ),
    ['http://127.0.0.1:8080 a.example,b.example', 'https://127.0.0.1:8443 b.example,c.example'],
  );
  assert.deepEqual(urls(text, own), ['127.0.0.1:8080 ', '127.0.0.1:8443 '], 'of a gateway that is not one of them');
});
