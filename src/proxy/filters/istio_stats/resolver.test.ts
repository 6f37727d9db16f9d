import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stubConnection } from '../../../../test/support/filter-callbacks.ts';
import { Headers } from '../../../wire/headers.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Host, Metadata } from '../../cluster/host.ts';
import type { TlsInfo } from '../../net/connection.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import { baggageWorkload, type Workload } from '../../observe/workload.ts';
import { type Peers, peerLabels, type Reporter, securityPolicy } from './peers.ts';
import { PeerResolver } from './resolver.ts';

const OWN = baggageWorkload('k8s.deployment.name=own,k8s.namespace.name=here,service.name=own-svc,k8s.cluster.name=c');
const PEER = baggageWorkload('k8s.deployment.name=other,k8s.namespace.name=there,service.name=other-svc,app.name=app');
const ID = 'spiffe://td/ns/proven/sa/x';

const tls = (peer: string, own: string): TlsInfo =>
  ({ peer: { uriSans: peer === '' ? [] : [peer] }, localUriSans: own === '' ? [] : [own] }) as unknown as TlsInfo;

interface Given {
  readonly downstreamTls?: TlsInfo;
  readonly upstreamTls?: TlsInfo;
  readonly state?: Readonly<Record<string, unknown>>;
  readonly host?: string;
  readonly routeName?: string;
  readonly cluster?: string;
  readonly clusterMetadata?: Metadata;
  /** What the control plane says of the endpoint. */
  readonly endpoint?: string;
}

function infoOf(given: Given): StreamInfo {
  const info = new StreamInfo(stubConnection({ tls: given.downstreamTls }), 0, 0);
  for (const [name, value] of Object.entries(given.state ?? {})) info.setFilterState(name, value);
  info.requestHeaders = Headers.request('GET', '/', given.host ?? '');
  info.routeName = given.routeName ?? '';
  info.upstreamCluster = given.cluster ?? '';
  info.clusterMetadata = given.clusterMetadata;
  if (given.endpoint !== undefined) {
    const metadata = new Map([['istio', { workload: given.endpoint }]]);
    info.upstreamHost = { description: { metadata } } as unknown as Host;
  }
  const { local, remote } = info.connection;
  if (given.upstreamTls) info.upstreamConnection = { id: 1, local, remote, tls: given.upstreamTls, protocol: '' };
  return info;
}

const NO_CLUSTERS = { get: () => undefined };

function resolve(reporter: Reporter, given: Given, fallback = true) {
  const peers: Peers[] = [];
  const resolver = new PeerResolver(reporter, OWN, fallback, (made) => peers.push(made));
  resolver.resolve(infoOf(given), NO_CLUSTERS);
  const [made] = peers;
  return { ...Object.fromEntries(peerLabels(made)), connection_security_policy: securityPolicy(made) };
}

/** Only the labels that are named. */
function labels(reporter: Reporter, given: Given, names: readonly string[], fallback = true): unknown[] {
  const all: Record<string, string> = resolve(reporter, given, fallback);
  return names.map((name) => all[name]);
}

test('the peer: what it said, or else what is known of the endpoint', () => {
  const names = [
    'destination_workload',
    'destination_workload_namespace',
    'destination_canonical_service',
    'destination_app',
  ];
  const endpoint = 'w;ns;svc;r;c';
  const said = { upstream_peer: PEER };
  assert.deepEqual(labels('source', { state: said, endpoint }, names), ['other', 'there', 'other-svc', 'app']);
  assert.deepEqual(labels('source', { endpoint }, names), ['w', 'ns', 'svc', 'unknown']);
  assert.deepEqual(labels('source', {}, names), ['unknown', 'unknown', 'unknown', 'unknown']);
});

test('a namespace that is proven counts more than one that is said', () => {
  const names = [
    'destination_workload_namespace',
    'destination_principal',
    'source_principal',
    'connection_security_policy',
  ];
  const state = { upstream_peer: PEER };
  const own = 'spiffe://td/ns/here/sa/own';
  assert.deepEqual(labels('source', { state, upstreamTls: tls(ID, own) }, names), ['proven', ID, own, 'unknown']);
  assert.deepEqual(labels('source', { state }, names), ['there', 'unknown', 'unknown', 'unknown']);
  const inside = [
    'source_workload_namespace',
    'source_principal',
    'destination_principal',
    'connection_security_policy',
  ];
  const downstream = { downstream_peer: PEER };
  assert.deepEqual(labels('destination', { state: downstream, downstreamTls: tls(ID, own) }, inside), [
    'proven',
    ID,
    own,
    'mutual_tls',
  ]);
  assert.deepEqual(labels('destination', { state: downstream, downstreamTls: tls('', own) }, inside), [
    'there',
    'unknown',
    own,
    'none',
  ]);
});

test('the service: of the cluster, of a route for nobody, or of the host header', () => {
  const names = ['destination_service', 'destination_service_name', 'destination_service_namespace'];
  const service = { host: 'web.shop.svc.cluster.local', name: 'web', namespace: 'shop' };
  const clusterMetadata = new Map([['istio', { services: [service, { host: 'other' }] }]]);
  const given = { host: 'asked:80', cluster: 'outbound|80||web', clusterMetadata };
  assert.deepEqual(labels('source', given, names), ['web.shop.svc.cluster.local', 'web', 'shop']);
  const unnamed = new Map([['istio', { services: [{ host: 'web.shop' }] }]]);
  assert.deepEqual(labels('source', { ...given, clusterMetadata: unnamed }, names), ['web.shop', 'web', 'unknown']);
  assert.deepEqual(labels('source', { host: 'asked:80' }, names), ['asked:80', 'asked:80', 'unknown']);
  assert.deepEqual(labels('source', { host: 'asked:80' }, names, false), ['unknown', 'unknown', 'unknown']);
  const routed = { ...given, routeName: 'allow_any' };
  assert.deepEqual(labels('source', routed, names), ['asked:80', 'PassthroughCluster', 'unknown']);
  const passed = { host: 'asked', cluster: 'InboundPassthroughCluster' };
  assert.deepEqual(labels('destination', passed, names, false), ['own-svc', 'InboundPassthroughCluster', 'here']);
  assert.deepEqual(labels('destination', {}, names, false), ['own-svc', 'own-svc', 'here']);
});

test('a request that was refused before it came to its cluster is one of the cluster all the same', () => {
  const clusterMetadata: Metadata = new Map([['istio', { services: [{ host: 'web.shop', name: 'web' }] }]]);
  const made: Peers[] = [];
  const resolver = new PeerResolver('destination', OWN, false, (peers) => made.push(peers));
  resolver.resolve(infoOf({ cluster: 'inbound|80||' }), { get: () => ({ metadata: clusterMetadata }) as Cluster });
  assert.equal(made[0].service.host, 'web.shop');
});

test('behind a waypoint neither end is this proxy', () => {
  const endpoint: Workload = { ...PEER, name: 'server', identity: ID };
  const all: Record<string, string> = resolve('waypoint', {
    state: { downstream_peer: PEER, upstream_peer: endpoint },
  });
  const { reporter, source_workload, destination_workload, destination_principal, destination_canonical_revision } =
    all;
  assert.deepEqual(
    [reporter, source_workload, destination_workload, destination_principal, destination_canonical_revision],
    ['waypoint', 'other', 'server', ID, 'unknown'],
  );
});

test('what was made for peers is found again, and made anew for others', () => {
  let count = 0;
  const resolver = new PeerResolver('source', OWN, true, () => ++count);
  const clusterMetadata = new Map([['istio', { services: [{ host: 'web.shop', name: 'web' }] }]]);
  const given = { state: { upstream_peer: PEER }, clusterMetadata, upstreamTls: tls(ID, '') };
  const at = (more: Given) => resolver.resolve(infoOf({ ...given, ...more }), NO_CLUSTERS);
  assert.deepEqual([at({}), at({}), at({ host: 'ignored' })], [1, 1, 1]);
  assert.deepEqual([at({ upstreamTls: tls('other', '') }), at({ state: {} })], [2, 3]);
  const hosts = (host: string) => at({ clusterMetadata: undefined, host });
  assert.deepEqual([hosts('a'), hosts('b'), hosts('a')], [4, 5, 4]);
  for (let i = 0; i < 20_000; i++) hosts(String(i));
  assert.ok(count <= 20_007);
});
