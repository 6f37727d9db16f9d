import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { create, fromBinary, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { UpstreamTlsContextSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts';
import { ConfigErrors } from '../config/errors.ts';
import {
  type Bench,
  bench,
  call,
  identity,
  keyPairJson,
  Owned,
  sds,
  until,
  upstream,
  upstreamErrors,
} from './harness.test.ts';
import { type Made, make, type PkiName, spiffe, testPki } from './pki.test.ts';
import { newTransportStats } from './stats.ts';
import type { TlsFailure, UpstreamTlsOverride, UpstreamTransport } from './transport.ts';
import { upstreamTransport } from './upstream.ts';

const pki = await testPki();
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

interface Server {
  readonly port: number;
  /** What clients said that got through. */
  readonly heard: string[];
  /** Alerts that came from clients, and other ends. */
  readonly errors: string[];
  readonly sockets: tls.TLSSocket[];
}

/** A server of Node's own; it answers `pong`. */
async function serve(t: TestContext, options: tls.TlsOptions): Promise<Server> {
  const heard: string[] = [];
  const errors: string[] = [];
  const sockets: tls.TLSSocket[] = [];
  const note = (error: Error & { code?: string }) => {
    const alert = /SSL alert number (\d+)/.exec(error.message)?.[1];
    errors.push(alert ? `alert ${alert}` : (error.code ?? error.message));
  };
  const server = tls.createServer(options, (socket) => {
    sockets.push(socket);
    socket.on('error', note);
    socket.on('data', (data: Buffer) => {
      heard.push(data.toString());
      socket.write('pong');
    });
  });
  server.on('tlsClientError', note);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, heard, errors, sockets };
}

const BOTH = { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' };
const trust = (made: Made): JsonObject => ({ trusted_ca: { inline_string: made.ownPem } });
const context = (validation: JsonObject | undefined, common: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
  ...more,
  common_tls_context: { tls_params: BOTH, ...(validation && { validation_context: validation }), ...common },
});
const isFailure = (result: TlsFailure | Owned): result is TlsFailure => !(result instanceof Owned);

async function answered(result: TlsFailure | Owned): Promise<Owned> {
  assert.ok(!isFailure(result), JSON.stringify(result));
  await until(() => result.received === 'pong');
  return result;
}

describe('servers that are not admitted', () => {
  const dns = {
    ...trust(pki.root),
    match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'server.test' } }],
  };
  const failed = (detail: string) =>
    `TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: ${detail}:TLS_error_end`;
  const chain = (what: string) => failed(`X509_verify_cert: certificate verification error at depth ${what}`);
  /** The alert is what the server is told under TLS 1.3; under 1.2 it is too late to say anything. */
  const table: [string, JsonObject, PkiName, number, string][] = [
    ['another root', trust(pki.root), 'otherRoot', 48, chain('0: unable to get local issuer certificate')],
    ['self-signed', trust(pki.root), 'selfSigned', 48, chain('0: unable to get local issuer certificate')],
    ['intermediate missing', trust(pki.root), 'noIntermediate', 48, chain('0: unable to get local issuer certificate')],
    ['expired', trust(pki.root), 'expired', 45, chain('0: certificate has expired')],
    ['not yet valid', trust(pki.root), 'notYet', 45, chain('0: certificate is not yet valid')],
    ['certificate for clients', trust(pki.root), 'clientOnly', 43, chain('0: unsupported certificate purpose')],
    [
      'chain too long for its authority',
      trust(pki.root),
      'pathLength',
      48,
      chain('2: path length constraint exceeded'),
    ],
    ['forged', trust(pki.root), 'forged', 51, chain('0: certificate signature failure')],
    ['another name', dns, 'otherServer', 46, failed('SAN matcher, certificate SANs are [other.test, *.wild.test]')],
    [
      'another hash',
      { ...trust(pki.root), verify_certificate_hash: ['00'.repeat(32)] },
      'server',
      114,
      failed('cert hash and spki'),
    ],
  ];
  for (const [name, validation, made, alert, reason] of table) {
    for (const version of VERSIONS) {
      test(`${name}, ${version}`, async (t) => {
        const server = await serve(t, {
          ...identity(pki[made]),
          maxVersion: version,
          requestCert: true,
          rejectUnauthorized: false,
        });
        const b = bench(t);
        const stats = newTransportStats();
        const transport = upstream(b, context(validation, { tls_certificates: [keyPairJson(pki.good)] }), stats);
        const result = await call(t, b, transport, server.port);
        assert.ok(isFailure(result));
        assert.equal(result.reason, reason);
        assert.equal(stats.ssl.connection_error, 0);
        assert.deepEqual(server.heard, []);
        if (version === 'TLSv1.2') return;
        await until(() => server.errors.length > 0);
        assert.deepEqual(server.errors, [`alert ${alert}`]);
        // Nor does the server learn who we are.
        assert.equal(server.sockets.length, 0);
      });
    }
  }

  for (const version of VERSIONS) {
    test(`the others are, ${version}`, async (t) => {
      const b = bench(t);
      const cases: [JsonObject | undefined, PkiName][] = [
        [dns, 'server'],
        [trust(pki.root), 'serverOnly'],
        [trust(pki.root), 'withIntermediate'],
        [undefined, 'selfSigned'],
        [{}, 'otherRoot'],
        [{ ...trust(pki.root), allow_expired_certificate: true }, 'expired'],
      ];
      for (const [validation, made] of cases) {
        const server = await serve(t, { ...identity(pki[made]), maxVersion: version });
        const owned = await answered(await call(t, b, upstream(b, context(validation)), server.port));
        const { tls: info } = owned.connection;
        assert.equal(info?.version, version);
        assert.equal(info?.peer?.validated, validation?.trusted_ca !== undefined, made);
        assert.deepEqual(server.heard, ['ping']);
      }
    });
  }

  test('TLS 1.1, plain text, a server that goes away', async (t) => {
    const b = bench(t);
    const net = await import('node:net');
    const transport = upstream(b, context(trust(pki.root)));
    const old = await serve(t, {
      ...identity(pki.server),
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL:@SECLEVEL=0',
    });
    const first = (await call(t, b, transport, old.port)) as TlsFailure;
    assert.match(first.reason, /^TLS_error:\|26843\d+:SSL routines:OPENSSL_internal:\w+:TLS_error_end$/);
    const answers: [string, RegExp][] = [
      ['HTTP/1.1 400 Bad Request\r\n\r\n', /\|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:/],
      ['', /^$/],
    ];
    for (const [answer, reason] of answers) {
      const server = net.createServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.end(answer));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      t.after(() => server.close());
      const failure = (await call(t, b, transport, (server.address() as AddressInfo).port)) as TlsFailure;
      assert.match(failure.reason, reason);
    }
  });

  test('what the server has against us', async (t) => {
    const b = bench(t);
    const strict = { ...identity(pki.server), requestCert: true, ca: pki.root.pem, maxVersion: 'TLSv1.2' } as const;
    const server = await serve(t, strict);
    const failure = (await call(t, b, upstream(b, context(trust(pki.root))), server.port)) as TlsFailure;
    assert.equal(
      failure.reason,
      'TLS_error:|268436496:SSL routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE:TLS_error_end',
    );
    assert.match(failure.explanation, /this side has no certificate/);
    const alpn = await serve(t, { ...identity(pki.server), ALPNProtocols: ['h2'] });
    const none = (await call(
      t,
      b,
      upstream(b, context(trust(pki.root), { alpn_protocols: ['foo'] })),
      alpn.port,
    )) as TlsFailure;
    assert.match(none.reason, /\|268436576:.*:TLSV1_ALERT_NO_APPLICATION_PROTOCOL:/);
  });
});

test('without versions it speaks TLS 1.2, as Envoy does', async (t) => {
  const b = bench(t);
  const server = await serve(t, identity(pki.server));
  const transport = upstream(b, { common_tls_context: { validation_context: trust(pki.root) } });
  assert.equal((await answered(await call(t, b, transport, server.port))).connection.tls?.version, 'TLSv1.2');
});

test('server name, ALPN and names, of the context and of the request', async (t) => {
  const b = bench(t);
  const server = await serve(t, { ...identity(pki.server), ALPNProtocols: ['istio', 'h2', 'http/1.1'] });
  const transport = upstream(b, context(trust(pki.root), { alpn_protocols: ['http/1.1'] }, { sni: 'configured.test' }));
  const one = await answered(await call(t, b, transport, server.port));
  assert.deepEqual([one.connection.tls?.sni, one.connection.tls?.alpn], ['configured.test', 'http/1.1']);
  const override = { sni: 'asked.test', alpn: ['istio'], subjectAltNames: ['server.test'] };
  const two = await answered(await call(t, b, transport, server.port, override));
  assert.deepEqual([two.connection.tls?.sni, two.connection.tls?.alpn], ['asked.test', 'istio']);
  assert.deepEqual(
    server.sockets.slice(0, 2).map((s) => (s as unknown as { servername: string }).servername),
    ['configured.test', 'asked.test'],
  );
  // What the protocol of a pool calls for counts where the context says nothing.
  const silent = upstream(b, context(trust(pki.root)));
  const offered = async (where: UpstreamTransport, more: UpstreamTlsOverride) =>
    (await answered(await call(t, b, where, server.port, more))).connection.tls?.alpn;
  assert.equal(await offered(silent, { defaultAlpn: ['h2'] }), 'h2');
  assert.equal(await offered(silent, { defaultAlpn: ['h2'], alpn: ['istio'] }), 'istio');
  assert.equal(await offered(silent, {}), '');
  assert.equal(await offered(transport, { defaultAlpn: ['h2'] }), 'http/1.1');
  const wrong = await call(t, b, transport, server.port, { subjectAltNames: ['zzz.test'] });
  assert.match(
    (wrong as TlsFailure).reason,
    /verify SAN list, expected SANs: \[zzz.test\], certificate SANs: \[server.test, 127.0.0.1, spiffe:/,
  );
});

test('fields of a newer API: auto_host_sni and auto_sni_san_validation', async (t) => {
  const b = bench(t);
  const server = await serve(t, identity(pki.server));
  const proto = create(UpstreamTlsContextSchema, {
    commonTlsContext: {
      tlsParams: {},
      validationContextType: {
        case: 'validationContext',
        value: { trustedCa: { specifier: { case: 'inlineString', value: pki.root.ownPem } } },
      },
    },
  });
  const bytes = Buffer.concat([toBinary(UpstreamTlsContextSchema, proto), Buffer.from([6 << 3, 1, 7 << 3, 1])]);
  const errors = new ConfigErrors();
  const newer = fromBinary(UpstreamTlsContextSchema, bytes);
  const transport = upstreamTransport(newer, b.secrets, newTransportStats(), errors) as UpstreamTransport;
  assert.equal(errors.toString(), '');
  const owned = await answered(await call(t, b, transport, server.port, { hostname: 'server.test' }));
  assert.equal(owned.connection.tls?.sni, 'server.test');
  assert.match(
    ((await call(t, b, transport, server.port, { hostname: 'else.test' })) as TlsFailure).reason,
    /SAN matcher/,
  );
});

describe('sessions', () => {
  for (const version of VERSIONS) {
    test(`are resumed, and the server is judged again, ${version}`, async (t) => {
      const b = bench(t);
      const server = await serve(t, { ...identity(pki.server), maxVersion: version });
      const transport = upstream(b, context(trust(pki.root)));
      const resumed = async (where = transport, port = server.port, override = {}) => {
        const owned = await answered(await call(t, b, where, port, override));
        // Under TLS 1.3 tickets come behind the handshake.
        owned.connection.close();
        return owned.connection.tls?.resumed;
      };
      assert.equal(await resumed(), false);
      assert.equal(await resumed(), true);
      assert.equal(await resumed(), true);
      // Neither at another server, nor under another name, nor for another context.
      const twin = await serve(t, { ...identity(pki.server), maxVersion: version });
      assert.equal(await resumed(transport, twin.port), false);
      assert.equal(await resumed(transport, server.port, { sni: 'else.test' }), false);
      assert.equal(await resumed(upstream(b, context(trust(pki.root)))), false);
      const refused = await call(t, b, transport, server.port, { subjectAltNames: ['zzz.test'] });
      assert.match((refused as TlsFailure).reason, /verify SAN list/);
    });

    test(`are not, where that is not wanted, ${version}`, async (t) => {
      const b = bench(t);
      const server = await serve(t, { ...identity(pki.server), maxVersion: version });
      for (const json of [
        context(trust(pki.root), {}, { max_session_keys: 0 }),
        context({ ...trust(pki.root), max_verify_depth: 1 }),
      ]) {
        const transport = upstream(b, json);
        for (let i = 0; i < 2; i++) {
          const owned = await answered(await call(t, b, transport, server.port));
          assert.equal(owned.connection.tls?.resumed, false);
        }
      }
    });
  }

  test('a session of a server whose certificate has expired since is refused', async (t) => {
    const b = bench(t);
    const brief = await make('brief', { issuer: pki.root, to: 1, names: spiffe('cluster.local/ns/a/sa/server') });
    const server = await serve(t, identity(brief));
    const transport = upstream(b, context(trust(pki.root)));
    await answered(await call(t, b, transport, server.port));
    b.clock.skewMs = 2 * 86_400_000;
    const again = (await call(t, b, transport, server.port)) as TlsFailure;
    assert.match(again.reason, /certificate has expired/);
  });
});

test('it is ready when its secrets are, and a new generation when they change', async (t) => {
  const b = bench(t);
  const server = await serve(t, {
    ...identity(pki.server),
    requestCert: true,
    ca: [pki.root.pem, pki.other.pem],
    maxVersion: 'TLSv1.2',
  });
  const transport = upstream(b, {
    common_tls_context: {
      tls_certificate_sds_secret_configs: [sds('default')],
      combined_validation_context: {
        default_validation_context: { match_subject_alt_names: [{ exact: 'server.test' }] },
        validation_context_sds_secret_config: sds('ROOTCA'),
      },
    },
  });
  let ready = 0;
  transport.whenSettled(() => ready++);
  transport.whenSettled(() => ready++).cancel();
  const early = (await call(t, b, transport, server.port)) as TlsFailure;
  assert.deepEqual(
    [early.reason, early.secretsMissing, transport.ready],
    ['TLS error: Secret is not supplied by SDS', true, false],
  );
  assert.match(early.explanation, /waiting for the secret default, ROOTCA/);

  assert.deepEqual(b.sds.push('default', { tls_certificate: keyPairJson(pki.good) }), []);
  assert.equal(ready, 0);
  assert.deepEqual(b.sds.push('ROOTCA', { validation_context: trust(pki.root) }), []);
  assert.deepEqual([ready, transport.ready], [1, true]);
  const one = await answered(await call(t, b, transport, server.port));
  assert.equal(one.connection.tls?.localSubject, 'CN=good,O=mesh');
  const before = transport.generation;

  assert.deepEqual(b.sds.push('default', { tls_certificate: keyPairJson(pki.otherRoot) }), []);
  assert.equal(transport.generation, before + 1);
  const two = await answered(await call(t, b, transport, server.port));
  assert.deepEqual([two.connection.tls?.localSubject, two.connection.tls?.resumed], ['CN=otherRoot,O=mesh', false]);
  // The connection of before goes on.
  one.connection.writeLatin1('ping');
  await until(() => one.received === 'pongpong');

  assert.deepEqual(b.sds.push('ROOTCA', { validation_context: trust(pki.other) }), []);
  assert.match(
    ((await call(t, b, transport, server.port)) as TlsFailure).reason,
    /unable to get local issuer certificate/,
  );
});

test('contexts that want the same share one of OpenSSL, once they are used', async (t) => {
  const b: Bench = bench(t);
  const server = await serve(t, identity(pki.server));
  const transports = ['server.test', '127.0.0.1', 'spiffe://cluster.local/ns/a/sa/server'].map((name) =>
    upstream(b, context({ ...trust(pki.root), match_subject_alt_names: [{ exact: name }] }, {}, { sni: 'x.test' })),
  );
  assert.equal(b.secrets.secureContexts.size, 0);
  for (const transport of transports) await answered(await call(t, b, transport, server.port));
  assert.equal(b.secrets.secureContexts.size, 1);
  const other = upstream(b, context({ ...trust(pki.root), verify_certificate_hash: ['00'.repeat(32)] }));
  const another = upstream(b, context(trust(pki.other)));
  for (const transport of [other, another]) assert.ok(isFailure(await call(t, b, transport, server.port)));
  assert.equal(b.secrets.secureContexts.size, 2);
  for (const transport of [...transports, other, another]) transport.close();
  assert.equal(b.secrets.secureContexts.size, 0);
});

test('what is refused of a configuration, with its path', (t) => {
  const b = bench(t);
  const table: [JsonObject, RegExp][] = [
    [{ allow_renegotiation: true }, /^allow_renegotiation: is not supported: renegotiation is insecure/],
    [{ sni: 'x'.repeat(256) }, /^sni: must be at most 255 bytes long/],
    [
      { common_tls_context: { tls_certificates: [keyPairJson(pki.good), keyPairJson(pki.server)] } },
      /^common_tls_context: Multiple TLS certificates are not supported for client contexts/,
    ],
    [context({ require_signed_certificate_timestamp: true }), /require_signed_certificate_timestamp: is not supported/],
    [context({ custom_validator_config: { name: 'x' } }), /custom_validator_config\.typed_config: is needed/],
    [context({ crl: { inline_string: 'x' } }), /validation_context.crl: Failed to load CRL from <inline>/],
    [
      context({ allow_expired_certificate: true }),
      /allow_expired_certificate: Certificate validity period is always ignored/,
    ],
    [
      context({ ...trust(pki.root), match_subject_alt_names: [{ safe_regex: { regex: '(' } }] }),
      /match_subject_alt_names\[0\].safe_regex.regex: "\(" is not valid/,
    ],
    [
      context({ ...trust(pki.root), match_typed_subject_alt_names: [{ matcher: { exact: 'x' } }] }),
      /match_typed_subject_alt_names\[0\].san_type: must not be SAN_TYPE_UNSPECIFIED/,
    ],
    [
      context({ verify_certificate_hash: ['zz'.repeat(32)] }),
      /verify_certificate_hash\[0\]: Invalid hex-encoded SHA-256 zz/,
    ],
    [
      context({ verify_certificate_spki: ['z'.repeat(44)] }),
      /verify_certificate_spki\[0\]: Invalid base64-encoded SHA-256 z/,
    ],
    [
      context({ trusted_ca: { filename: '/nowhere/ca.pem' } }),
      /trusted_ca: \/nowhere\/ca.pem cannot be read: there is no such file/,
    ],
  ];
  for (const [json, expected] of table) assert.match(upstreamErrors(b, json), expected);
});
