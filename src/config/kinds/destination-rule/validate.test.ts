import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a DestinationRule with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{host: "*.a.com"}'],
  ['{}', 'host'],
  ['{host: 10.0.0.1}', 'host'],
  [
    '{host: a, subsets: [{name: v1, labels: {version: v1}}, {name: v1}, {name: ""}, {name: a.b}]}',
    'subsets[1].name',
    'subsets[2].name',
    'subsets[3].name',
  ],
  ['{host: a, trafficPolicy: {}}', 'trafficPolicy'],
  ['{host: a, subsets: [{name: x, trafficPolicy: {}}]}', 'subsets[0].trafficPolicy'],
  ['{host: a, trafficPolicy: {retryBudget: {percent: 20}}}'],
  [
    '{host: a, trafficPolicy: {portLevelSettings: [{tls: {}}, {port: {number: 80}}]}}',
    'trafficPolicy.portLevelSettings[0].port',
    'trafficPolicy.portLevelSettings[1]',
  ],
  ['{host: a, trafficPolicy: {connectionPool: {}}}', 'trafficPolicy.connectionPool'],
  [
    '{host: a, trafficPolicy: {connectionPool: {http: {maxRetries: -1, idleTimeout: 0s, h2UpgradePolicy: UPGRADE, useClientProtocol: true}}}}',
    'trafficPolicy.connectionPool.http.maxRetries',
    'trafficPolicy.connectionPool.http.idleTimeout',
    'trafficPolicy.connectionPool.http.useClientProtocol',
  ],
  [
    '{host: a, trafficPolicy: {connectionPool: {http: {http2KeepAlive: {interval: 0s}}}}}',
    'trafficPolicy.connectionPool.http.http2KeepAlive.interval',
    'trafficPolicy.connectionPool.http.http2KeepAlive.timeout',
  ],
  [
    '{host: a, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 1us, idleTimeout: 0s, tcpKeepalive: {time: 0s}}}}}',
    'trafficPolicy.connectionPool.tcp.connectTimeout',
    'trafficPolicy.connectionPool.tcp.tcpKeepalive.time',
  ],
  [
    '{host: a, trafficPolicy: {outlierDetection: {maxEjectionPercent: 101, interval: 0s}}}',
    'trafficPolicy.outlierDetection.maxEjectionPercent',
    'trafficPolicy.outlierDetection.interval',
  ],
  [
    '{host: a, trafficPolicy: {outlierDetection: {consecutiveLocalOriginFailures: 1}}}',
    'trafficPolicy.outlierDetection.consecutiveLocalOriginFailures',
  ],
  [
    '{host: a, trafficPolicy: {outlierDetection: {consecutiveErrors: 1}}}',
    '~trafficPolicy.outlierDetection.consecutiveErrors',
  ],
  [
    '{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: "", attributes: [{}, {name: x}, {name: x}]}, maglev: {tableSize: 4}}}}}',
    'trafficPolicy.loadBalancer.consistentHash.httpCookie.name',
    'trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes[0].name',
    'trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes[2].name',
    'trafficPolicy.loadBalancer.consistentHash.maglev.tableSize',
  ],
  ['{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x, maglev: {tableSize: 65537}}}}}'],
  [
    '{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}}',
    'trafficPolicy.loadBalancer',
  ],
  [
    '{host: a, trafficPolicy: {loadBalancer: {warmup: {minimumPercent: 101, aggression: 0}}}}',
    'trafficPolicy.loadBalancer.warmup.duration',
    'trafficPolicy.loadBalancer.warmup.minimumPercent',
    'trafficPolicy.loadBalancer.warmup.aggression',
  ],
  [
    '{host: a, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: r/*, to: {r/z1: 50, r/z2: 40}}]}}}}',
    'trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to',
  ],
  [
    '{host: a, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: r, to: {r: 100}}, {from: r/z, to: {r/*: 50, r/z: 50}}]}}}}',
    'trafficPolicy.loadBalancer.localityLbSetting.distribute',
    'trafficPolicy.loadBalancer.localityLbSetting.distribute[1].to',
  ],
  [
    '{host: a, trafficPolicy: {loadBalancer: {localityLbSetting: {failover: [{from: r, to: r}, {from: r/z, to: s}]}}, outlierDetection: {}}}',
    'trafficPolicy.loadBalancer.localityLbSetting.failover[0]',
    'trafficPolicy.loadBalancer.localityLbSetting.failover[1]',
  ],
  [
    '{host: a, trafficPolicy: {loadBalancer: {localityLbSetting: {failover: [{from: r, to: s}]}}}}',
    '~trafficPolicy.loadBalancer.localityLbSetting',
  ],
  [
    '{host: a, trafficPolicy: {loadBalancer: {zoneAwareLbSetting: {failover: [{from: r, to: r}, {from: r/z, to: s}, {from: "*", to: s}], failoverPriority: [topology.kubernetes.io/region]}}, outlierDetection: {}}}',
    'trafficPolicy.loadBalancer.zoneAwareLbSetting.failover[0]',
    'trafficPolicy.loadBalancer.zoneAwareLbSetting.failover[1]',
    'trafficPolicy.loadBalancer.zoneAwareLbSetting.failover[2]',
    'trafficPolicy.loadBalancer.zoneAwareLbSetting.failoverPriority',
  ],
  [
    '{host: a, trafficPolicy: {loadBalancer: {zoneAwareLbSetting: {failoverPriority: [version]}}}}',
    '~trafficPolicy.loadBalancer.zoneAwareLbSetting',
  ],
  [
    '{host: a, trafficPolicy: {loadBalancer: {zoneAwareLbSetting: {enabled: false, failoverPriority: [version]}}}}',
    '~trafficPolicy.loadBalancer.zoneAwareLbSetting.failoverPriority',
  ],
  ['{host: a, trafficPolicy: {retryBudget: {budgetInterval: 5s}}}', '~trafficPolicy.retryBudget.budgetInterval'],
  [
    '{host: a, trafficPolicy: {tls: {mode: MUTUAL}}}',
    'trafficPolicy.tls.clientCertificate',
    'trafficPolicy.tls.privateKey',
  ],
  ['{host: a, trafficPolicy: {tls: {mode: MUTUAL, credentialName: c}}}'],
  [
    '{host: a, trafficPolicy: {tls: {mode: SIMPLE, credentialName: c, caCertificates: x}}}',
    'trafficPolicy.tls.caCertificates',
  ],
  [
    '{host: a, trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [x]}}}',
    'trafficPolicy.tls.insecureSkipVerify',
  ],
  [
    '{host: a, trafficPolicy: {tunnel: {targetHost: "a b", targetPort: 0, protocol: GET}}}',
    'trafficPolicy.tunnel.targetHost',
    'trafficPolicy.tunnel.targetPort',
    'trafficPolicy.tunnel.protocol',
  ],
  ['{host: a, exportTo: ["*", x]}', 'exportTo'],
  ['{host: a, exportTo: [x, x, "a b"]}', 'exportTo[1]', 'exportTo[2]'],
  ['{host: a, workloadSelector: {matchLabels: {x: z}}, exportTo: ["*"]}', 'exportTo'],
  ['{host: a, workloadSelector: {matchLabels: {x: z}}, exportTo: ["."]}'],
  ['{host: a, workloadSelector: {matchLabels: {"x*": z}}}', 'workloadSelector.matchLabels["x*"]'],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
