import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, HTTP2, httpListener } from '../support/envoy-config.ts';
import { INTEROP_CASES } from '../support/grpc-testing.ts';
import { TestPki } from '../support/pki.ts';
import { accepts, freePorts, referenceProgram, run, scratch, until, withoutReference } from '../support/reference.ts';
import { start, type Twin } from '../support/twin-proxies.ts';

/** gRPC's own client and server, with our proxy between them, in the clear and over TLS on both sides. */

// Not among them: pick_first_unary, for which gRPC's Go server does not say who it is.
const CASES = [...INTEROP_CASES, 'orca_per_rpc', 'orca_oob', 'channel_soak'];

/** The ORCA cases want a client whose load balancer reads what servers report. */
const LOAD_REPORTS = ['-service_config_json', '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}'];

const TLS = 'envoy.extensions.transport_sockets.tls.v3';
const socket = (type: string, fields: JsonObject): JsonObject => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: any(`${TLS}.${type}`, fields),
});

function client(args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(referenceProgram('grpc-interop-client'), args, { timeout: 60_000 }, (error, stdout, stderr) => {
      resolve(error ? `${error.message}${stdout}${stderr}` : '');
    });
  });
}

test("gRPC's interoperability tests through our proxy", { skip: withoutReference }, async (t) => {
  const folder = scratch(t);
  const pki = await TestPki.make(path.join(folder, 'pki'));
  const { cert, key } = await pki.issue({ dnsNames: ['grpc.test'] });
  const file = (name: string, text: string) => {
    const to = path.join(folder, name);
    fs.writeFileSync(to, text, { mode: 0o600 });
    return to;
  };
  const certFile = file('cert.pem', cert);
  const keyFile = file('key.pem', key);
  const rootFile = file('root.pem', pki.roots);
  const [plainPort, tlsPort] = await freePorts(2);
  run(t, 'grpc-interop-server', ['-port', String(plainPort)], { folder });
  const tlsArgs = ['-use_tls', '-tls_cert_file', certFile, '-tls_key_file', keyFile];
  run(t, 'grpc-interop-server', ['-port', String(tlsPort), ...tlsArgs], { folder });
  await until('the servers listen', async () => (await accepts(plainPort)) && (await accepts(tlsPort)));

  const certificates = {
    tls_certificates: [{ certificate_chain: { filename: certFile }, private_key: { filename: keyFile } }],
  };
  const proxy: Twin = await start(t, 'isthmus', {
    listeners: ['plain', 'tls'],
    bootstrap: (env) => ({
      static_resources: {
        clusters: [
          cluster('plain', plainPort, HTTP2),
          cluster('tls', tlsPort, {
            ...HTTP2,
            transport_socket: socket('UpstreamTlsContext', {
              sni: 'grpc.test',
              common_tls_context: {
                alpn_protocols: ['h2'],
                validation_context: { trusted_ca: { filename: rootFile } },
              },
            }),
          }),
        ],
        listeners: [
          httpListener('plain', {
            port: env.port('plain'),
            log: env.log('plain'),
            routes: [{ match: { prefix: '/' }, route: { cluster: 'plain', timeout: '0s' } }],
          }),
          withTls(
            httpListener('tls', {
              port: env.port('tls'),
              log: env.log('tls'),
              routes: [{ match: { prefix: '/' }, route: { cluster: 'tls', timeout: '0s' } }],
            }),
            socket('DownstreamTlsContext', {
              common_tls_context: { ...certificates, alpn_protocols: ['h2', 'http/1.1'] },
            }),
          ),
        ],
      },
    }),
  });

  for (const name of CASES) {
    const reports = name.startsWith('orca') ? LOAD_REPORTS : [];
    const args = ['-server_host', '127.0.0.1', '-test_case', name, ...reports];
    await t.test(`${name} in the clear`, async () => {
      assert.equal(await client([...args, '-server_port', String(proxy.env.port('plain'))]), '');
    });
    await t.test(`${name} over TLS`, async () => {
      const trust = ['-use_tls', '-use_test_ca', '-ca_file', rootFile, '-server_host_override', 'grpc.test'];
      assert.equal(await client([...args, '-server_port', String(proxy.env.port('tls')), ...trust]), '');
    });
  }
});

function withTls(listener: JsonObject, transport_socket: JsonObject): JsonObject {
  const chains = listener.filter_chains as JsonObject[];
  return { ...listener, filter_chains: chains.map((chain) => ({ ...chain, transport_socket })) };
}
