import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import type { JsonObject } from '@bufbuild/protobuf';
import { makeCrl, testPki } from '../../src/proxy/tls/pki.test.ts';
import { any, cluster, fileLog, httpListener } from '../support/envoy-config.ts';
import { until, withoutReference } from '../support/reference.ts';
import { type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

/** What clients get of listeners with TLS: versions, ciphers, protocols, certificates, sessions, and who is told of whom. */

const pki = await testPki();
type Name = keyof typeof pki;

const pair = (name: Name): JsonObject => ({
  certificate_chain: { inline_string: pki[name].pem },
  private_key: { inline_string: pki[name].keyPem },
});
const ROOT: JsonObject = { trusted_ca: { inline_string: pki.root.ownPem } };
const leafOf = (name: Name) => new X509Certificate(pki[name].ownPem);
const sha256 = (bytes: Uint8Array, encoding: 'hex' | 'base64') => createHash('sha256').update(bytes).digest(encoding);
const spki = (name: Name) => sha256(leafOf(name).publicKey.export({ type: 'spki', format: 'der' }), 'base64');

interface Server {
  readonly certificates?: readonly Name[];
  readonly params?: JsonObject;
  readonly alpn?: readonly string[];
  readonly validation?: JsonObject;
  readonly more?: JsonObject;
}

const required = (validation: JsonObject): Server => ({ validation, more: { require_client_certificate: true } });
const named = (type: string, matcher: JsonObject): Server =>
  required({ ...ROOT, match_typed_subject_alt_names: [{ san_type: type, matcher }] });
const versions = (from: string, to: string): Server => ({
  params: { tls_minimum_protocol_version: from, tls_maximum_protocol_version: to },
});

async function servers(): Promise<Readonly<Record<string, Server>>> {
  const revoked = { inline_string: await makeCrl(pki.root, [pki.good]) };
  const other = { inline_string: await makeCrl(pki.root, [pki.wrongId]) };
  return {
    plain: {},
    'TLS 1.2': versions('TLSv1_2', 'TLSv1_2'),
    'TLS 1.3': versions('TLSv1_3', 'TLSv1_3'),
    'at least TLS 1.3': { params: { tls_minimum_protocol_version: 'TLSv1_3' } },
    'at most TLS 1.2': { params: { tls_maximum_protocol_version: 'TLSv1_2' } },
    'one cipher': { params: { cipher_suites: ['ECDHE-ECDSA-AES256-GCM-SHA384'] } },
    'a group of ciphers': {
      params: { cipher_suites: ['[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]'] },
    },
    'ciphers for RSA': { params: { cipher_suites: ['ECDHE-RSA-AES128-GCM-SHA256'] } },
    'one curve': { params: { ecdh_curves: ['P-256'] } },
    'both kinds of keys': { certificates: ['serverRsa', 'server'] },
    'two names': { certificates: ['server', 'otherServer'] },
    'two names, all looked at': {
      certificates: ['server', 'otherServer'],
      more: { full_scan_certs_on_sni_mismatch: true },
    },
    'both protocols': { alpn: ['h2', 'http/1.1'] },
    'one protocol': { alpn: ['http/1.1'] },
    'asks for a certificate': { validation: ROOT },
    'wants a certificate': required(ROOT),
    'by hash': required({ ...ROOT, verify_certificate_hash: [leafOf('good').fingerprint256] }),
    'by hash alone': required({ verify_certificate_hash: [sha256(leafOf('good').raw, 'hex')] }),
    'by key': required({ ...ROOT, verify_certificate_spki: [spki('good')] }),
    'by key or hash': required({
      verify_certificate_spki: [spki('wrongId')],
      verify_certificate_hash: [sha256(leafOf('good').raw, 'hex')],
    }),
    'accepts untrusted': required({ ...ROOT, trust_chain_verification: 'ACCEPT_UNTRUSTED' }),
    'allows expired': required({ ...ROOT, allow_expired_certificate: true }),
    'no authorities': required({ ...ROOT, max_verify_depth: 0 }),
    'one authority': required({ ...ROOT, max_verify_depth: 1 }),
    'two authorities': required({ ...ROOT, max_verify_depth: 2 }),
    revoked: required({ ...ROOT, crl: revoked }),
    'somebody else is revoked': required({ ...ROOT, crl: other }),
    'revoked, of leaves only': required({ ...ROOT, crl: revoked, only_verify_leaf_cert_crl: true }),
    'by URI': named('URI', { exact: 'spiffe://cluster.local/ns/a/sa/client' }),
    'by the beginning of a URI': named('URI', { prefix: 'spiffe://cluster.local/' }),
    'by the end of a URI': named('URI', { suffix: '/sa/intruder' }),
    'by a part of a URI': named('URI', { contains: 'NS/A', ignore_case: true }),
    'by a pattern of a URI': named('URI', { safe_regex: { regex: 'spiffe://[a-z.]+/ns/a/sa/c.*' } }),
    'by DNS': named('DNS', { exact: 'client.test' }),
    'by e-mail': named('EMAIL', { exact: 'a@client.test' }),
    'by address': named('IP_ADDRESS', { exact: '127.0.0.1' }),
    'no tickets': { more: { disable_stateless_session_resumption: true } },
    'no sessions': {
      more: { disable_stateless_session_resumption: true, disable_stateful_session_resumption: true },
    },
    'keys of tickets': {
      more: { session_ticket_keys: { keys: [{ inline_bytes: Buffer.alloc(80, 7).toString('base64') }] } },
    },
    'staples if there are any': { more: { ocsp_staple_policy: 'STRICT_STAPLING' } },
  };
}

const certificate = (name: Name): tls.ConnectionOptions => ({ cert: pki[name].pem, key: pki[name].keyPem });

const CLIENTS: Readonly<Record<string, tls.ConnectionOptions>> = {
  plain: {},
  'TLS 1.2': { maxVersion: 'TLSv1.2' },
  'TLS 1.3': { minVersion: 'TLSv1.3' },
  'TLS 1.1': { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
  'for RSA': { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
  'one cipher': { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' },
  'an old cipher': { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' },
  'another curve': { ecdhCurve: 'P-384' },
  'of a name': { servername: 'server.test' },
  'of another name': { servername: 'other.test' },
  'of any name': { servername: 'x.wild.test' },
  'of a name that nobody has': { servername: 'nobody.test' },
  'HTTP/1.1': { ALPNProtocols: ['http/1.1'] },
  'HTTP/1.1 before': { ALPNProtocols: ['http/1.1', 'h2'] },
  'another protocol': { ALPNProtocols: ['foo'] },
  good: certificate('good'),
  'good, TLS 1.2': { ...certificate('good'), maxVersion: 'TLSv1.2' },
  'another root': certificate('otherRoot'),
  expired: certificate('expired'),
  intermediate: certificate('withIntermediate'),
  wrong: certificate('wrongId'),
  'no names': certificate('noNames'),
};

const LOG = [
  '%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %REQUESTED_SERVER_NAME% %DOWNSTREAM_PEER_URI_SAN%',
  '%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_FINGERPRINT_256% %DOWNSTREAM_LOCAL_SUBJECT%',
  '%DOWNSTREAM_TRANSPORT_FAILURE_REASON%',
].join(' ');

function listener(env: TwinEnv, name: string, server: Server, manager: JsonObject = {}): JsonObject {
  const { certificates = ['server'], params, alpn, validation, more } = server;
  const made = httpListener(name, {
    port: env.port(name),
    log: env.log(name),
    manager: { access_log: [], ...manager },
  });
  const [chain] = made.filter_chains as JsonObject[];
  const context: JsonObject = {
    common_tls_context: {
      tls_certificates: certificates.map(pair),
      ...(params && { tls_params: params }),
      ...(alpn && { alpn_protocols: [...alpn] }),
      ...(validation && { validation_context: validation }),
    },
    ...more,
  };
  const transport_socket = {
    name: 'tls',
    typed_config: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', context),
  };
  return { ...made, access_log: [fileLog(env.log(name), LOG)], filter_chains: [{ ...chain, transport_socket }] };
}

/**
 * Where a client that comes again shakes hands with us once more, while Envoy knows it: sessions without tickets would
 * have to be kept here, and verdicts that OpenSSL does not give are given anew.
 */
const ANEW = /^(?:allows expired|(?:no|two) authorities|one authority|no tickets|no sessions)$/;

const anyOf13 = (text: string) => text.replace(/\bTLS_(?:AES|CHACHA20)_\w+/g, '<cipher>');

interface Outcome {
  readonly said: string;
  readonly session: Buffer | undefined;
}

/** One connection with one request, and what the client knows of it. */
async function visit(port: number, options: tls.ConnectionOptions, headers = ''): Promise<Outcome> {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  let failure = '';
  let answer = '';
  let handshake = '';
  let session: Buffer | undefined;
  let over = false;
  socket.on('session', (given) => {
    session = given;
  });
  socket.on('secureConnect', () => {
    const subject = socket.getPeerX509Certificate()?.subject ?? '';
    // Of the ciphers of TLS 1.3 Envoy takes the client's first, we the one that costs least.
    const name = anyOf13(socket.getCipher().name);
    const { alpnProtocol } = socket;
    handshake = `${socket.getProtocol()} ${name} ${alpnProtocol} ${subject} resumed=${socket.isSessionReused()}`;
    if (alpnProtocol === 'h2') {
      answer = 'h2';
      socket.end();
      return;
    }
    socket.write(`GET / HTTP/1.1\r\nhost: a\r\n${headers}connection: close\r\n\r\n`);
  });
  socket.on('data', (chunk: Buffer) => {
    answer ||= chunk.toString('latin1').split('\r\n')[0]!;
    socket.end();
  });
  socket.on('error', (error: Error) => {
    failure ||=
      /SSL alert number (\d+)/.exec(error.message)?.[1] ?? (error as NodeJS.ErrnoException).code ?? error.message;
  });
  socket.on('close', () => {
    over = true;
  });
  await until('it is over', () => over, 4000).catch(() => socket.destroy());
  // A peer that is refused under TLS 1.3 has seen the handshake succeed before.
  return { said: answer === '' ? `refused: ${failure}` : `${handshake} ${answer}`, session };
}

async function nextLine(twin: Twin, name: string): Promise<string> {
  const lines: string[] = [];
  const read = async () => lines.push(...(await twin.logLines(name, 0))) > 0 || undefined;
  await until('a line', read, 4000).catch(() => {});
  // Of a handshake that has failed Envoy tells what was agreed on until then.
  return anyOf13(lines.join(' | '))
    .replace(/^.*(?=TLS_error)/, '')
    .replace('WRONG_CURVE', 'NO_SHARED_CIPHER')
    .replace('268435699', '268435640');
}

test('TLS of listeners as with Envoy', { skip: withoutReference, timeout: 180_000 }, async (t: TestContext) => {
  const all = await servers();
  const names = Object.keys(all);
  const twins = await twinProxies(t, {
    listeners: names,
    bootstrap: (env) => ({
      static_resources: {
        listeners: names.map((name) => listener(env, name, all[name]!)),
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  for (const name of names) {
    await t.test(name, async () => {
      const seen = async (twin: Twin) => {
        const found: string[] = [];
        for (const [client, options] of Object.entries(CLIENTS)) {
          const { said, session } = await visit(twin.env.port(name), options);
          found.push(`${client}: ${said}`, `  ${await nextLine(twin, name)}`);
          if (session === undefined || ANEW.test(name) || !/^(?:plain|TLS 1\.2|good)/.test(client)) continue;
          const again = await visit(twin.env.port(name), { ...options, session });
          found.push(`${client}, again: ${again.said}`, `  ${await nextLine(twin, name)}`);
        }
        return found;
      };
      const [envoy, isthmus] = await Promise.all([seen(twins.envoy), seen(twins.isthmus)]);
      assert.deepEqual(isthmus, envoy);
    });
  }
});

const MODES = ['SANITIZE', 'FORWARD_ONLY', 'APPEND_FORWARD', 'SANITIZE_SET', 'ALWAYS_FORWARD_ONLY'];
const DETAILS: readonly JsonObject[] = [
  {},
  { subject: true, dns: true, uri: true },
  { cert: true, chain: true, uri: true },
];
const GIVEN: readonly string[] = ['', 'x-forwarded-client-cert: By=a;Hash=b;URI=c\r\n'];

test('x-forwarded-client-cert as with Envoy', { skip: withoutReference }, async (t) => {
  const kinds = MODES.flatMap((mode) => DETAILS.map((details, i) => ({ name: `${mode} ${i}`, mode, details })));
  const secured = kinds.map(({ name }) => name);
  const twins = await twinProxies(t, {
    listeners: secured,
    bootstrap: (env) => ({
      static_resources: {
        listeners: kinds.map(({ name, mode, details }) =>
          listener(
            env,
            name,
            { validation: ROOT },
            {
              forward_client_cert_details: mode,
              set_current_client_cert_details: details,
            },
          ),
        ),
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  for (const name of secured) {
    await t.test(name, async () => {
      const seen = async (twin: Twin) => {
        const found: string[] = [];
        const backend = twin.backends.get('backend')!;
        for (const client of ['plain', 'good', 'intermediate', 'no names']) {
          for (const headers of GIVEN) {
            backend.take();
            const { said } = await visit(twin.env.port(name), CLIENTS[client]!, headers);
            const told = backend
              .take()
              .flatMap((request) => request.headers.filter(([h]) => h === 'x-forwarded-client-cert'));
            found.push(`${client} ${headers}: ${said} ${JSON.stringify(told)}`);
          }
        }
        return found;
      };
      const [envoy, isthmus] = await Promise.all([seen(twins.envoy), seen(twins.isthmus)]);
      assert.deepEqual(isthmus, envoy);
    });
  }
});
