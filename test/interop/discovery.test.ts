import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { openDirectory, openSelfSigned } from '../../src/ca/authority/directory.ts';
import { generatePrivateKey, privateKeyPem } from '../../src/ca/x509/keys.ts';
import { createRequest } from '../../src/ca/x509/request.ts';
import { Resource } from '../../src/xds/session/resource-types.ts';
import { nodeJson, startEnvoy, startIsthmus } from '../support/mesh.ts';
import { service, VANILLA } from '../support/mesh-yaml.ts';
import { freePorts, referenceProgram, scratch, until, withoutReference } from '../support/reference.ts';

const GATEWAY_NODE = nodeJson('router', 'gateway', 'istio-system');

const gateway = (port: number, tls = '') => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: ${port}, name: web, protocol: ${tls ? 'HTTPS' : 'HTTP'}}, hosts: ["*"]${tls}}]
`;

const route = (name: string) => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: ["*"]
  gateways: [istio-system/gw]
  http: [{route: [{destination: {host: ${name}.default.svc.cluster.local}}]}]
`;

/** A program behind the mesh that says its name. */
async function backend(t: TestContext, name: string): Promise<number> {
  const server = http.createServer((_, response) => response.end(name));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

const agent = new http.Agent({ keepAlive: true });

/** `STATUS BODY` of a request, or the code of its failure. */
function ask(port: number): Promise<string> {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, agent }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve(`${response.statusCode} ${body}`));
    });
    request.on('error', (error) => resolve(`failed ${error.message}`));
  });
}

describe('real Envoy under our control plane', { skip: withoutReference }, () => {
  for (const delta of [false, true]) {
    const variant = delta ? 'delta' : 'state of the world';

    test(`traffic flows, and follows changes (${variant})`, async (t) => {
      const [a, b] = [await backend(t, 'a'), await backend(t, 'b')];
      const [port] = await freePorts(1);
      const server = await startIsthmus(t, {
        'vanilla.yaml': VANILLA,
        'mesh.yaml': gateway(port) + service('a', a) + route('a'),
      });
      const envoy = await startEnvoy(t, server.grpc, { delta, node: GATEWAY_NODE });
      await until('the first answer', async () => (await ask(port)) === '200 a' || undefined);
      server.write('mesh.yaml', gateway(port) + service('b', b) + route('b'));
      await until('the answer of the other', async () => (await ask(port)) === '200 b' || undefined);
      await until(
        'the old cluster goes',
        async () => !(await envoy.get('/clusters')).includes('||a.default.') || undefined,
      );
      const [proxy] = server.running.controlPlane.proxies;
      await until(
        'all is settled',
        () => proxy.progress.settled === server.running.controlPlane.source.snapshot.number,
      );
      assert.equal(proxy.progress.nacks.size, 0);
      assert.match(
        await envoy.get('/stats?filter=cds.version_text|cluster_manager.cds.update_rejected'),
        /update_rejected: 0/,
      );
    });

    test(`no request fails while routes move between clusters that come and go (${variant})`, async (t) => {
      const ports = await Promise.all(Array.from({ length: 10 }, (_, i) => backend(t, `s${i}`)));
      const [port] = await freePorts(1);
      const config = (i: number) => gateway(port) + service(`s${i}`, ports[i]) + route(`s${i}`);
      const server = await startIsthmus(t, { 'vanilla.yaml': VANILLA, 'mesh.yaml': config(0) });
      await startEnvoy(t, server.grpc, { delta, node: GATEWAY_NODE });
      await until('the first answer', async () => (await ask(port)) === '200 s0' || undefined);
      const answers = new Map<string, number>();
      let running = true;
      const load = Promise.all(
        Array.from({ length: 4 }, async () => {
          while (running) {
            const answer = await ask(port);
            answers.set(answer, (answers.get(answer) ?? 0) + 1);
          }
        }),
      );
      for (let i = 1; i < ports.length; i++) {
        server.write('mesh.yaml', config(i));
        await until('the next answers', () => answers.has(`200 s${i}`));
      }
      running = false;
      await load;
      const failed = [...answers].filter(([answer]) => !answer.startsWith('200 s'));
      assert.deepEqual(failed, []);
    });

    test(`what Envoy refuses is recorded with the line that it came from (${variant})`, async (t) => {
      const a = await backend(t, 'a');
      const [port] = await freePorts(1);
      const lines: string[] = [];
      const server = await startIsthmus(
        t,
        { 'vanilla.yaml': VANILLA, 'mesh.yaml': gateway(port) + service('a', a) + route('a') },
        { lines },
      );
      await startEnvoy(t, server.grpc, { delta, node: GATEWAY_NODE });
      await until('the first answer', async () => (await ask(port)) === '200 a' || undefined);
      const { controlPlane } = server.running;
      const before = controlPlane.source.snapshot.number;
      server.write(
        'bad.yaml',
        `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: bad, namespace: istio-system}
spec:
  configPatches:
  - applyTo: CLUSTER
    match: {cluster: {service: a.default.svc.cluster.local}}
    patch: {operation: MERGE, value: {max_requests_per_connection: 1, connect_timeout: 0s}}
`,
      );
      await until('the snapshot is made', () => controlPlane.source.snapshot.number > before);
      const report = await controlPlane.convergence.waitFor(before + 1, 20_000);
      assert.equal(report.converged, false);
      const [{ reason }] = report.laggards;
      assert.match(
        reason,
        /^gateway\.istio-system rejected CDS outbound\|80\|\|a\.default\.svc\.cluster\.local \(from /,
      );
      assert.match(reason, /connect_?timeout|ConnectTimeout/i);
      assert.ok(reason.includes(server.configDir), reason);
      const [nack] = controlPlane.proxies.nacks;
      assert.equal(nack.typeUrl, Resource.Cluster);
      const files = nack.resources[0].origin.map(({ file, line }) => `${path.basename(file)}:${line}`);
      assert.ok(
        files.some((place) => place.startsWith('bad.yaml:')),
        files.join(),
      );
      assert.equal(await ask(port), '200 a', 'the last good one stays in force');
      assert.ok(lines.some((line) => line.includes('ADS:CDS: ACK ERROR gateway.istio-system-')));
      server.remove('bad.yaml');
      await until('the refusal is over', () => {
        const [proxy] = controlPlane.proxies;
        return proxy.progress.nacks.size === 0 && proxy.progress.settled > before + 1;
      });
    });
  }

  test('a control plane that restarts sends an Envoy that kept its state nothing again', async (t) => {
    const a = await backend(t, 'a');
    const [port, grpc] = await freePorts(2);
    const config = { 'vanilla.yaml': VANILLA, 'mesh.yaml': gateway(port) + service('a', a) + route('a') };
    const addresses = { grpcAddr: `127.0.0.1:${grpc}`, secureGRPCAddr: '', httpAddr: '', monitoringAddr: '' };
    const first = await startIsthmus(t, config, { addresses });
    await startEnvoy(t, first.grpc, { delta: true, node: GATEWAY_NODE });
    await until('the first answer', async () => (await ask(port)) === '200 a' || undefined);
    await first.running.stop();
    assert.equal(await ask(port), '200 a', 'without a control plane');
    const lines: string[] = [];
    const second = await startIsthmus(t, config, { addresses, lines });
    const { proxies } = second.running.controlPlane;
    await until('Envoy is back with everything that it follows', () => {
      const [proxy] = proxies;
      return proxy?.stream.status().length === 4 && proxy.progress.settled === 1;
    });
    assert.deepEqual(
      lines.filter((line) => line.includes('PUSH for node')),
      [],
    );
    second.write('mesh.yaml', gateway(port) + service('a', a) + service('b', a) + route('b'));
    await until('a change still comes', () => lines.some((line) => line.includes('RDS: PUSH for node')));
  });

  test('mutual TLS to the secured port, and a gateway secret from it', async (t) => {
    const folder = scratch(t);
    const stateDir = path.join(folder, 'state');
    const a = await backend(t, 'a');
    const [port] = await freePorts(1);
    const authority = await openDirectory(await prepared(stateDir), { trustDomain: 'cluster.local' });
    t.after(() => authority.close());
    const issue = async (names: { uris?: string[]; dnsNames?: string[] }) => {
      const key = await generatePrivateKey('ecdsa-p256');
      const options = { identity: names.uris?.[0], dnsNames: names.dnsNames };
      const { chain } = await authority.sign(await createRequest(key, names), options);
      return { key: privateKeyPem(key), chain: chain.join('') };
    };
    const site = await issue({ dnsNames: ['shop.example'] });
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const secret = (pair: { key: string; chain: string }) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'shop', namespace: 'istio-system' },
        data: { 'tls.crt': base64(pair.chain), 'tls.key': base64(pair.key) },
      });
    const server = await startIsthmus(
      t,
      {
        'vanilla.yaml': VANILLA,
        'secret.yaml': secret(site),
        'mesh.yaml': gateway(port, ', tls: {mode: SIMPLE, credentialName: shop}') + service('a', a) + route('a'),
      },
      {
        stateDir,
        addresses: { grpcAddr: '', secureGRPCAddr: '127.0.0.1:0', httpAddr: '', monitoringAddr: '' },
      },
    );
    const own = await issue({ uris: ['spiffe://cluster.local/ns/istio-system/sa/default'] });
    const data = (text: string) => ({ inline_string: text });
    await startEnvoy(t, server.running.addresses.secureGrpc ?? '', {
      delta: true,
      node: GATEWAY_NODE,
      transportSocket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
          sni: 'istiod.istio-system.svc',
          common_tls_context: {
            alpn_protocols: ['h2'],
            tls_certificates: [{ certificate_chain: data(own.chain), private_key: data(own.key) }],
            validation_context: {
              trusted_ca: data(authority.roots()),
              match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'istiod.istio-system.svc' } }],
            },
          },
        },
      },
    });
    const presented = () =>
      new Promise<string>((resolve) => {
        const request = https.get(
          { host: '127.0.0.1', port, servername: 'shop.example', ca: authority.roots(), agent: false },
          (response) => {
            const serial = (response.socket as import('node:tls').TLSSocket).getPeerCertificate().serialNumber;
            response.resume();
            response.on('end', () => resolve(`${response.statusCode} ${serial}`));
          },
        );
        request.on('error', (error) => resolve(error.message));
      });
    const before = await until('https is answered', async () => {
      const answer = await presented();
      return answer.startsWith('200 ') ? answer : undefined;
    });
    server.write('secret.yaml', secret(await issue({ dnsNames: ['shop.example'] })));
    await until('the new certificate is presented', async () => {
      const answer = await presented();
      return (answer.startsWith('200 ') && answer !== before) || undefined;
    });
  });

  test('istioctl proxy-status and internal-debug ask us over the secured port', async (t) => {
    const folder = scratch(t);
    const stateDir = path.join(folder, 'state');
    const a = await backend(t, 'a');
    const [port] = await freePorts(1);
    const config = { 'vanilla.yaml': VANILLA, 'mesh.yaml': gateway(port) + service('a', a) + route('a') };
    const addresses = { grpcAddr: '127.0.0.1:0', secureGRPCAddr: '127.0.0.1:0', httpAddr: '', monitoringAddr: '' };
    const server = await startIsthmus(t, config, { stateDir, addresses });
    const envoy = await startEnvoy(t, server.grpc, { delta: true, node: GATEWAY_NODE });
    await until('the first answer', async () => (await ask(port)) === '200 a' || undefined);

    const authority = await openDirectory(path.join(stateDir, 'ca'), { trustDomain: 'cluster.local' });
    t.after(() => authority.close());
    const identity = 'spiffe://cluster.local/ns/istio-system/sa/default';
    const key = await generatePrivateKey('ecdsa-p256');
    const { chain, roots } = await authority.sign(await createRequest(key, { uris: [identity] }), { identity });
    for (const [name, text] of [
      ['key.pem', privateKeyPem(key)],
      ['cert-chain.pem', chain.join('')],
      ['root-cert.pem', roots],
    ])
      fs.writeFileSync(path.join(folder, name), text, { mode: 0o600 });
    const kubeconfig = path.join(folder, 'kubeconfig');
    fs.writeFileSync(
      kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'none', cluster: { server: 'http://127.0.0.1:1' } }],
        contexts: [{ name: 'none', context: { cluster: 'none', user: 'none' } }],
        users: [{ name: 'none', user: {} }],
        'current-context': 'none',
      }),
    );
    const istioctl = async (...args: string[]) => {
      const common = ['--kubeconfig', kubeconfig, '--xds-address', server.running.addresses.secureGrpc ?? ''];
      common.push('--cert-dir', folder, '--authority', 'istiod.istio-system.svc', '--revision', 'default');
      const { stdout } = await promisify(execFile)(referenceProgram('istioctl'), [...args, ...common], {
        timeout: 30_000,
      });
      return stdout;
    };
    const table = await istioctl('proxy-status');
    assert.match(table, /^NAME +CLUSTER +ISTIOD +VERSION +SUBSCRIBED TYPES/);
    assert.match(table, /^gateway\.istio-system +Kubernetes +\S+ +1\.31\.0 +4 \(.*CDS.*\)/m);
    const [sync] = JSON.parse(await istioctl('x', 'internal-debug', 'syncz'));
    assert.equal(sync.proxy, 'gateway.istio-system');
    assert.equal(sync.cluster_sent, sync.cluster_acked);
    const dump = path.join(folder, 'config_dump.json');
    const compared = () => istioctl('proxy-status', 'gateway.istio-system', '--file', dump);
    const text = await envoy.get('/config_dump');
    fs.writeFileSync(dump, text);
    assert.match(await compared(), /^Clusters Match\nListeners Match\nRoutes Match/);
    fs.writeFileSync(dump, text.replaceAll('"stat_prefix": "outbound_0.0.0.0_', '"stat_prefix": "other_0.0.0.0_'));
    assert.match(await compared(), /^Clusters Match\nListeners Don't Match\n[\s\S]*\n\+ +"statPrefix": "other_0/);
  });
});

/** The state folder of a control plane with its authority made beforehand, so that a test can issue from it. */
async function prepared(stateDir: string): Promise<string> {
  fs.mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const folder = path.join(stateDir, 'ca');
  (await openSelfSigned(folder, { trustDomain: 'cluster.local' })).close();
  return folder;
}
