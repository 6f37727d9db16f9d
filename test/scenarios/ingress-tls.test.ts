import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import {
  apply,
  backend,
  byName,
  curl,
  gateway,
  IsthmusCa,
  type KeyPairFiles,
  meshFiles,
  OpensslCa,
  routeTo,
  secret,
  service,
  tlsSecret,
  virtualService,
} from '../support/ingress.ts';
import { underLoad } from '../support/load.ts';
import { HttpClient, refused } from '../support/load-clients.ts';
import { execute, TestedMesh } from '../support/local-mesh.ts';
import { scratch, until } from '../support/reference.ts';

const HOST = 'api.example.com';
const HTTP = { port: 80, protocol: 'HTTP', name: 'http', hosts: [HOST] };
const HTTPS = { port: 443, protocol: 'HTTPS', name: 'https', hosts: [HOST] };
const MOUNTED = '/etc/istio/ingressgateway-certs';
const MOUNTED_CA = '/etc/istio/ingressgateway-ca-certs';

test('ingress of HTTPS', async (t) => {
  const mesh = await TestedMesh.start(t, meshFiles(backend('web', 'v1'), service('web')));
  const folder = scratch(t);
  const ca = await IsthmusCa.create(mesh, path.join(folder, 'isthmus'));
  const openssl = await OpensslCa.create(path.join(folder, 'openssl'));
  /** Both authorities. */
  const roots = path.join(folder, 'roots.pem');
  fs.writeFileSync(roots, fs.readFileSync(ca.root, 'utf8') + fs.readFileSync(openssl.root, 'utf8'));
  const [address = '', port = ''] = mesh.gateway(443).split(':');
  const https = (tlsSettings: object) => gateway('edge', HTTP, { ...HTTPS, tls: { mode: 'SIMPLE', ...tlsSettings } });
  const ask = (...args: string[]) => curl(mesh, ...args, ...byName(mesh, 443, HOST));
  const plain = () => new HttpClient({ url: `http://${mesh.gateway(80)}/items?a=b`, host: HOST });
  /** Sorts by status, certificate of the server, and what the gateway says of the client's. */
  const secure = (files?: KeyPairFiles) =>
    new HttpClient({
      url: `https://${mesh.gateway(443)}/`,
      host: HOST,
      tls: {
        ca: fs.readFileSync(roots),
        ...(files ? { cert: fs.readFileSync(files.cert), key: fs.readFileSync(files.key) } : {}),
      },
      sort: ({ status, serial, body }) => [status, serial, ...(/CN=\w+/.exec(body) ?? [])].join(' '),
    });

  /** Serial number of the certificate that a new connection is shown. */
  const serial = (servername = HOST) =>
    new Promise<string | undefined>((resolve) => {
      const socket = tls.connect({ host: address, port: Number(port), servername, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
      socket.on('error', () => resolve(undefined));
    });
  const serialOf = async ({ cert }: KeyPairFiles) =>
    (await execute('openssl', ['x509', '-in', cert, '-noout', '-serial'])).stdout.trim().replace('serial=', '');

  /** What a client meets: it must know the authority, and call the server by its name. */
  const checkTrust = async ({ ca: root }: { readonly ca: string }) => {
    const stranger = await ask();
    assert.equal(stranger.code, 60, stranger.error);
    assert.match(stranger.error, /unable to get local issuer certificate|self-signed certificate/);
    const byAddress = await curl(mesh, '--cacert', root, '-H', `Host: ${HOST}`, `https://${mesh.gateway(443)}/`);
    assert.deepEqual([byAddress.status, byAddress.code], [0, 35], 'an address is no name that is served');
    const wrongName = await execute('openssl', [
      ...['s_client', '-connect', mesh.gateway(443), '-servername', HOST, '-CAfile', root],
      ...['-verify_return_error', '-verify_hostname', `other.${HOST}`],
    ]);
    assert.match(wrongName.stderr, /hostname mismatch/i);
    assert.notEqual(wrongName.code, 0);
    const right = await ask('--cacert', root);
    assert.deepEqual([right.status, right.code], [200, 0], right.error);
    assert.equal(JSON.parse(right.body).headers['x-forwarded-proto'], 'https');
  };

  await apply(mesh, gateway('edge', HTTP), virtualService('web', HOST, 'edge', routeTo('web')));

  await t.test('SIMPLE with files of the secret istio-ingressgateway-certs', async () => {
    const pair = await ca.issue(HOST);
    const files = { serverCertificate: `${MOUNTED}/tls.crt`, privateKey: `${MOUNTED}/tls.key` };
    const first = await serialOf(pair);
    const missing =
      /istio-ingressgateway-\S+: the secret file-cert:\/etc\/istio\/ingressgateway-certs\/tls\.crt~\S+ has not come/;
    await underLoad(plain(), async (load) => {
      await load.change({ make: () => apply(mesh, https(files)), sees: 'refused', by: refused(secure()) });
      assert.equal((await ask('--cacert', pair.ca)).code, 35, 'there is no secret yet');
      assert.match((await mesh.isthmus(['status'])).stdout, missing);
      await load.change({
        make: async () => {
          await apply(mesh, tlsSecret('istio-ingressgateway-certs', pair), https(files));
          // Files that a pod has mounted come to it after what apply waits for.
          await until('the certificate is served', async () => (await serial()) === first || undefined);
        },
        sees: `200 ${first}`,
        by: secure(),
      });
    });
    await checkTrust(pair);
    assert.doesNotMatch((await mesh.isthmus(['status'])).stdout, missing);

    // Another certificate in the same files: new connections see it, and those that are open go on.
    const renewed = await ca.issue(HOST);
    const renewedSerial = await serialOf(renewed);
    assert.notEqual(renewedSerial, await serial());
    await underLoad(secure(), (load) =>
      load.change({
        make: async () => {
          await apply(mesh, tlsSecret('istio-ingressgateway-certs', renewed));
          await until('the new certificate is served', async () => (await serial()) === renewedSerial || undefined);
        },
        sees: `200 ${renewedSerial}`,
      }),
    );
  });

  await t.test('SIMPLE with credentialName: a generic secret, a tls secret, replaced under load', async () => {
    const generic = await openssl.issue(HOST);
    const typed = await ca.issue(HOST);
    const replaced = await openssl.issue(HOST);
    await underLoad(secure(), async (load) => {
      await load.change({
        make: () =>
          apply(
            mesh,
            secret('generic', { cert: generic.cert, key: generic.key }),
            https({ credentialName: 'generic' }),
          ),
        sees: `200 ${await serialOf(generic)}`,
      });
      await checkTrust(generic);
      await load.change({
        make: () => apply(mesh, tlsSecret('typed', typed), https({ credentialName: 'typed' })),
        sees: `200 ${await serialOf(typed)}`,
      });
      await checkTrust(typed);
      // New at once: the wait is for the secret, too.
      await load.change({
        make: () => apply(mesh, tlsSecret('typed', replaced)),
        sees: `200 ${await serialOf(replaced)}`,
      });
      await checkTrust(replaced);
    });
  });

  await t.test('a secret that is no pair is refused, and the last good one stays', async () => {
    const one = await openssl.issue(HOST);
    const other = await openssl.issue(HOST);
    await underLoad(secure(), async (load) => {
      await load.change({
        make: async () => {
          const wrong = tlsSecret('typed', { ...one, key: other.key });
          const { stdout, stderr } = await mesh.isthmus(['apply', '--wait', '-f', '-'], wrong);
          assert.match(stdout + stderr, /typed/);
        },
        sees: `200 ${await serial()}`,
      });
      await load.change({ make: () => apply(mesh, tlsSecret('typed', one)), sees: `200 ${await serialOf(one)}` });
    });
  });

  await t.test('httpsRedirect: 301 to the same place, under load', async () => {
    const redirect = gateway(
      'edge',
      { ...HTTP, tls: { httpsRedirect: true } },
      { ...HTTPS, tls: { mode: 'SIMPLE', credentialName: 'typed' } },
    );
    await underLoad(plain(), async (load) => {
      await load.change({ make: () => apply(mesh, redirect), sees: '301' });
      const { status, headers } = await curl(mesh, '-H', `Host: ${HOST}`, `http://${mesh.gateway(80)}/items?a=b`);
      assert.equal(status, 301);
      assert.match(headers, new RegExp(`^location: https://${HOST}/items\\?a=b\\r?$`, 'm'));
      assert.equal((await ask('--cacert', openssl.root)).status, 200);
      await load.change({ make: () => apply(mesh, https({ credentialName: 'typed' })), sees: '200' });
      assert.deepEqual([...load.answers.keys()], ['200', '301']);
    });
  });

  await t.test('MUTUAL with files, with credentialName, and OPTIONAL_MUTUAL', async () => {
    const client = await ca.issue('someone', '--client');
    const stranger = await openssl.issue('stranger');
    const own = ['--cacert', openssl.root];
    const withClient = [...own, '--cert', client.cert, '--key', client.key];
    const withStranger = [...own, '--cert', stranger.cert, '--key', stranger.key];
    const [first, second, third] = [await openssl.issue(HOST), await openssl.issue(HOST), await openssl.issue(HOST)];
    const isRefused = async (...args: string[]) => {
      const { status, code, error } = await ask(...args);
      assert.equal(status, 0, 'no request gets through');
      // What comes first: the alert, or the end of the connection while curl writes or reads.
      assert.ok([35, 55, 56].includes(Number(code)), `curl ends with ${code}: ${error}`);
    };
    const onlyWithClient = async () => {
      await isRefused(...own);
      await isRefused(...withStranger);
      assert.equal((await ask(...withClient)).status, 200);
    };
    await underLoad(secure(client), async (load) => {
      const withServer = async (pair: KeyPairFiles) => `200 ${await serialOf(pair)} CN=someone`;
      await load.change({
        make: async () => {
          await apply(
            mesh,
            tlsSecret('istio-ingressgateway-certs', first),
            secret('istio-ingressgateway-ca-certs', { 'ca-chain.cert.pem': ca.root }),
            https({
              mode: 'MUTUAL',
              serverCertificate: `${MOUNTED}/tls.crt`,
              privateKey: `${MOUNTED}/tls.key`,
              caCertificates: `${MOUNTED_CA}/ca-chain.cert.pem`,
            }),
          );
          // The gateway may name the mounted files a moment before they are replaced.
          await until('the files are served', async () => (await serial()) === (await serialOf(first)) || undefined);
        },
        sees: await withServer(first),
      });
      await onlyWithClient();
      // curl may notice the end before it reads why; this client only reads.
      const reader = ['s_client', '-connect', mesh.gateway(443), '-servername', HOST, '-ign_eof'];
      assert.match((await execute('openssl', reader)).stderr, /alert certificate required/);

      await load.change({
        make: () =>
          apply(
            mesh,
            secret('both', { cert: second.cert, key: second.key, cacert: ca.root }),
            https({ mode: 'MUTUAL', credentialName: 'both' }),
          ),
        sees: await withServer(second),
      });
      await onlyWithClient();

      // The authorities in a secret of their own.
      await load.change({
        make: () =>
          apply(
            mesh,
            tlsSecret('split', third),
            secret('split-cacert', { cacert: ca.root }),
            https({ mode: 'MUTUAL', credentialName: 'split' }),
          ),
        sees: await withServer(third),
      });
      await onlyWithClient();

      // A certificate is asked for, not required.
      await load.change({
        make: () => apply(mesh, https({ mode: 'OPTIONAL_MUTUAL', credentialName: 'split' })),
        sees: `200 ${await serialOf(third)}`,
        by: secure(),
      });
      assert.equal((await ask(...withClient)).status, 200);
      await isRefused(...withStranger);
    });
  });
});
