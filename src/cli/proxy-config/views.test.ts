import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { CLUSTER_STATUSES, EMPTY_DUMP, SECTIONS, secretsDump, wholeDump } from '../../../test/support/config-dumps.ts';
import {
  allView,
  bootstrapView,
  clusterView,
  ecdsView,
  edsView,
  endpointView,
  listenerView,
  routeView,
  secretView,
  type View,
  type ViewFlags,
} from './views.ts';

const WHOLE = JSON.stringify(wholeDump(secretsDump('', '')));
const EMPTY = JSON.stringify(EMPTY_DUMP);

function short(view: View, flags: ViewFlags = {}, dump = WHOLE): string[] {
  return [...view(dump, 'short', flags)].join('').trimEnd().split('\n');
}

test('listeners by port and address, their chains by destination', () => {
  assert.deepEqual(short(listenerView), [
    'ADDRESSES    PORT  MATCH                          DESTINATION',
    '/run/x.sock  0     ALL                            Non-HTTP/Non-TCP',
    '10.0.0.1,::1 80    Addr: 10.0.0.0/8,::/0:8080     Inline Route: a<b>&c /*, /x; regex a.*"',
    '10.0.0.1     80    ALL                            Cluster: c',
    '10.0.0.2     80    App: HTTP                      Route: 80',
    '10.0.0.2     80    App: TCP TLS                   Non-HTTP/Non-TCP',
    '10.0.0.2     80    App: HTTP TLS                  HTTP',
    '10.0.0.2     80    SNI: a.test,b.test; Trans: tls Cluster: outbound|80||b',
    '10.0.0.2     80    App: istio,h2                  Cluster: outbound|80||a',
    '0.0.0.0      15001 ALL                            PassthroughCluster',
    '0.0.0.0      15001 Addr: *:15001                  Non-HTTP/Non-TCP',
  ]);
  assert.deepEqual(short(listenerView, { verbose: false, type: 'http+tcp' }), [
    'ADDRESSES PORT TYPE',
    '10.0.0.2  80   HTTP+TCP',
  ]);
  assert.equal(short(listenerView, { address: '::1' }).length, 2);
});

test('routes of ports in order; who made them; a few of their domains', () => {
  assert.deepEqual(short(routeView, { name: '80' }), [
    'NAME     VHOST NAME     DOMAINS                          MATCH                   VIRTUAL SERVICE',
    '80       all            a.test                           /*                      web.shop',
    '80       all            a.test                           /short*                 ',
    '80       all            a.test                           /other*                 <unknown>',
    '80       all            a.test                           /number*                <unknown>',
    '80       all            a.test                           regex /a.*<b>           ',
    '80       all            a.test                           PathPrefix:/segment     ',
    '80       all            a.test                                                   ',
    '80       all            a.test                                                   ',
    '80       empty          *                                /*                      404',
    '80       nothing                                         /*                      ',
    '80       service        web, web.default + 1 more...     /*                      404',
    '80       ipv6           [fd00::1:2:3], x                 /*                      404',
  ]);
  assert.deepEqual(short(routeView, { name: '8080', verbose: false }), ['NAME     VIRTUAL HOSTS', '8080     1']);
});

test('clusters by what their names say', () => {
  assert.deepEqual(short(clusterView, { port: 80, direction: 'outbound' }), [
    'SERVICE FQDN     PORT     SUBSET     DIRECTION     TYPE       DESTINATION RULE',
    'b.test           80       -          outbound      STATIC     b.shop',
    'b.test           80       v1         outbound      EDS        b.shop',
  ]);
  const names = short(clusterView).map((line) => line.split('  ')[0]);
  assert.deepEqual(names.slice(-4), ['h', 'outbound_.80_._.b.test', 'x', 'xds-grpc']);
});

test('endpoints by address, with their health, and whole clusters that have one', () => {
  const clusters = JSON.stringify(CLUSTER_STATUSES);
  assert.deepEqual(short(endpointView, { status: 'draining' }, clusters), [
    'ENDPOINT        STATUS       OUTLIER CHECK     CLUSTER',
    '10.0.0.3:81     DRAINING     FAILED            outbound|80||a',
    '10.0.0.3:81     DRAINING     FAILED            outbound|80||b',
  ]);
  const [json] = endpointView(clusters, 'json', { address: '10.0.0.0' });
  const found = JSON.parse(json!) as JsonObject[];
  assert.deepEqual(
    found.map(({ name, hostStatuses }) => [name, (hostStatuses as JsonObject[]).length]),
    [['outbound|80||b', 6]],
  );
});

test('assignments with localities; what is not wanted is left out of them', () => {
  assert.deepEqual(short(edsView, { cluster: 'agent', status: 'unknown' }), [
    'NAME                                     STATUS      LOCALITY     CLUSTER',
    '10.0.0.7:80                              UNKNOWN     r/z          agent',
    '/p                                       UNKNOWN                  agent',
    'envoy://connect_originate/1.2.3.4:80     UNKNOWN                  agent',
  ]);
  const [json] = edsView(WHOLE, 'json', { cluster: 'agent', address: '/p' });
  const [assignment] = JSON.parse(json!) as { endpoints: JsonObject[] }[];
  assert.deepEqual(
    assignment!.endpoints.map((locality) => Object.keys(locality)),
    [['locality'], ['lbEndpoints']],
  );
});

test('versions, extensions, secrets', () => {
  assert.deepEqual(short(bootstrapView), [
    'Istio Version:       1.31.0',
    'Istio Proxy Version: abc',
    'Envoy Version:       1.40.2-dev/RELEASE/BoringSSL',
  ]);
  assert.deepEqual(short(ecdsView), [
    'ECDS NAME     TYPE',
    'z             envoy.extensions.filters.http.buffer.v3.Buffer',
    'a             envoy.extensions.filters.http.rbac.v3.RBAC',
    'b             envoy.extensions.filters.http.rbac.v3.RBAC',
  ]);
  const nonsense = short(secretView).find((line) => line.startsWith('nonsense'));
  assert.match(nonsense!, /^nonsense +ACTIVE +false +$/);
});

test('a section that is printed whole has the layout of jsonpb in JSON, and sorted keys in YAML', () => {
  const dump = JSON.stringify({
    configs: [{ ...SECTIONS.BOOTSTRAP, bootstrap: { node: { id: 'a', metadata: { b: [1], a: '<' } } } }],
  });
  assert.equal(
    [...bootstrapView(dump, 'json', {})].join(''),
    `{
    "bootstrap": {
        "node": {
            "id": "a",
            "metadata": {
                    "a": "\\u003c",
                    "b": [
                                1
                            ]
                }
        }
    },
    "lastUpdated": "2026-01-02T03:04:05.600700Z"
}
`,
  );
  assert.equal(
    [...bootstrapView(dump, 'yaml', {})].join(''),
    'bootstrap:\n  node:\n    id: a\n    metadata:\n      a: <\n      b:\n      - 1\nlastUpdated: "2026-01-02T03:04:05.600700Z"\n\n',
  );
});

test('all tables stand below each other, under headings where they are wanted', () => {
  const text = short(allView, { withHeaders: true });
  const headings = text.filter((line) => line.startsWith('------'));
  assert.deepEqual(
    headings.map((line) => line.split(' ')[1]),
    ['BOOTSTRAP', 'CLUSTER', 'LISTENER', 'ROUTE', 'SECRET', 'ENDPOINTS'],
  );
  assert.ok(text.some((line) => line.startsWith('cluster/xds-grpc ')));
  assert.ok(text.some((line) => line.startsWith('listener/virtualOutbound ')));
  assert.ok(text.some((line) => line.startsWith('endpoint/10.0.0.9:80 ')));
});

test('what is not in a dump is said; of what comes before it, as much as there is is printed', () => {
  const failures: readonly [View, string, RegExp][] = [
    [listenerView, EMPTY, /^no listeners found$/],
    [routeView, EMPTY, /^no routes found$/],
    [clusterView, EMPTY, /^no clusters found$/],
    [listenerView, '{}', /^listener dump: config dump has no configuration type .*ListenersConfigDump$/],
    [secretView, '{}', /^config dump has no configuration type .*SecretsConfigDump$/],
    [listenerView, '{', /^error unmarshalling config dump response from Envoy: /],
    [listenerView, '[]', /^error unmarshalling config dump response from Envoy: it is not an object$/],
    [
      clusterView,
      '{"configs":[{"@type":"type.googleapis.com/envoy.admin.v3.ClustersConfigDump","staticClusters":5}]}',
      /ClustersConfigDump: staticClusters must be a list, and is 5$/,
    ],
  ];
  for (const [view, dump, message] of failures) assert.throws(() => [...view(dump, 'short', {})], { message });
  const printed: string[] = [];
  assert.throws(() => {
    for (const text of allView(EMPTY, 'short', {})) printed.push(text);
  }, /no clusters found/);
  assert.deepEqual(printed, ['Envoy Version: 0.0.0\n', '\n']);
  assert.deepEqual(short(secretView, {}, EMPTY), ['No active or warming secrets found.']);
  assert.deepEqual(short(edsView, {}, '{}'), ['NAME     STATUS     LOCALITY     CLUSTER']);
});
