import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { create, fromJson, type JsonObject, toBinary, toJson } from '@bufbuild/protobuf';
import { SecretsConfigDumpSchema } from '../../api/gen/envoy/admin/v3/config_dump_pb.ts';
import { TlsCertificateSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts';
import { SecretSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { registry } from '../../api/registry.ts';
import { ConfigErrors } from '../config/errors.ts';
import {
  type Bench,
  bench,
  downstream,
  identity,
  keyPairJson,
  listen,
  sds,
  until,
  upstream,
  visit,
} from './harness.test.ts';
import { type Made, testPki } from './pki.test.ts';
import { secretsDump } from './secret-dump.ts';
import { newTransportStats } from './stats.ts';

const pki = await testPki();
const trust = (made: Made): JsonObject => ({ trusted_ca: { inline_string: made.ownPem } });
const server = (...names: string[]): JsonObject => ({
  common_tls_context: { tls_certificate_sds_secret_configs: names.map(sds) },
});

function addStatic(b: Bench, json: JsonObject): string {
  const errors = new ConfigErrors();
  b.secrets.addStatic(fromJson(SecretSchema, json, { registry }), errors);
  return errors.toString();
}

/** A folder with a certificate and key that can be replaced. */
function folder(t: TestContext) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-tls-'));
  t.after(() => fs.rmSync(dir, { recursive: true }));
  const file = (name: string) => path.join(dir, name);
  return {
    dir,
    file,
    write(name: string, text: string) {
      fs.writeFileSync(`${file(name)}.new`, text);
      fs.renameSync(`${file(name)}.new`, file(name));
    },
  };
}

const presented = async (port: number): Promise<string> => (await visit(port, {})).peer.replace(/^.*CN=/s, '');

test('a secret is asked for once, whoever needs it, and no longer than that', (t) => {
  const b = bench(t);
  const transports = [
    downstream(b, server('default')),
    downstream(b, server('default')),
    upstream(b, server('default')),
  ];
  assert.equal(b.sds.opened, 1);
  const other = downstream(b, server('default', 'second'));
  assert.equal(b.sds.opened, 2);
  assert.deepEqual(
    transports.map((transport) => transport.ready),
    [false, false, false],
  );
  b.sds.push('default', { tls_certificate: keyPairJson(pki.server) });
  assert.deepEqual(
    [...transports, other].map((transport) => transport.ready),
    [true, true, true, false],
  );
  for (const transport of transports) transport.close();
  assert.equal(b.sds.closed, 0);
  other.close();
  assert.equal(b.sds.closed, 2);
  assert.equal(b.secrets.secureContexts.size, 0);
});

test('a missing secret refuses its own connections, and only those', async (t) => {
  const b = bench(t);
  const stats = newTransportStats();
  const waiting = await listen(t, b, downstream(b, server('late'), stats));
  const ready = await listen(
    t,
    b,
    downstream(b, { common_tls_context: { tls_certificates: [keyPairJson(pki.server)] } }),
  );
  assert.notEqual((await visit(waiting.port, {})).result, 'pong');
  assert.equal((await visit(ready.port, {})).result, 'pong');
  assert.deepEqual(waiting.failures, [
    {
      reason: 'TLS error: Secret is not supplied by SDS',
      explanation: 'no TLS yet: waiting for the secret late.',
      secretsMissing: true,
    },
  ]);
  assert.equal(stats.factory.downstream_context_secrets_not_ready, 1);
  b.sds.push('late', { tls_certificate: keyPairJson(pki.server) });
  assert.equal((await visit(waiting.port, {})).result, 'pong');
});

test('rotation: new connections get the new certificate, those of before stay', async (t) => {
  const b = bench(t);
  const stats = newTransportStats();
  const listening = await listen(t, b, downstream(b, server('default'), stats));
  b.sds.push('default', { tls_certificate: keyPairJson(pki.server) });
  const tls = await import('node:tls');
  const old = tls.connect({ port: listening.port, host: '127.0.0.1', rejectUnauthorized: false });
  t.after(() => old.destroy());
  let answers = '';
  old.on('data', (data: Buffer) => {
    answers += data;
  });
  old.write('one');
  await until(() => answers === 'pong');
  b.sds.push('default', { tls_certificate: keyPairJson(pki.otherServer) });
  assert.equal(await presented(listening.port), 'otherServer');
  old.write('two');
  await until(() => answers === 'pongpong');
  assert.equal(stats.factory.ssl_context_update_by_sds, 1);
  assert.equal(b.secrets.secureContexts.size, 1);
  // The same again changes nothing.
  b.sds.push('default', { tls_certificate: keyPairJson(pki.otherServer) });
  assert.equal(stats.factory.ssl_context_update_by_sds, 1);
});

test('what is broken is refused with the reason, and the last good secret stays', async (t) => {
  const b = bench(t);
  const listening = await listen(
    t,
    b,
    downstream(b, {
      require_client_certificate: true,
      common_tls_context: {
        tls_certificate_sds_secret_configs: [sds('default')],
        combined_validation_context: {
          default_validation_context: { match_subject_alt_names: [{ prefix: 'spiffe://cluster.local/' }] },
          validation_context_sds_secret_config: sds('ROOTCA'),
        },
      },
    }),
  );
  assert.deepEqual(b.sds.push('default', { tls_certificate: keyPairJson(pki.server) }), []);
  assert.deepEqual(b.sds.push('ROOTCA', { validation_context: trust(pki.root) }), []);
  const refused: [string, JsonObject, RegExp][] = [
    [
      'default',
      { tls_certificate: { ...keyPairJson(pki.server), private_key: { inline_string: pki.good.keyPem } } },
      /^tls_certificate.private_key: Failed to load private key from <inline>, Cause: .*KEY_VALUES_MISMATCH/,
    ],
    [
      'default',
      { tls_certificate: { ...keyPairJson(pki.server), private_key: { inline_string: 'x' } } },
      /private_key: .*it holds no private key in PEM/,
    ],
    [
      'default',
      { tls_certificate: { certificate_chain: { inline_string: 'x' }, private_key: { inline_string: 'x' } } },
      /certificate_chain: Failed to load certificate chain from <inline>: it has no certificate/,
    ],
    [
      'default',
      { tls_certificate: { certificate_chain: { inline_string: pki.server.pem } } },
      /private_key: is needed/,
    ],
    [
      'default',
      { tls_certificate: { pkcs12: { inline_string: 'x' } } },
      /^pkcs12|tls_certificate.pkcs12: is not supported/,
    ],
    ['default', { validation_context: trust(pki.root) }, /^it is not a tls_certificate/],
    ['default', {}, /^it is not a tls_certificate/],
    [
      'ROOTCA',
      { validation_context: { trusted_ca: { inline_string: 'x' } } },
      /^validation_context.trusted_ca: Failed to load trusted CA/,
    ],
    [
      'ROOTCA',
      { validation_context: { trusted_ca: { inline_string: `${pki.root.pem}-----BEGIN CERTIFICATE-----` } } },
      /a PEM block is damaged/,
    ],
    // By itself this is a context; together with the names that the listener expects it would trust anybody.
    [
      'ROOTCA',
      { validation_context: {} },
      /SAN-based verification of peer certificates without trusted CA is insecure/,
    ],
    [
      'ROOTCA',
      {
        validation_context: {
          ...trust(pki.root),
          trust_chain_verification: 'ACCEPT_UNTRUSTED',
          require_signed_certificate_timestamp: true,
        },
      },
      /require_signed_certificate_timestamp: is not supported/,
    ],
  ];
  for (const [name, json, reason] of refused) {
    const [rejection, ...rest] = b.sds.push(name, json);
    assert.equal(rejection?.name, name, JSON.stringify(json).slice(0, 60));
    assert.match(rejection.reason, reason);
    assert.doesNotMatch(rejection.reason, /PRIVATE KEY/);
    assert.equal(rest.length, 0);
  }
  assert.match(b.sds.pushBytes('default', Buffer.from([0xff]))[0].reason, /^it cannot be decoded/);
  assert.equal((await visit(listening.port, identity(pki.good))).result, 'pong');
  assert.equal((await visit(listening.port, identity(pki.wrongDomain))).result, 'alert 46');
});

test('secrets of the bootstrap', async (t) => {
  const b = bench(t);
  assert.equal(addStatic(b, { name: 'mine', tls_certificate: keyPairJson(pki.server) }), '');
  assert.equal(addStatic(b, { name: 'ca', validation_context: trust(pki.root) }), '');
  assert.match(
    addStatic(b, { name: 'mine', tls_certificate: keyPairJson(pki.server) }),
    /name: there is already a secret mine/,
  );
  assert.match(addStatic(b, { name: 'bad', tls_certificate: {} }), /tls_certificate.certificate_chain: is needed/);
  assert.match(addStatic(b, { name: 'none' }), /a type of secret is needed/);
  const listening = await listen(
    t,
    b,
    downstream(b, {
      require_client_certificate: true,
      common_tls_context: {
        tls_certificate_sds_secret_configs: [{ name: 'mine' }],
        validation_context_sds_secret_config: { name: 'ca' },
      },
    }),
  );
  assert.equal((await visit(listening.port, identity(pki.good))).result, 'pong');
  assert.equal((await visit(listening.port, identity(pki.otherRoot))).result, 'alert 48');
});

test('files are followed, in their own folder or in watched_directory', async (t) => {
  const b = bench(t);
  const files = folder(t);
  files.write('cert.pem', pki.server.pem);
  files.write('key.pem', pki.server.keyPem);
  const json = {
    certificate_chain: { filename: files.file('cert.pem') },
    private_key: { filename: files.file('key.pem') },
  };
  const inline = await listen(t, b, downstream(b, { common_tls_context: { tls_certificates: [json] } }));
  const overSds = await listen(t, b, downstream(b, server('default')));
  assert.deepEqual(b.sds.push('default', { tls_certificate: { ...json, watched_directory: { path: files.dir } } }), []);
  assert.deepEqual([await presented(inline.port), await presented(overSds.port)], ['server', 'server']);
  const known = () => b.secrets.secureContexts.size;
  assert.equal(known(), 1);

  // Half a change is no change.
  files.write('cert.pem', pki.otherServer.pem);
  assert.equal(await presented(inline.port), 'server');
  files.write('key.pem', pki.otherServer.keyPem);
  const deadline = Date.now() + 10_000;
  while ((await presented(inline.port)) !== 'otherServer' || (await presented(overSds.port)) !== 'otherServer') {
    assert.ok(Date.now() < deadline);
  }
  assert.equal(known(), 1);
});

test('files as Kubernetes mounts them: a link that is moved', async (t) => {
  const b = bench(t);
  const { dir, file } = folder(t);
  const mount = (version: string, made: Made) => {
    fs.mkdirSync(file(version));
    fs.writeFileSync(file(`${version}/tls.crt`), made.pem);
    fs.writeFileSync(file(`${version}/tls.key`), made.keyPem);
    fs.symlinkSync(version, file('..data_tmp'));
    fs.renameSync(file('..data_tmp'), file('..data'));
  };
  mount('..1', pki.server);
  fs.symlinkSync('..data/tls.crt', file('tls.crt'));
  fs.symlinkSync('..data/tls.key', file('tls.key'));
  const certificate = {
    certificate_chain: { filename: `${dir}/tls.crt` },
    private_key: { filename: `${dir}/tls.key` },
  };
  const listening = await listen(t, b, downstream(b, { common_tls_context: { tls_certificates: [certificate] } }));
  assert.equal(await presented(listening.port), 'server');
  mount('..2', pki.otherServer);
  const deadline = Date.now() + 10_000;
  while ((await presented(listening.port)) !== 'otherServer') assert.ok(Date.now() < deadline);
});

test('keys with a password', (t) => {
  const b = bench(t);
  const encrypted = pki.server.key.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'sesame',
  }) as string;
  const secret = (password?: string): JsonObject => ({
    tls_certificate: {
      certificate_chain: { inline_string: pki.server.pem },
      private_key: { inline_string: encrypted },
      ...(password && { password: { inline_string: password } }),
    },
  });
  const transport = downstream(b, server('default'));
  assert.match(b.sds.push('default', secret())[0].reason, /it is encrypted and no password is given/);
  assert.match(b.sds.push('default', secret('wrong'))[0].reason, /it cannot be decrypted with the password/);
  assert.deepEqual(b.sds.push('default', secret('sesame\n')), []);
  assert.ok(transport.ready);
});

test('what /config_dump shows of secrets', (t) => {
  const b = bench(t);
  b.clock.skewMs = Date.UTC(2030, 0, 1) - Date.now();
  addStatic(b, { name: 'st', tls_certificate: keyPairJson(pki.server) });
  addStatic(b, {
    name: 'tk',
    session_ticket_keys: { keys: [{ inline_bytes: Buffer.alloc(80, 1).toString('base64') }] },
  });
  addStatic(b, { name: 'ge', generic_secret: { secret: { inline_string: 'hush' } } });
  downstream(b, server('default'));
  downstream(b, server('late'));
  const proto = fromJson(SecretSchema, { name: 'default', tls_certificate: keyPairJson(pki.server) }, { registry });
  if (proto.type.case === 'tlsCertificate') {
    proto.type.value.privateKey!.specifier = { case: 'inlineBytes', value: Buffer.from(pki.server.keyPem) };
  }
  b.sds.pushBytes('default', toBinary(SecretSchema, proto));
  const json = toJson(SecretsConfigDumpSchema, secretsDump(b.secrets), { registry, useProtoFieldName: true });
  const text = JSON.stringify(json);
  assert.doesNotMatch(text, /PRIVATE KEY|hush/);
  assert.ok(!text.includes(Buffer.from(pki.server.keyPem).toString('base64').slice(0, 60)));
  const {
    static_secrets: statics,
    dynamic_active_secrets: active,
    dynamic_warming_secrets: warming,
  } = json as Record<string, JsonObject[]>;
  const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
  const chain = { inline_string: pki.server.pem };
  assert.deepEqual(statics, [
    {
      name: 'st',
      secret: {
        '@type': type,
        name: 'st',
        tls_certificate: { certificate_chain: chain, private_key: { inline_string: '[redacted]' } },
      },
    },
    {
      name: 'tk',
      secret: { '@type': type, name: 'tk', session_ticket_keys: { keys: [{ inline_bytes: 'W3JlZGFjdGVkXQ==' }] } },
    },
    { name: 'ge', secret: { '@type': type, name: 'ge', generic_secret: { secret: { inline_string: '[redacted]' } } } },
  ]);
  assert.equal(active.length, 1);
  assert.equal(active[0].version_info, '1');
  assert.match(String(active[0].last_updated), /^20(29|30)-/);
  assert.deepEqual((active[0].secret as JsonObject).tls_certificate, {
    certificate_chain: chain,
    private_key: { inline_bytes: 'W3JlZGFjdGVkXQ==' },
  });
  assert.deepEqual(
    [warming[0].name, warming[0].version_info, warming[0].secret],
    ['late', 'uninitialized', { '@type': type, name: 'late' }],
  );
});

test('what /certs shows', (t) => {
  const b = bench(t);
  const transport = downstream(b, {
    common_tls_context: { tls_certificates: [keyPairJson(pki.server)], validation_context: trust(pki.root) },
  });
  const [ca, own] = transport.certificates;
  assert.deepEqual([ca.isCa, ca.path, ca.subjectAltNames], [true, '<inline>', []]);
  assert.deepEqual(own.subjectAltNames, [
    { type: 'dns', value: 'server.test' },
    { type: 'uri', value: 'spiffe://cluster.local/ns/a/sa/server' },
    { type: 'ip', value: '127.0.0.1' },
  ]);
  assert.match(own.serialNumber, /^[0-9a-f]{32}$/);
  assert.ok(own.expirationTime - own.validFrom === 366 * 86_400_000);
  assert.equal(downstream(b, server('none')).certificates.length, 0);
});

test('no way of printing a key pair shows the key', (t) => {
  const b = bench(t);
  const handle = b.secrets.inline(
    'tlsCertificate',
    fromJson(TlsCertificateSchema, keyPairJson(pki.server)),
    new ConfigErrors(),
    () => {},
  );
  const pair = handle!.value!;
  assert.match(pair.credentials().key, /PRIVATE KEY/);
  for (const text of [inspect(pair, { depth: 9, showHidden: true }), JSON.stringify(pair), String(pair)]) {
    assert.doesNotMatch(text, /PRIVATE KEY/);
  }
});

test('an empty secret of a type that nobody knows is refused, not thrown', (t) => {
  const b = bench(t);
  downstream(b, server('default'));
  const [sink] = b.sds.sinks.values();
  let rejections: readonly { reason: string }[] = [];
  const bytes = toBinary(SecretSchema, create(SecretSchema));
  sink.onUpdate([{ name: 'default', version: '1', typeUrl: 'type.googleapis.com/x.Y', bytes }], [], (r) => {
    rejections = r;
  });
  assert.match(rejections[0].reason, /is not a secret/);
  sink.onUpdate([], ['default'], (r) => {
    rejections = r;
  });
  assert.deepEqual(rejections, []);
  sink.onMissing(['default']);
});
