import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findingsOf } from '../../../test/support/findings.ts';

const findings = (...objects: readonly object[]) =>
  findingsOf('isthmus.EnrouteAnalyzer', objects.map((object) => `---\n${JSON.stringify(object)}\n`).join(''));

const enroute = (kind: string, name: string, spec: object) => ({
  apiVersion: 'enroute.saaras.io/v1',
  kind,
  metadata: { name, namespace: 'default' },
  spec,
});
const host = (name: string, more: object = {}, route: object = {}) =>
  enroute('GatewayHost', name, {
    virtualhost: { fqdn: 'a.example', ...more },
    routes: [{ services: [{ name: 'web', port: 80 }], ...route }],
  });
const service = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { ports: [{ name: 'http', port: 80 }] },
});
const secret = (name: string, namespace = 'default') => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace },
  stringData: { 'tls.crt': 'C', 'tls.key': 'K' },
});

describe('objects of EnRoute', () => {
  const table: readonly (readonly [string, readonly object[], ...RegExp[]])[] = [
    ['that fit together', [host('a'), service('web')]],
    [
      'a service that is not there',
      [host('a'), service('api')],
      /GatewayHost default\/a: spec\.routes\[0\]\.services\[0\] names no service: default\/web/,
    ],
    ['of which no services are known', [host('a')]],
    [
      'a secret that is not there',
      [host('a', { tls: { secretName: 'c' } }), service('web'), secret('d')],
      /virtualhost\.tls\.secretName names secret default\/c, which is not there/,
    ],
    [
      'a secret that is not delegated',
      [host('a', { tls: { secretName: 'other/c' } }), service('web'), secret('c', 'other')],
      /which no TLSCertificateDelegation gives to namespace default/,
    ],
    [
      'a filter that is not there',
      [
        host('a', {}, { filters: [{ name: 'f', type: 'route_filter_redirect' }] }),
        service('web'),
        enroute('RouteFilter', 'g', {
          type: 'route_filter_directresponse',
          routeFilterConfig: { config: '{"response_code": 200}' },
        }),
      ],
      /filters\[0\]\.name names no RouteFilter: default\/f/,
    ],
    [
      'a filter that is not supported',
      [host('a'), service('web'), enroute('HttpFilter', 'l', { type: 'http_filter_lua' })],
      /HttpFilter default\/l: spec\.type cannot be honoured \(type: http_filter_lua is not supported: Lua/,
    ],
    [
      'two of one host',
      [host('a'), host('b'), service('web')],
      /GatewayHost default\/b: spec\.virtualhost\.fqdn has no effect: GatewayHost default\/a has this host/,
    ],
  ];
  for (const [name, objects, ...expected] of table) {
    test(name, () => {
      const found = findings(...objects);
      assert.equal(found.length, expected.length, found.join('\n'));
      for (const [i, pattern] of expected.entries()) assert.match(found[i]!, pattern);
    });
  }
});
