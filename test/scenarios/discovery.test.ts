import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { AdsClient } from '../../src/xds/client/ads-client.ts';
import type { SubscriptionSink } from '../../src/xds/client/config-source.ts';
import { Resource } from '../../src/xds/session/resource-types.ts';
import { encodedNode, startIsthmus } from '../support/mesh.ts';
import { clusterOf, service } from '../support/mesh-yaml.ts';
import { scratch, until } from '../support/reference.ts';
import { SocketTransport } from '../support/socket-transport.ts';

/** A proxy that follows clusters and endpoints, and takes or refuses what it gets. */
function connect(t: TestContext, address: string, name = 'gateway') {
  const clusters = new Set<string>();
  const refuse: { because?: string; silent?: boolean } = {};
  const sink: SubscriptionSink = {
    onUpdate(resources, removed, settle) {
      if (refuse.silent) return;
      const { because } = refuse;
      if (because === undefined) {
        for (const resource of resources) clusters.add(resource.name);
        for (const gone of removed) clusters.delete(gone);
      }
      settle(because === undefined ? [] : resources.map((r) => ({ name: r.name, reason: because })));
    },
    onMissing() {},
  };
  const client = new AdsClient({
    transport: new SocketTransport(address),
    clock: systemClock,
    node: encodedNode('router', name, 'istio-system'),
    delta: true,
  });
  t.after(() => client.close());
  client.subscribe(Resource.Cluster, undefined, sink);
  return { clusters, refuse, client };
}

test('a change is waited for until every affected proxy has it, and laggards are named with the line', async (t) => {
  const server = await startIsthmus(t, { 'a.yaml': service('a', 9001) });
  const { controlPlane } = server.running;
  const [one, two] = [connect(t, server.grpc, 'one'), connect(t, server.grpc, 'two')];
  await until(
    'both have the first cluster',
    () => one.clusters.has(clusterOf('a')) && two.clusters.has(clusterOf('a')),
  );

  const next = (name: string, text: string) => {
    const { number } = controlPlane.source.snapshot;
    server.write(name, text);
    return until('the snapshot is made', () => (controlPlane.source.snapshot.number > number ? number + 1 : undefined));
  };
  const good = await next('b.yaml', service('b', 9001));
  const report = await controlPlane.convergence.waitFor(good, 10_000);
  assert.deepEqual(
    [report.converged, [...report.affected].sort(), report.laggards],
    [true, ['one.istio-system', 'two.istio-system'], []],
  );
  assert.ok(one.clusters.has(clusterOf('b')) && two.clusters.has(clusterOf('b')));

  two.refuse.because = 'the test says so';
  const bad = await next('c.yaml', service('c', 9001));
  const refused = await controlPlane.convergence.waitFor(bad, 10_000);
  assert.equal(refused.converged, false);
  assert.deepEqual(refused.synced, ['one.istio-system']);
  const [laggard] = refused.laggards;
  assert.equal(laggard.proxy, 'two.istio-system');
  const file = path.join(server.configDir, 'c.yaml');
  assert.ok(
    laggard.reason.startsWith(`two.istio-system rejected CDS ${clusterOf('c')} (from ${file}:`),
    laggard.reason,
  );
  assert.match(laggard.reason, /Error adding\/updating cluster\(s\) .*: the test says so$/);

  two.refuse.because = undefined;
  one.refuse.silent = true;
  const slow = await next('d.yaml', service('d', 9001));
  const late = await controlPlane.convergence.waitFor(slow, 100);
  assert.deepEqual(late.synced, ['two.istio-system']);
  assert.match(late.laggards[0].reason, /^it has not answered CDS of snapshot \d+ for \d+\.\d s$/);
});

test('what is not valid is told with file, line and column, and the last good version stays', async (t) => {
  const lines: string[] = [];
  const server = await startIsthmus(t, { 'a.yaml': service('a', 9001) }, { lines });
  const { clusters } = connect(t, server.grpc);
  await until('the cluster comes', () => clusters.has(clusterOf('a')));
  server.write('a.yaml', service('a', 9001).replace('resolution: STATIC', 'resolution: SOMEHOW'));
  server.write('b.yaml', service('b', 9001));
  await until('the good change comes', () => clusters.has(clusterOf('b')));
  const line = await until('the refusal is told', () => lines.find((text) => text.includes('resolution')));
  assert.match(
    line,
    new RegExp(`${path.join(server.configDir, 'a.yaml')}:9:\\d+: ServiceEntry/default/a: spec.resolution`),
  );
  assert.ok(clusters.has(clusterOf('a')));
  assert.match(lines.join(''), /ServiceEntry\/default\/a is not in force; its last good version stays/);
});

function get(address: string, page: string, headers: http.OutgoingHttpHeaders = {}, method = 'GET') {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const request = http.request(`http://${address}${page}`, { headers, method }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on('error', reject);
    request.end();
  });
}

test('debug endpoints, metrics and readiness', async (t) => {
  const addresses = {
    grpcAddr: '127.0.0.1:0',
    secureGRPCAddr: '',
    httpAddr: '127.0.0.1:0',
    monitoringAddr: '127.0.0.1:0',
  };
  const server = await startIsthmus(t, { 'a.yaml': service('a', 9001) }, { addresses });
  const { http: address = '', monitoring = '' } = server.running.addresses;
  const { clusters } = connect(t, server.grpc);
  await until('the cluster comes', () => clusters.has(clusterOf('a')));
  const page = async (name: string) => {
    const { status, body } = await get(address, `/debug/${name}`);
    assert.equal(status, 200, name);
    return JSON.parse(body);
  };

  const [sync] = await until('it is acknowledged', async () => {
    const shown = await page('syncz');
    return shown[0]?.cluster_acked ? shown : undefined;
  });
  assert.deepEqual(
    [sync.proxy, sync.proxy_type, sync.cluster_id, sync.istio_version, sync.cluster_sent === sync.cluster_acked],
    ['gateway.istio-system', 'router', 'Kubernetes', '1.31.0', true],
  );
  const ads = await page('adsz');
  assert.equal(ads.totalClients, 1);
  assert.deepEqual(ads.clients[0].watches, { [Resource.Cluster]: [] });
  assert.equal(ads.clients[0].metadata.NAMESPACE, 'istio-system');
  assert.equal((await page('connections')).clients[0].connectionId, ads.clients[0].connectionId);

  const dump = await page('config_dump?proxyID=gateway.istio-system');
  const types = dump.configs.map((config: Record<string, string>) => config['@type'].split('.').pop());
  assert.deepEqual(types.slice(0, 3), ['BootstrapConfigDump', 'ClustersConfigDump', 'ListenersConfigDump']);
  const names = dump.configs[1].dynamicActiveClusters.map((c: { cluster: { name: string } }) => c.cluster.name);
  assert.ok(names.includes(clusterOf('a')));
  assert.equal((await get(address, '/debug/config_dump?proxyID=nobody')).status, 404);
  assert.equal((await get(address, '/debug/edsz')).status, 400);

  assert.equal((await page('registryz'))[0].hostname, 'a.default.svc.cluster.local');
  const shards = (await page('endpointShardz'))['a.default.svc.cluster.local'].default.Shards;
  assert.deepEqual(shards['External/Kubernetes'][0].Addresses, ['127.0.0.1']);
  assert.deepEqual(
    (await page('configz')).map((o: { kind: string; metadata: { name: string } }) => [o.kind, o.metadata.name]),
    [['ServiceEntry', 'a']],
  );
  assert.equal((await page('mesh')).enableAutoMtls, false);
  assert.deepEqual(await page('instancesz'), { 'gateway.istio-system': [] });
  assert.deepEqual(await page('push_status'), {});
  assert.equal((await page('snapshotz?snapshot=1&timeout=5')).converged, true);
  assert.equal((await page('snapshotz')).converged, true);
  assert.equal((await get(address, '/debug/snapshotz?snapshot=0')).status, 400);
  assert.ok((await page('list')).includes('config_dump'));
  assert.equal((await page('scopez?level=ads:debug')).ads, 'debug');
  assert.equal((await get(address, '/debug/scopez?level=ads:loud')).status, 400);
  assert.match((await get(address, '/debug')).body, /<a href="\/debug\/syncz">/);

  assert.equal((await get(address, '/ready')).status, 200);
  assert.equal((await get(address, '/metrics')).status, 404);
  assert.equal((await get(monitoring, '/version')).body, '1.31.0');
  assert.equal((await get(address, '/ready', {}, 'DELETE')).status, 405);
  const { body: metrics } = await get(monitoring, '/metrics');
  for (const line of ['pilot_xds{version="1.31.0"} 1', 'pilot_services 1', 'pilot_xds_pushes{type="cds"} 1'])
    assert.ok(metrics.split('\n').includes(line), `${line} in\n${metrics}`);
  assert.match(metrics, /^pilot_proxy_queue_time_count 1$/m);
});

test('debug information is not given to pages in a browser, nor to other machines without a token', async (t) => {
  const server = await startIsthmus(t, {});
  const { http: address = '' } = server.running.addresses;
  assert.equal((await get(address, '/debug/syncz', { host: 'attacker.example' })).status, 401);
  assert.equal((await get(address, '/debug/syncz', { host: 'localhost:8080' })).status, 200);
  assert.equal((await get(address, '/debug/adsz?push=true', { 'sec-fetch-site': 'cross-site' })).status, 401);
  assert.equal((await get(address, '/debug/adsz?push=true', { 'sec-fetch-site': 'none' })).status, 200);
  assert.equal((await get(address, '/ready', { host: 'attacker.example' })).status, 200);
});

test('the command: flags of pilot-discovery, a line when it is ready, and an end without remains', async (t) => {
  const folder = scratch(t);
  fs.mkdirSync(path.join(folder, 'config'));
  fs.writeFileSync(path.join(folder, 'config', 'a.yaml'), service('a', 9001));
  const main = path.join(import.meta.dirname, '../../src/cli/main.ts');
  const args = ['discovery', '--configDir', 'config', '--registries=', '--meshConfig', 'mesh.yaml', '--httpsAddr', ''];
  args.push('--secureGRPCAddr', '127.0.0.1:0', '--grpcAddr', '127.0.0.1:0', '--httpAddr', '', '--monitoringAddr', '');
  args.push('--ctrlz_port', '1', '--keepaliveInterval', '10s', '--someday', 'new', '--log_output_level', 'ads:debug');
  const child = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    env: { ...process.env, TMPDIR: folder, POD_NAMESPACE: 'istio-system' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await until('it is ready', () => output.includes('discovery is ready: grpc 127.0.0.1:') || undefined);
  assert.match(output, /warn\t--ctrlz_port has no effect: there is no ControlZ/);
  assert.match(output, /warn\t--someday has no effect: it is not known/);
  child.kill('SIGTERM');
  assert.equal(await ended, 0, output);
  assert.match(output, /stopping on SIGTERM[\s\S]*stopped/);
  const remains = fs.readdirSync(folder).filter((name) => name.startsWith('isthmus-discovery-'));
  assert.deepEqual(remains, []);
});

test('an address that is taken is named with its flag', async (t) => {
  const server = await startIsthmus(t, {});
  const addresses = { grpcAddr: server.grpc, secureGRPCAddr: '', httpAddr: '', monitoringAddr: '' };
  await assert.rejects(
    startIsthmus(t, {}, { addresses }),
    /--grpcAddr 127\.0\.0\.1:\d+ cannot be bound: another program/,
  );
});
