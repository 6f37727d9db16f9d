import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { ConfigSchema } from '../../../api/gen/io/istio/peer_metadata/config_pb.ts';
import { Headers } from '../../../wire/headers.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Metadata } from '../../cluster/host.ts';
import { ConfigErrors } from '../../config/errors.ts';
import type { FilterBuildContext } from '../../http/filter.ts';
import { encodeStruct, type Workload } from '../../observe/workload.ts';
import { peerMetadata } from './definition.ts';

const NODE = { id: 'node-1', metadata: { NAME: 'own', LABELS: { app: 'mine', role: 'db' } } };
const HEADERS = [{ istioHeaders: {} }];

const base64 = (struct: Readonly<Record<string, unknown>>) => Buffer.from(encodeStruct(struct)).toString('base64');
const OWN = base64({ NAME: 'own', LABELS: { app: 'mine' } });

function start(config: JsonObject, options: { cluster?: string; metadata?: Metadata } = {}) {
  const context = { worker: { node: NODE } } as unknown as FilterBuildContext;
  const factory = peerMetadata.compile(fromJson(ConfigSchema, config), context, new ConfigErrors());
  const cluster = { metadata: options.metadata ?? new Map() } as Cluster;
  const callbacks = new StubCallbacks({ clusters: { get: () => cluster } });
  callbacks.info.upstreamCluster = options.cluster ?? 'outbound|80||web';
  return { callbacks, filter: factory.create(callbacks)! };
}

const peer = (callbacks: StubCallbacks, name: string) => callbacks.info.getFilterState(name) as Workload | undefined;

test('beside a server: the client is found out, and told who answers if it has told', () => {
  const { callbacks, filter } = start({ downstreamDiscovery: HEADERS, downstreamPropagation: HEADERS });
  const told = base64({ NAME: 'sleep-0', LABELS: { app: 'sleep' } });
  const request = Headers.request(
    'GET',
    '/',
    'a',
    'x-envoy-peer-metadata',
    told,
    'x-envoy-peer-metadata-id',
    'n',
    'b',
    'c',
  );
  filter.requestHeaders!(request, true);
  assert.deepEqual([...request].slice(3), [['b', 'c']]);
  assert.deepEqual([peer(callbacks, 'downstream_peer')?.app, peer(callbacks, 'upstream_peer')], ['sleep', undefined]);
  const response = Headers.response(200);
  filter.responseHeaders!(response, true);
  assert.deepEqual([response.get('x-envoy-peer-metadata-id'), response.get('x-envoy-peer-metadata')], ['node-1', OWN]);
});

test('whoever tells nothing hears nothing', () => {
  const { callbacks, filter } = start({ downstreamDiscovery: HEADERS, downstreamPropagation: HEADERS });
  filter.requestHeaders!(Headers.request('GET', '/', 'a'), true);
  const response = Headers.response(200);
  filter.responseHeaders!(response, true);
  assert.equal(response.size, 0);
  assert.equal(peer(callbacks, 'downstream_peer'), undefined);
});

test('beside a client: the server is told, and found out by its answer', () => {
  const { callbacks, filter } = start({ upstreamDiscovery: HEADERS, upstreamPropagation: HEADERS });
  const request = Headers.request('GET', '/', 'a', 'x-envoy-peer-metadata', 'of the program');
  filter.requestHeaders!(request, true);
  assert.deepEqual([request.get('x-envoy-peer-metadata-id'), request.get('x-envoy-peer-metadata')], ['node-1', OWN]);
  const response = Headers.response(200, 'x-envoy-peer-metadata', base64({ LABELS: { app: 'web' } }));
  filter.responseHeaders!(response, true);
  assert.equal(response.size, 0);
  assert.equal(peer(callbacks, 'upstream_peer')?.app, 'web');
});

test('what cannot be read is nobody, and goes no further', () => {
  const { callbacks, filter } = start({ downstreamDiscovery: HEADERS });
  const request = Headers.request('GET', '/', 'a', 'x-envoy-peer-metadata', 'AP//', 'x-envoy-peer-metadata-id', 'n');
  filter.requestHeaders!(request, true);
  assert.deepEqual([request.size, peer(callbacks, 'downstream_peer')], [0, undefined]);
});

test('one peer cannot take the id of another', () => {
  const config = { downstreamDiscovery: HEADERS };
  const context = { worker: { node: NODE } } as unknown as FilterBuildContext;
  const factory = peerMetadata.compile(fromJson(ConfigSchema, config), context, new ConfigErrors());
  const apps = ['first', 'second', 'first'].map((app) => {
    const callbacks = new StubCallbacks();
    const text = base64({ LABELS: { app } });
    const request = Headers.request('GET', '/', 'a', 'x-envoy-peer-metadata-id', 'same', 'x-envoy-peer-metadata', text);
    factory.create(callbacks)!.requestHeaders!(request, true);
    return peer(callbacks, 'downstream_peer');
  });
  assert.deepEqual(
    apps.map((found) => found?.app),
    ['first', 'second', 'first'],
  );
  assert.equal(apps[0], apps[2]);
});

test('nothing is told to services outside of the mesh, if so configured', () => {
  const tells = (config: JsonObject, options: Parameters<typeof start>[1]) => {
    const request = Headers.request('GET', '/', 'a');
    start({ upstreamPropagation: [{ istioHeaders: config }] }, options).filter.requestHeaders!(request, true);
    return request.has('x-envoy-peer-metadata');
  };
  const external = { metadata: new Map([['istio', { external: true }]]) };
  const disabled = { metadata: new Map([['istio', { disable_mx: true }]]) };
  const skip = { skipExternalClusters: true };
  assert.deepEqual([tells({}, external), tells(skip, external)], [true, false]);
  assert.deepEqual([tells({}, disabled), tells(skip, disabled)], [false, false]);
  const passthrough = { cluster: 'PassthroughCluster' };
  assert.deepEqual([tells({}, passthrough), tells(skip, passthrough), tells(skip, {})], [true, false, true]);
});

test('labels that are asked for are told and kept', () => {
  const { callbacks, filter } = start({
    upstreamDiscovery: HEADERS,
    upstreamPropagation: HEADERS,
    additionalLabels: ['role'],
  });
  const request = Headers.request('GET', '/', 'a');
  filter.requestHeaders!(request, true);
  assert.equal(request.get('x-envoy-peer-metadata'), base64({ NAME: 'own', LABELS: { app: 'mine', role: 'db' } }));
  const text = base64({ LABELS: { role: 'cache', other: 'x' } });
  filter.responseHeaders!(Headers.response(200, 'x-envoy-peer-metadata', text), true);
  assert.deepEqual(peer(callbacks, 'upstream_peer')?.labels, { role: 'cache' });
});

test('the first way that finds somebody counts', () => {
  const methods: JsonObject[] = [{ baggage: {} }, { workloadDiscovery: {} }, ...HEADERS];
  const { callbacks, filter } = start({ downstreamDiscovery: methods });
  const text = base64({ LABELS: { app: 'header' } });
  const request = Headers.request('GET', '/', 'a', 'baggage', 'app.name=bag', 'x-envoy-peer-metadata', text);
  filter.requestHeaders!(request, true);
  assert.equal(peer(callbacks, 'downstream_peer')?.app, 'bag');
  // Baggage is the programs' own and stays.
  assert.deepEqual([...request].slice(3), [['baggage', 'app.name=bag']]);
});
