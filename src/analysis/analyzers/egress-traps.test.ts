import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findingsOf } from '../../../test/support/findings.ts';

const object = (kind: string, name: string, spec: object): string =>
  `\n---\n${JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind, metadata: { name, namespace: 'a' }, spec })}\n`;
const HOST = 'external.example.com';
const entry = (...ports: readonly (readonly [number, string])[]) =>
  object('ServiceEntry', 'ext', {
    hosts: [HOST],
    ports: ports.map(([number, protocol]) => ({ number, protocol, name: `p${number}` })),
    resolution: 'DNS',
  });
const gateway = (tls: object, hosts = [HOST], protocol = 'HTTPS') =>
  object('Gateway', 'egress', {
    selector: { istio: 'egressgateway' },
    servers: [{ port: { number: 443, name: 'https', protocol }, hosts, tls }],
  });
const virtualService = (spec: object) => object('VirtualService', 'v', { hosts: [HOST], ...spec });
const to = (number: number) => [{ destination: { host: HOST, port: { number } } }];

test('an http match on a port of TLS', () => {
  const found = (match: object, text = entry([443, 'HTTPS']), more = {}) =>
    findingsOf(
      'isthmus.HttpOnTlsAnalyzer',
      virtualService({ http: [{ match: [match], route: to(443) }], ...more }) + text,
    );
  assert.deepEqual(found({ port: 443 }), [
    'ISTH0009 3 VirtualService a/v: Port 443 of host external.example.com carries TLS (protocol HTTPS in ServiceEntry a/ext), of which sidecars read the server name alone: this match for HTTP never applies to it. Match with tls and sniHosts, or declare the port as HTTP and have the proxy originate TLS.',
  ]);
  assert.equal(found({ port: 443 }, entry([443, 'TLS'])).length, 1);
  assert.deepEqual(found({ port: 443 }, entry([443, 'HTTP'])), []);
  assert.deepEqual(found({ port: 80 }), [], 'what an application asks for in plain text, for the gateway to encrypt');
  assert.deepEqual(found({ uri: { prefix: '/' } }), []);
  const both = { gateways: ['egress', 'mesh'] };
  const terminated = gateway({ mode: 'MUTUAL', credentialName: 'c' });
  assert.deepEqual(found({ port: 443, gateways: ['egress'] }, entry([443, 'HTTPS']) + terminated, both), []);
  assert.equal(found({ port: 443 }, entry([443, 'HTTPS']) + terminated, both).length, 1);
});

test('http routes behind a server that passes TLS through', () => {
  const http = [{ route: to(443) }];
  const found = (text: string, spec: object = { http, gateways: ['egress'] }) =>
    findingsOf('isthmus.HttpOnTlsAnalyzer', virtualService(spec) + entry([443, 'HTTPS']) + text);
  const passed = gateway({ mode: 'PASSTHROUGH' });
  assert.deepEqual(found(passed), [
    'ISTH0010 3 VirtualService a/v: Gateway a/egress passes the TLS of host external.example.com through (tls mode PASSTHROUGH) and sees no HTTP: the http routes have no effect. Route with tls and sniHosts, or have the gateway terminate TLS.',
  ]);
  assert.equal(found(gateway({ mode: 'PASSTHROUGH' }, ['a/*.example.com'])).length, 1);
  assert.deepEqual(found(gateway({ mode: 'SIMPLE', credentialName: 'c' })), []);
  const tls = [{ match: [{ port: 443, sniHosts: [HOST] }], route: to(443) }];
  assert.deepEqual(found(passed, { tls, gateways: ['egress'] }), []);
  assert.deepEqual(found(passed, { http, gateways: ['egress', 'mesh'] }), [], 'sidecars have a use for them');
});

test('mutual TLS to a gateway without the name of a host that it serves', () => {
  const rule = (spec: object, host = 'istio-egressgateway.istio-system.svc.cluster.local') =>
    object('DestinationRule', 'r', { host, ...spec });
  const found = (text: string, servers = gateway({ mode: 'MUTUAL', credentialName: 'c' })) =>
    findingsOf('isthmus.MissingSniAnalyzer', text + servers);
  const subset = (tls: object, number = 443) => ({
    subsets: [{ name: 'nginx', trafficPolicy: { portLevelSettings: [{ port: { number }, tls }] } }],
  });
  assert.deepEqual(found(rule(subset({ mode: 'ISTIO_MUTUAL' }))), [
    'ISTH0011 3 DestinationRule a/r: Without sni, connections to Gateway a/egress ask for the name of their cluster, which its server on port 443 does not have: it serves external.example.com, and refuses them. Set sni to one of its hosts.',
  ]);
  assert.equal(found(rule({ trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } })).length, 1);
  assert.deepEqual(found(rule(subset({ mode: 'ISTIO_MUTUAL', sni: HOST }))), []);
  assert.deepEqual(found(rule(subset({ mode: 'ISTIO_MUTUAL' }, 80))), []);
  assert.deepEqual(found(rule(subset({ mode: 'DISABLE' }))), []);
  assert.deepEqual(found(rule(subset({ mode: 'ISTIO_MUTUAL' }), 'other.a.svc.cluster.local')), []);
  assert.deepEqual(found(rule(subset({ mode: 'ISTIO_MUTUAL' })), gateway({ mode: 'ISTIO_MUTUAL' }, ['*'])), []);

  const service = (selector: object) =>
    `\n---\n${JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'way-out', namespace: 'a' }, spec: { selector } })}\n`;
  const own = rule(subset({ mode: 'ISTIO_MUTUAL' }), 'way-out');
  assert.equal(found(own + service({ istio: 'egressgateway', app: 'x' })).length, 1);
  assert.deepEqual(found(own + service({ app: 'x' })), []);
});
