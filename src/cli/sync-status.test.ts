import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatJsonpb } from './output/json.ts';
import { describeRefusals, readSyncz, summarizeSync, syncMessage, tabulateSync } from './sync-status.ts';

const URL = 'type.googleapis.com/envoy.config.';
const NOW = Date.parse('2026-01-01T00:05:00Z');
const sentTime = '2026-01-01T00:00:00Z';
const SYNCZ = JSON.stringify([
  {
    cluster_id: 'Kubernetes',
    proxy: 'web.shop',
    proxy_type: 'sidecar',
    istio_version: '1.31.0',
    resources: {
      [`${URL}listener.v3.Listener`]: { sent: '2', acked: '1', error: 'no such filter', sentTime },
      [`${URL}cluster.v3.Cluster`]: { sent: '1', acked: '1', sentTime },
      [`${URL}route.v3.RouteConfiguration`]: { sent: '3', sentTime },
      'type.googleapis.com/other.Type': { sent: '3', acked: '3', sentTime },
    },
  },
  { cluster_id: 'Kubernetes', proxy: 'a.shop', proxy_type: 'router', istio_version: '1.30.0', resources: {} },
]);

test('what proxies follow, by name', () => {
  assert.deepEqual(summarizeSync(readSyncz(SYNCZ), 'istiod').split('\n'), [
    'NAME         CLUSTER        ISTIOD     VERSION     SUBSCRIBED TYPES',
    'a.shop       Kubernetes     istiod     1.30.0      0 ()',
    'web.shop     Kubernetes     istiod     1.31.0      4 (CDS,LDS,RDS,type.googleapis.com/other.Type)',
    '',
  ]);
});

test('a connection by which an agent asks for names is no proxy more', () => {
  const nds = { 'type.googleapis.com/istio.networking.nds.v1.NameTable': { sent: '1', acked: '1', sentTime } };
  const agent = (proxy: string) => ({
    cluster_id: 'Kubernetes',
    proxy,
    proxy_type: 'sidecar',
    istio_version: '1.31.0',
    resources: nds,
  });
  const list = readSyncz(JSON.stringify([...JSON.parse(SYNCZ), agent('web.shop'), agent('proxyless.shop')]));
  const names = (table: string) =>
    table
      .split('\n')
      .slice(1, -1)
      .map((line) => line.split(' ')[0]);
  assert.deepEqual(names(summarizeSync(list, 'istiod')), ['a.shop', 'proxyless.shop', 'web.shop']);
  assert.deepEqual(names(tabulateSync(list, 'istiod', NOW)), ['a.shop', 'proxyless.shop', 'web.shop']);
});

test('how each type is with each proxy, and since when', () => {
  const [header, a, web] = tabulateSync(readSyncz(SYNCZ), 'istiod', NOW)
    .split('\n')
    .map((line) => line.trimEnd().split(/ {2,}/));
  assert.deepEqual(
    header,
    'NAME CLUSTER CDS ECDS EDS LDS RDS type.googleapis.com/other.Type ISTIOD VERSION'.split(' '),
  );
  assert.deepEqual(a!.slice(2, 8), Array(6).fill('IGNORED'));
  assert.deepEqual(web!.slice(2, 8), ['SYNCED (5m)', 'IGNORED', 'IGNORED', 'ERROR (5m)', 'STALE (5m)', 'SYNCED (5m)']);
  assert.deepEqual(describeRefusals(readSyncz(SYNCZ)), ['web.shop refuses what it was sent of LDS: no such filter']);
});

test('the same for programs, as a response with a ClientConfig each', () => {
  const message = JSON.parse(formatJsonpb(syncMessage(readSyncz(SYNCZ), 'istiod', '1.31.0')));
  assert.deepEqual(message.resources[1].genericXdsConfigs[1], {
    typeUrl: `${URL}listener.v3.Listener`,
    lastUpdated: sentTime,
    configStatus: 'ERROR',
    errorState: { details: 'no such filter' },
  });
  assert.equal(message.resources[1].node.metadata.NAMESPACE, 'shop');
});

test('what is no list of proxies is refused', () => {
  assert.throws(() => readSyncz('{}'), /something else than a list of proxies/);
  assert.throws(() => readSyncz('<html>'), /something else than a list of proxies/);
});
