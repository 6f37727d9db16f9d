import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import type tls from 'node:tls';
import type { JsonObject } from '@bufbuild/protobuf';
import {
  alert,
  attacks,
  context,
  exactly,
  mutual,
  revoking,
  SPIFFE_DOMAINS,
  trust,
  VERSIONS,
  type Version,
} from './attacks.test.ts';
import {
  type Bench,
  bench,
  downstream,
  downstreamErrors,
  identity,
  keyPairJson,
  type Listening,
  listen,
  type Seen,
  until,
  visit,
} from './harness.test.ts';
import { type Made, make, type PkiName, spiffe, testPki } from './pki.test.ts';
import { newTransportStats } from './stats.ts';

const pki = await testPki();
async function serve(t: TestContext, json: JsonObject, b: Bench = bench(t)): Promise<Listening> {
  return listen(t, b, downstream(b, json));
}

const as = (made: Made | undefined, version: Version, more: tls.ConnectionOptions = {}): tls.ConnectionOptions => ({
  ...(made && identity(made)),
  minVersion: version,
  maxVersion: version,
  ...more,
});

describe('peers that are not admitted', async () => {
  for (const { name, validation, made, alerts } of await attacks()) {
    for (const version of VERSIONS) {
      test(`${name}, ${version}`, async (t) => {
        const listening = await serve(t, mutual(validation));
        const seen = await visit(listening.port, as(made && pki[made], version));
        assert.equal(seen.result, alert(alerts[version]));
        // No ticket for those who are not let in, or they would come back with it.
        assert.equal(seen.session, undefined);
        await until(() => listening.failures.length > 0);
        assert.equal(listening.failures.length, 1);
        assert.match(listening.failures[0].reason, /^TLS_error:\|.*:TLS_error_end$/);
        assert.equal(listening.admitted.length, 0);
      });
    }
  }

  for (const version of VERSIONS) {
    test(`the others are, ${version}`, async (t) => {
      const b = bench(t);
      const cases: [JsonObject, PkiName][] = [
        [exactly, 'good'],
        [exactly, 'clientOnly'],
        [exactly, 'withIntermediate'],
        [await revoking(), 'good'],
        [SPIFFE_DOMAINS, 'otherDomain'],
        [{ ...trust(pki.root), allow_expired_certificate: true }, 'expired'],
        [{ trust_chain_verification: 'ACCEPT_UNTRUSTED' }, 'selfSigned'],
      ];
      for (const [validation, made] of cases) {
        const listening = await serve(t, mutual(validation), b);
        const seen = await visit(listening.port, as(pki[made], version));
        assert.equal(seen.result, 'pong', made);
        const { tls: info } = listening.admitted[0].connection;
        assert.equal(listening.admitted[0].received, 'ping');
        assert.equal(info?.version, version);
        assert.equal(info?.peer?.subject, `CN=${made},O=mesh`);
        assert.equal(info?.peer?.validated, validation.trust_chain_verification === undefined);
      }
    });
  }
});

test('old versions and other protocols', async (t) => {
  const listening = await serve(t, context());
  const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
  assert.equal((await visit(listening.port, old)).result, alert('protocol_version'));
  await until(() => listening.failures.length === 1);
  assert.match(listening.failures[0].reason, /\|268435696:SSL routines:OPENSSL_internal:UNSUPPORTED_PROTOCOL:/);
  const only13 = await serve(t, context({ tls_params: { tls_minimum_protocol_version: 'TLSv1_3' } }));
  assert.equal((await visit(only13.port, { maxVersion: 'TLSv1.2' })).result, alert('protocol_version'));
  // The default ciphers are none of TLS 1.1's.
  const params = { tls_minimum_protocol_version: 'TLSv1_1', cipher_suites: ['ECDHE-ECDSA-AES128-SHA'] };
  const any = await serve(t, context({ tls_params: params }));
  assert.equal((await visit(any.port, old)).result, 'pong');
});

test('parameters', async (t) => {
  const suite = 'ECDHE-ECDSA-AES256-GCM-SHA384';
  const params = { cipher_suites: [`[${suite}|ECDHE-RSA-AES256-GCM-SHA384]`], ecdh_curves: ['P-384'] };
  const listening = await serve(t, context({ tls_params: params }));
  const seen = await visit(listening.port, { maxVersion: 'TLSv1.2' });
  assert.equal(seen.result, 'pong');
  assert.equal(listening.admitted[0].connection.tls?.cipher, suite);
  assert.equal(
    (await visit(listening.port, { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' })).result,
    alert('handshake_failure'),
  );
  assert.equal((await visit(listening.port, { ecdhCurve: 'P-256' })).result, alert('handshake_failure'));
  await until(() => listening.failures.length === 2);
  assert.match(listening.failures[0].reason, /\|268435640:.*:NO_SHARED_CIPHER:/);
  assert.match(listening.failures[1].reason, /\|268435722:.*:NO_SHARED_GROUP:/);
});

test('ALPN: the server chooses, and no overlap is no failure', async (t) => {
  const listening = await serve(t, context({ alpn_protocols: ['h2', 'http/1.1'] }));
  const offer = async (...ALPNProtocols: string[]) => (await visit(listening.port, { ALPNProtocols })).alpn;
  assert.equal(await offer('http/1.1', 'h2'), 'h2');
  assert.equal(await offer('foo', 'http/1.1'), 'http/1.1');
  assert.equal(await offer('foo'), false);
  assert.equal(await offer(), false);
  assert.deepEqual(
    listening.admitted.map((owned) => owned.connection.tls?.alpn),
    ['h2', 'http/1.1', '', ''],
  );
});

describe('sessions', () => {
  const twice = async (first: Listening, second: Listening, version: Version, made: Made): Promise<[Seen, Seen]> => {
    const one = await visit(first.port, as(made, version));
    assert.equal(one.result, 'pong');
    assert.ok(one.session);
    return [one, await visit(second.port, as(made, version, { session: one.session }))];
  };

  for (const version of VERSIONS) {
    test(`resume under the same certificate and trust, at another worker too, ${version}`, async (t) => {
      const secret = Buffer.alloc(32, 7);
      const json = mutual(trust(pki.root));
      const one = await serve(t, json, bench(t, secret));
      const two = await serve(t, json, bench(t, secret));
      const [, again] = await twice(one, two, version, pki.good);
      assert.deepEqual([again.result, again.resumed], ['pong', true]);
      const { tls: info } = two.admitted[0].connection;
      assert.equal(info?.resumed, true);
      assert.deepEqual(info?.peer?.uriSans, ['spiffe://cluster.local/ns/a/sa/client']);
      const stranger = await serve(t, json, bench(t));
      assert.equal((await twice(one, stranger, version, pki.good))[1].resumed, false);
    });

    test(`never under another trust, ${version}`, async (t) => {
      const b = bench(t);
      const lax = await serve(t, mutual(trust(pki.other)), b);
      const strict = await serve(t, mutual(trust(pki.root)), b);
      const [, again] = await twice(lax, strict, version, pki.otherRoot);
      assert.equal(again.result, alert('unknown_ca'));
      assert.equal(strict.admitted.length, 0);
    });

    test(`of those who were not asked for a certificate do not open what asks for one, ${version}`, async (t) => {
      const b = bench(t);
      const optional = await serve(t, context({ validation_context: trust(pki.root) }), b);
      const required = await serve(t, mutual(trust(pki.root)), b);
      const one = await visit(optional.port, as(undefined, version));
      assert.equal(one.result, 'pong');
      const again = await visit(required.port, as(undefined, version, { session: one.session }));
      assert.equal(again.result, alert(version === 'TLSv1.3' ? 'certificate_required' : 'handshake_failure'));
      assert.equal((await visit(required.port, as(pki.good, version, { session: one.session }))).result, 'pong');
    });

    test(`have the identity of their peer checked again, ${version}`, async (t) => {
      const b = bench(t);
      const anyone = await serve(t, mutual(trust(pki.root)), b);
      const strict = await serve(t, mutual(exactly), b);
      // Names make a certificate necessary, which is part of what a session is bound to: both ask for one here.
      const [, again] = await twice(anyone, strict, version, pki.wrongId);
      // Under TLS 1.2 the server has spoken last already when it finds out.
      assert.equal(again.result, version === 'TLSv1.3' ? alert('certificate_unknown') : 'closed');
      assert.equal(strict.admitted.length, 0);
    });

    test(`end with the certificate of their peer, ${version}`, async (t) => {
      const b = bench(t);
      // Midnight renews the ticket keys, and a test that runs just then would see a full handshake.
      const brief = await make('brief', { issuer: pki.root, to: 1, names: spiffe('cluster.local/ns/a/sa/client') });
      const listening = await serve(
        t,
        mutual(trust(pki.root), {
          session_ticket_keys: { keys: [{ inline_bytes: Buffer.alloc(80, 3).toString('base64') }] },
        }),
        b,
      );
      const one = await visit(listening.port, as(brief, version));
      b.clock.skewMs = 2 * 86_400_000;
      const again = await visit(listening.port, as(brief, version, { session: one.session }));
      assert.equal(again.result, version === 'TLSv1.3' ? alert('certificate_expired') : 'closed');
      assert.equal(listening.admitted.length, 1);
    });

    test(`are not kept where the whole chain is needed, or nobody wants them, ${version}`, async (t) => {
      const b = bench(t);
      for (const json of [
        mutual({ ...trust(pki.root), max_verify_depth: 1 }),
        mutual(trust(pki.root), { disable_stateless_session_resumption: true }),
      ]) {
        const listening = await serve(t, json, b);
        const one = await visit(listening.port, as(pki.good, version));
        const again = await visit(listening.port, as(pki.good, version, { session: one.session }));
        assert.deepEqual([again.result, again.resumed], ['pong', false]);
      }
    });
  }

  test('ticket keys are renewed every day', async (t) => {
    const b = bench(t);
    const listening = await serve(t, context(), b);
    const one = await visit(listening.port, {});
    assert.equal((await visit(listening.port, { session: one.session })).resumed, true);
    b.clock.skewMs = 86_400_000;
    assert.equal((await visit(listening.port, { session: one.session })).resumed, false);
  });
});

test('several certificates: by server name, then by what the client can verify', async (t) => {
  const certificates = [pki.server, pki.serverRsa, pki.otherServer].map(keyPairJson);
  const common = { tls_certificates: certificates };
  const listening = await serve(t, { common_tls_context: common });
  const scanning = await serve(t, { common_tls_context: common, full_scan_certs_on_sni_mismatch: true });
  const rsaOnly = { sigalgs: 'RSA-PSS+SHA256' };
  const rsaCipher = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' } as const;
  const table: [Listening, tls.ConnectionOptions, string][] = [
    [listening, { servername: 'server.test' }, 'server'],
    [listening, { servername: 'server.test', ...rsaOnly }, 'serverRsa'],
    [listening, { servername: 'server.test', ...rsaCipher }, 'serverRsa'],
    [listening, { servername: 'other.test' }, 'otherServer'],
    [listening, { servername: 'a.wild.test' }, 'otherServer'],
    [listening, { servername: 'a.b.wild.test' }, 'server'],
    [listening, { servername: 'unknown.test' }, 'server'],
    [listening, rsaOnly, 'serverRsa'],
    [scanning, { servername: 'unknown.test', ...rsaOnly }, 'serverRsa'],
  ];
  for (const [where, options, expected] of table) {
    const { peer, result } = await visit(where.port, options);
    assert.equal(result, 'pong');
    assert.equal(peer, `O=mesh\nCN=${expected}`, JSON.stringify(options));
  }
  const { localSubject, localDnsSans } = listening.admitted[3].connection.tls!;
  assert.deepEqual([localSubject, localDnsSans], ['CN=otherServer,O=mesh', ['other.test', '*.wild.test']]);
});

describe('clients that behave badly', () => {
  async function helloOf(): Promise<Buffer> {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const hello = new Promise<Buffer>((resolve) =>
      server.once('connection', (socket) => {
        socket.on('error', () => {});
        socket.once('data', (data: Buffer) => {
          resolve(data);
          socket.destroy();
        });
      }),
    );
    void visit((server.address() as net.AddressInfo).port, { maxVersion: 'TLSv1.2' });
    const bytes = await hello;
    server.close();
    return bytes;
  }

  async function send(t: TestContext, port: number, after: (socket: net.Socket) => void): Promise<void> {
    const socket = net.connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.on('error', () => {});
    socket.write(await helloOf());
    // Whatever the server answers, the handshake is under way.
    await new Promise((resolve) => socket.once('data', resolve));
    after(socket);
  }

  test('they go away', async (t) => {
    const listening = await serve(t, context());
    await send(t, listening.port, (socket) => socket.end());
    await until(() => listening.failures.length === 1);
    await send(t, listening.port, (socket) => socket.resetAndDestroy());
    await until(() => listening.failures.length === 2);
    for (const { reason, explanation } of listening.failures) {
      assert.equal(reason, '');
      assert.match(explanation, /client .*(closed the connection|ECONNRESET)/);
    }
  });

  test('they send something else, or an alert', async (t) => {
    const listening = await serve(t, context());
    await send(t, listening.port, (socket) => socket.write('this is no TLS at all'));
    await until(() => listening.failures.length === 1);
    await send(t, listening.port, (socket) => socket.write(Buffer.from([21, 3, 3, 0, 2, 2, 48])));
    await until(() => listening.failures.length === 2);
    assert.match(listening.failures[0].reason, /^TLS_error:\|\d+:SSL routines:OPENSSL_internal:[A-Z_]+:TLS_error_end$/);
    assert.equal(
      listening.failures[1].reason,
      'TLS_error:|268436504:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA:TLS_error_end',
    );
    assert.match(listening.failures[1].explanation, /the peer ended the handshake with the alert unknown_ca/);
  });

  test('a handshake that is given up says nothing more', async (t) => {
    const b = bench(t);
    const transport = downstream(b, context());
    let outcomes = 0;
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      const hello = {
        sni: '',
        alpn: [],
        legacyVersion: 771,
        supportedVersions: [],
        cipherSuites: [],
        extensions: [],
        groups: [],
        pointFormats: [],
        signatureAlgorithms: [],
      };
      transport.accept(socket, hello, () => outcomes++).cancel();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const seen = await visit((server.address() as net.AddressInfo).port, {});
    assert.notEqual(seen.result, 'pong');
    assert.equal(outcomes, 0);
  });

  test('renegotiation is refused', async (t) => {
    const listening = await serve(t, context());
    const { connect } = await import('node:tls');
    const socket = connect({
      port: listening.port,
      host: '127.0.0.1',
      maxVersion: 'TLSv1.2',
      rejectUnauthorized: false,
    });
    t.after(() => socket.destroy());
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const refused = new Promise<Error>((resolve) => socket.once('error', resolve));
    assert.ok(socket.renegotiate({}, () => {}));
    assert.match((await refused).message, /renegotiation/i);
  });
});

test('half-close goes both ways, and close_notify comes', async (t) => {
  const listening = await serve(t, context());
  const seen = await visit(listening.port, {});
  assert.equal(seen.result, 'pong');
  const [owned] = listening.admitted;
  await until(() => owned.closed !== undefined);
  assert.ok(owned.ended);
  assert.equal(owned.closed, 'remote');
});

test('data that comes on the heels of the handshake is not lost, and large chains work', async (t) => {
  const rest = await Promise.all(
    Array.from({ length: 20 }, (_, i) => make(`extra${i}`, { issuer: pki.root, rsa: i < 4 })),
  );
  const long = await make('long', {
    issuer: pki.root,
    rsa: true,
    along: rest,
    names: spiffe('cluster.local/ns/a/sa/client'),
  });
  const listening = await serve(t, mutual(trust(pki.root)));
  const text = 'x'.repeat(300_000);
  const seen = await visit(listening.port, as(long, 'TLSv1.3'), text);
  assert.match(seen.result, /^(pong)+$/);
  await until(() => listening.admitted[0].received.length === text.length);
});

test('statistics', async (t) => {
  const b = bench(t);
  const stats = newTransportStats();
  const listening = await listen(t, b, downstream(b, mutual(exactly), stats));
  await visit(listening.port, as(pki.good, 'TLSv1.3'));
  await visit(listening.port, as(pki.wrongId, 'TLSv1.3'));
  await visit(listening.port, as(pki.otherRoot, 'TLSv1.3'));
  await visit(listening.port, as(undefined, 'TLSv1.3'));
  await until(() => listening.failures.length === 3);
  const { handshake, connection_error, fail_verify_san, fail_verify_error, fail_verify_no_cert } = stats.ssl;
  assert.deepEqual(
    [handshake, connection_error, fail_verify_san, fail_verify_error, fail_verify_no_cert],
    [1, 0, 1, 1, 1],
  );
  assert.deepEqual(
    [...stats.ssl.dynamic()],
    [
      ['ciphers.TLS_AES_128_GCM_SHA256', 1],
      ['versions.TLSv1.3', 1],
    ],
  );
});

test('what is refused of a configuration, with its path', async (t) => {
  const b = bench(t);
  const table: [JsonObject, RegExp][] = [
    [{}, /^common_tls_context: a server needs tls_certificates/],
    [context({}, { require_client_certificate: true }), /^require_client_certificate: needs a validation context/],
    [context({}, { ocsp_staple_policy: 'MUST_STAPLE' }), /^ocsp_staple_policy: MUST_STAPLE is not supported/],
    [context({}, { require_sni: true }), /^require_sni: is not supported/],
    [context({ key_log: { path: '/x' } }), /^common_tls_context.key_log: is not supported/],
    [context({ custom_handshaker: { name: 'x' } }), /^common_tls_context.custom_handshaker: is not supported/],
    [
      { common_tls_context: { tls_certificates: [keyPairJson({ ...pki.server, keyPem: pki.good.keyPem })] } },
      /^common_tls_context.tls_certificates\[0\].private_key: Failed to load private key from <inline>, Cause: .*KEY_VALUES_MISMATCH/,
    ],
    [
      context({ validation_context: { match_subject_alt_names: [{ exact: 'x' }] } }),
      /validation_context.match_subject_alt_names: SAN-based verification .* without trusted CA is insecure/,
    ],
    [
      context({ validation_context: { trusted_ca: { inline_string: 'nothing' } } }),
      /validation_context.trusted_ca: Failed to load trusted CA certificates from <inline>: it has no certificate/,
    ],
    [context({ tls_params: { cipher_suites: ['NONSENSE'] } }), /tls_params.cipher_suites\[0\]: "NONSENSE" is not/],
    [context({ tls_params: { ecdh_curves: ['P-1'] } }), /tls_params.ecdh_curves\[0\]: "P-1" is not supported/],
    [
      context({ tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_2' } }),
      /tls_params.tls_maximum_protocol_version: is below/,
    ],
    [context({ alpn_protocols: [''] }), /alpn_protocols\[0\]: must have 1 to 255 bytes/],
    [
      context({}, { session_ticket_keys: { keys: [{ inline_string: 'short' }] } }),
      /^session_ticket_keys.keys\[0\]: Incorrect TLS session ticket key length. Length 5, expected length 80/,
    ],
    [
      { common_tls_context: { tls_certificate_sds_secret_configs: [{ name: 'x' }] } },
      /sds_secret_configs\[0\].name: Unknown static secret: x/,
    ],
  ];
  for (const [json, expected] of table) assert.match(downstreamErrors(b, json), expected);
  assert.equal(b.secrets.secureContexts.size, 0);
});
