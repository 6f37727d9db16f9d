import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a ServiceEntry with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

const http = 'ports: [{number: 80, name: http, protocol: HTTP}]';

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  [`{hosts: [a.com], ${http}, resolution: DNS}`],
  [`{${http}}`, 'hosts'],
  [`{hosts: [], ${http}}`, 'hosts'],
  [`{hosts: ["*", a_b, "*x.com"], ${http}}`, 'hosts[0]', 'hosts[1]', '~hosts[2]'],
  [`{hosts: [a.com], addresses: [10.0.0.0/8, 1.2.3, "::1/64"], ${http}}`, 'addresses[1]'],
  [`{hosts: [a.com], addresses: [10.0.0.0/8], ${http}, resolution: DNS}`, 'addresses[0]'],
  [
    '{hosts: [a.com], ports: [{number: 80, name: a, protocol: HTTP}, {number: 80, name: a, protocol: nope}, {number: 0, name: ""}]}',
    'ports[1].number',
    'ports[1].name',
    'ports[1].protocol',
    'ports[2].number',
    'ports[2].name',
  ],
  ['{hosts: [a.com], ports: [{number: 80, name: a, targetPort: 8080}]}', '~ports[0].targetPort'],
  [`{hosts: [a.com], ${http}, endpoints: [{address: 1.2.3.4}]}`, 'endpoints'],
  [
    `{hosts: [a.com], ${http}, resolution: STATIC, endpoints: [{address: a.com}, {}, {address: 1.2.3.4, ports: {nope: 1, http: 0}}]}`,
    'endpoints[0].address',
    'endpoints[1].address',
    'endpoints[2].ports.nope',
    'endpoints[2].ports.http',
  ],
  [`{hosts: [a.com], ${http}, resolution: STATIC, endpoints: [{address: "unix:///x"}]}`],
  [
    '{hosts: [a.com], ports: [{number: 80, name: a}, {number: 81, name: b}], resolution: STATIC, endpoints: [{address: "unix:///x", ports: {a: 1}}]}',
    'endpoints[0].address',
    'endpoints[0].ports',
  ],
  [`{hosts: ["*.a.com"], ${http}, resolution: DNS}`, 'hosts[0]'],
  [`{hosts: ["*.a.com"], ${http}, resolution: DNS, endpoints: [{address: b.com}]}`],
  [
    `{hosts: [a.com], ${http}, resolution: DNS_ROUND_ROBIN, endpoints: [{address: b.com}, {address: c.com}]}`,
    'endpoints',
  ],
  ['{hosts: [a.com, b.com], ports: [{number: 80, name: a, protocol: TCP}], resolution: DNS}', 'ports[0].protocol'],
  [
    `{hosts: [a.com], ${http}, resolution: STATIC, workloadSelector: {labels: {a: b}}, endpoints: [{address: 1.2.3.4}]}`,
    '',
  ],
  [`{hosts: [a.com], ${http}, workloadSelector: {labels: {a: b}}}`, '~workloadSelector'],
  [`{hosts: ["*.a.com"], ${http}, resolution: DYNAMIC_DNS}`],
  [
    '{hosts: [a.com], ports: [{number: 80, name: a, protocol: TCP}], resolution: DYNAMIC_DNS, addresses: [1.2.3.4]}',
    'hosts[0]',
    'ports[0].protocol',
    'addresses',
  ],
  [`{hosts: [a.com], ${http}, exportTo: ["~"]}`],
  [`{hosts: [a.com], ${http}, exportTo: ["~", x]}`, 'exportTo'],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
