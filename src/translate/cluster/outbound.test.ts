import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { translationFor } from '../../../test/interop/translation/isthmus.ts';
import { type Cluster, ClusterSchema } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { ClusterLoadAssignmentSchema } from '../../api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import { HttpProtocolOptionsSchema } from '../../api/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts';
import { TypeUrl } from '../cell.ts';

const SERVICE = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: default}
spec:
  hosts: [a.example.com]
  resolution: STATIC
  ports: [{name: http, number: 80, protocol: HTTP}, {name: http2, number: 81, protocol: HTTP2}]
  endpoints:
  - {address: 10.0.0.1, locality: us/a, labels: {version: v1}}
  - {address: 10.0.0.2, locality: us/b, labels: {version: v2}}
  - {address: 10.0.0.3, locality: eu/a, labels: {version: v1}}
  - {address: 10.0.0.4, locality: ap/a, labels: {version: v2}}
`;

const rule = (spec: string) => `${SERVICE}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a, namespace: default}
spec: {host: a.example.com, ${spec}}
`;

function translate(config: string, mesh: JsonObject = {}) {
  const node = fromJson(NodeSchema, {
    id: 'sidecar~10.1.0.1~app.default~default.svc.cluster.local',
    metadata: { NAMESPACE: 'default', LABELS: { version: 'v1' } },
    locality: { region: 'us', zone: 'a' },
  });
  const translation = translationFor({ config: { 'mesh.yaml': config }, mesh }, node);
  return {
    cluster: (name: string) => fromBinary(ClusterSchema, translation.get(TypeUrl.Cluster, name)!.bytes),
    /** Priority of each place's endpoints. */
    priorities: (name: string) => {
      const { endpoints } = fromBinary(ClusterLoadAssignmentSchema, translation.get(TypeUrl.Endpoint, name)!.bytes);
      return Object.fromEntries(endpoints.map((e) => [`${e.locality?.region}/${e.locality?.zone}`, e.priority]));
    },
  };
}

/** Protocol of a cluster's connections, and the interval of its pings of HTTP/2 in seconds. */
function upstreamHttp(cluster: Cluster): readonly [string | undefined, number | undefined] {
  const any = cluster.typedExtensionProtocolOptions['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'];
  const options = any && anyUnpack(any, HttpProtocolOptionsSchema)?.upstreamProtocolOptions;
  if (options?.case !== 'explicitHttpConfig') return [options?.case, undefined];
  const { protocolConfig } = options.value;
  const http2 = protocolConfig.case === 'http2ProtocolOptions' ? protocolConfig.value : undefined;
  return [
    protocolConfig.case,
    http2?.connectionKeepalive?.interval && Number(http2.connectionKeepalive.interval.seconds),
  ];
}

test('http2KeepAlive holds where HTTP/2 is spoken whatever the client speaks', () => {
  const keepAlive = 'http2KeepAlive: {interval: 30s, timeout: 5s}';
  const of = (http: string, port: number) => {
    const config = rule(`trafficPolicy: {connectionPool: {http: {${http}}}}`);
    return upstreamHttp(translate(config).cluster(`outbound|${port}||a.example.com`));
  };
  assert.deepEqual(of(keepAlive, 81), ['http2ProtocolOptions', 30]);
  assert.deepEqual(of(keepAlive, 80), ['httpProtocolOptions', undefined]);
  assert.deepEqual(of(`${keepAlive}, h2UpgradePolicy: UPGRADE`, 80), ['http2ProtocolOptions', 30]);
  assert.deepEqual(of(`${keepAlive}, useClientProtocol: true`, 81), ['useDownstreamProtocolConfig', undefined]);
});

test('zoneAwareLbSetting ranks regions, and leaves zones to the proxy', () => {
  const name = 'outbound|80||a.example.com';
  const at = (setting: string, mesh: JsonObject = {}) => {
    const { cluster, priorities } = translate(rule(`trafficPolicy: {loadBalancer: {${setting}}}`), mesh);
    const { case: kind, value } = cluster(name).commonLbConfig!.localityConfigSpecifier;
    const zoneAware = kind === 'zoneAwareLbConfig' ? value : undefined;
    return { kind, size: zoneAware?.minClusterSize, enabled: zoneAware?.routingEnabled?.value, ...priorities(name) };
  };
  const on = { kind: 'zoneAwareLbConfig', size: undefined, enabled: undefined };
  const ranked = { 'us/a': 0, 'us/b': 0, 'eu/a': 1, 'ap/a': 1 };
  assert.deepEqual(at('zoneAwareLbSetting: {minClusterSize: 3}'), { ...on, size: 3n, ...ranked });
  assert.deepEqual(at('zoneAwareLbSetting: {failover: [{from: us, to: eu}]}'), { ...on, ...ranked, 'ap/a': 2 });
  assert.deepEqual(at('zoneAwareLbSetting: {failoverPriority: [version]}'), {
    ...on,
    'us/a': 0,
    'eu/a': 1,
    'us/b': 2,
    'ap/a': 3,
  });
  assert.deepEqual(at('zoneAwareLbSetting: {enabled: false, failover: [{from: us, to: eu}]}'), {
    ...on,
    enabled: 0,
    'us/a': 0,
    'us/b': 0,
    'eu/a': 0,
    'ap/a': 0,
  });
  const mesh = { zoneAwareLbSetting: { minClusterSize: 4 } };
  assert.deepEqual(at('simple: RANDOM', mesh), { ...on, size: 4n, ...ranked });
  assert.equal(at('localityLbSetting: {}', mesh).kind, undefined);
});

test('defaultTrafficPolicy of the mesh stands in for the parts that a rule leaves out', () => {
  const mesh = {
    defaultTrafficPolicy: {
      connectionPool: { tcp: { maxConnections: 7 }, http: { http1MaxPendingRequests: 8 } },
      outlierDetection: { consecutive5xxErrors: 9 },
    },
  };
  const UNLIMITED = 2 ** 32 - 1;
  const limits = (config: string, subset = '') => {
    const { circuitBreakers, outlierDetection } = translate(config, mesh).cluster(
      `outbound|80|${subset}|a.example.com`,
    );
    const { maxConnections, maxPendingRequests } = circuitBreakers!.thresholds[0]!;
    return [maxConnections, maxPendingRequests, outlierDetection?.consecutive5xx];
  };
  assert.deepEqual(limits(SERVICE), [7, 8, 9]);
  const own = 'connectionPool: {tcp: {maxConnections: 2}}';
  assert.deepEqual(limits(rule(`trafficPolicy: {${own}}`)), [2, UNLIMITED, 9]);
  assert.deepEqual(limits(rule(`subsets: [{name: s, trafficPolicy: {${own}}}]`), 's'), [2, UNLIMITED, 9]);
  const forPort = 'portLevelSettings: [{port: {number: 80}, outlierDetection: {consecutive5xxErrors: 1}}]';
  assert.deepEqual(limits(rule(`trafficPolicy: {${own}, ${forPort}}`)), [7, 8, 1]);
  assert.deepEqual(limits(rule(`subsets: [{name: s, trafficPolicy: {${forPort}}}]`), 's'), [UNLIMITED, UNLIMITED, 1]);
  const passthrough = translate(SERVICE, mesh).cluster('PassthroughCluster');
  assert.equal(passthrough.circuitBreakers!.thresholds[0]!.maxConnections, 7);
});
