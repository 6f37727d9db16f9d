import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a GatewayHost with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: enroute.saaras.io/v1, kind: GatewayHost, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

const HOST = 'virtualhost: {fqdn: a.example}';
const routes = (route: string): string => `{${HOST}, routes: [${route}]}`;
const service = '{name: web, port: 80}';

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{}', '~spec'],
  [routes(`{conditions: [{prefix: /}], services: [${service}]}`)],
  ["{virtualhost: {fqdn: '*'}}"],
  ["{virtualhost: {fqdn: '*.a.example'}}"],
  ['{virtualhost: {fqdn: "a b"}}', 'spec.virtualhost.fqdn'],
  ['{virtualhost: {}}', 'spec.virtualhost.fqdn'],
  [`{${HOST}, route: []}`, 'spec.route'],
  ['{virtualhost: {fqdn: a.example, tls: {}}}', 'spec.virtualhost.tls'],
  ['{virtualhost: {fqdn: a.example, tls: {secretName: c, minimumProtocolVersion: "1.2"}}}'],
  [
    '{virtualhost: {fqdn: a.example, tls: {secretName: c, minimumProtocolVersion: "2"}}}',
    'spec.virtualhost.tls.minimumProtocolVersion',
  ],
  ['{virtualhost: {fqdn: a.example, tls: {passthrough: true}}}', 'spec.virtualhost.tls.passthrough'],
  [`{virtualhost: {fqdn: a.example, tls: {passthrough: true}}, tcpproxy: {services: [${service}]}}`],
  [`{${HOST}, tcpproxy: {services: [${service}]}}`, 'spec.tcpproxy'],
  ['{virtualhost: {fqdn: a.example, tls: {passthrough: true}}, tcpproxy: {}}', 'spec.tcpproxy'],
  [routes('{services: [{name: web}]}'), 'spec.routes[0].services[0].port'],
  [routes('{services: [{name: web, port: 0}]}'), 'spec.routes[0].services[0].port'],
  [routes('{services: [{name: web, port: 80, protocol: http3}]}'), 'spec.routes[0].services[0].protocol'],
  [routes('{conditions: [{prefix: x}]}'), 'spec.routes[0].conditions[0].prefix'],
  [routes('{conditions: [{}]}'), 'spec.routes[0].conditions[0]'],
  [routes('{conditions: [{prefix: /a}, {prefix: /b}]}'), 'spec.routes[0].conditions'],
  [routes('{conditions: [{header: {name: x}}]}'), 'spec.routes[0].conditions[0].header'],
  [routes('{conditions: [{header: {name: x, exact: a, contains: b}}]}'), 'spec.routes[0].conditions[0].header'],
  [routes('{conditions: [{header: {name: x, notexact: a}}]}')],
  [routes(`{services: [${service}], delegate: {name: x}}`), 'spec.routes[0].delegate'],
  [routes('{timeoutPolicy: {request: infinity, cluster_idle: 5s}}')],
  [routes('{timeoutPolicy: {request: soon}}'), 'spec.routes[0].timeoutPolicy.request'],
  [
    routes('{filters: [{name: a, type: route_filter_ratelimit}, {name: b, type: route_filter_ratelimit}]}'),
    'spec.routes[0].filters[1].type',
  ],
  [
    routes('{prefixRewrite: /x, pathRewritePolicy: {replacePrefix: [{replacement: /y}]}}'),
    'spec.routes[0].pathRewritePolicy',
  ],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => assert.deepEqual(said(spec).sort(), fields.sort()));
  }
});
