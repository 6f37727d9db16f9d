import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import {
  ClustersConfigDumpSchema,
  ListenersConfigDumpSchema,
  RoutesConfigDumpSchema,
} from '../../api/gen/envoy/admin/v3/config_dump_shared_pb.ts';
import { configDumpSections } from './config-dump.ts';

test('sections of a config dump have what a client has, but for secrets', () => {
  const asked: string[] = [];
  const sections = configDumpSections('7', (typeUrl) => {
    asked.push(typeUrl.slice(typeUrl.lastIndexOf('.') + 1));
    return [{ name: `a ${asked.at(-1)}`, version: '', bytes: Buffer.from(`bytes of ${asked.at(-1)}`) }];
  });
  assert.deepEqual(
    sections.map(({ payloadType }) => payloadType),
    ['Clusters', 'Listeners', 'Routes'].map((what) => `type.googleapis.com/envoy.admin.v3.${what}ConfigDump`),
  );
  const [clusters, listeners, routes] = sections.map(({ bytes }) => bytes) as [Uint8Array, Uint8Array, Uint8Array];
  const packed = (any: { typeUrl: string; value: Uint8Array } | undefined) =>
    any && [any.typeUrl.replace(/^.*\./, ''), Buffer.from(any.value).toString()];
  const [cluster] = fromBinary(ClustersConfigDumpSchema, clusters).dynamicActiveClusters;
  assert.deepEqual([cluster?.versionInfo, packed(cluster?.cluster)], ['7', ['Cluster', 'bytes of Cluster']]);
  const [listener] = fromBinary(ListenersConfigDumpSchema, listeners).dynamicListeners;
  assert.equal(listener?.name, 'a Listener');
  assert.deepEqual(packed(listener?.activeState?.listener), ['Listener', 'bytes of Listener']);
  const [route] = fromBinary(RoutesConfigDumpSchema, routes).dynamicRouteConfigs;
  assert.deepEqual(packed(route?.routeConfig), ['RouteConfiguration', 'bytes of RouteConfiguration']);
  assert.ok(!asked.includes('Secret'));
});
