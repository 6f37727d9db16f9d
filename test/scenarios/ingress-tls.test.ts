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
import { Load } from '../support/load.ts';
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
  const httpLoad = () => Load.start(t, { url: `http://${mesh.gateway(80)}/`, host: HOST, rate: 500 });
  const httpsLoad = (root: string, rate = 500, more: object = {}) =>
    Load.start(t, {
      url: `https://${mesh.gateway(443)}/`,
      host: HOST,
      rate,
      tls: { ca: fs.readFileSync(root), servername: HOST, ...more },
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
    const load = httpLoad();
    await load.see('200');
    const pair = await ca.issue(HOST);
    const files = { serverCertificate: `${MOUNTED}/tls.crt`, privateKey: `${MOUNTED}/tls.key` };
    await apply(mesh, https(files));
    assert.equal((await ask('--cacert', pair.ca)).code, 35, 'there is no secret yet');
    const missing =
      /istio-ingressgateway-\S+: the secret file-cert:\/etc\/istio\/ingressgateway-certs\/tls\.crt~\S+ has not come/;
    assert.match((await mesh.isthmus(['status'])).stdout, missing);
    await apply(mesh, tlsSecret('istio-ingressgateway-certs', pair), https(files));
    await checkTrust(pair);
    assert.equal(await serial(), await serialOf(pair));
    assert.doesNotMatch((await mesh.isthmus(['status'])).stdout, missing);

    // Another certificate in the same files: new connections see it, and those that are open go on.
    const tlsLoad = httpsLoad(ca.root);
    await tlsLoad.see('200');
    const renewed = await ca.issue(HOST);
    const renewedSerial = await serialOf(renewed);
    assert.notEqual(renewedSerial, await serial());
    await apply(mesh, tlsSecret('istio-ingressgateway-certs', renewed));
    await until('the new certificate is served', async () => (await serial()) === renewedSerial || undefined);
    await tlsLoad.see('200', 500);
    for (const { stop } of [load, tlsLoad].map((l) => ({ stop: () => l.stop() }))) await stop();
    for (const each of [load, tlsLoad]) {
      assert.deepEqual([each.failed, each.failures], [0, []]);
      assert.equal(each.count('200'), each.sent);
      assert.ok(each.sent >= 500, `${each.sent} requests`);
    }
  });

  await t.test('SIMPLE with credentialName: a generic secret, a tls secret, replaced under load', async () => {
    // What serves is made of another secret now, with another root.
    const load = httpsLoad(roots, 1000);
    await load.see('200');
    const generic = await openssl.issue(HOST);
    await apply(
      mesh,
      secret('generic', { cert: generic.cert, key: generic.key }),
      https({ credentialName: 'generic' }),
    );
    assert.equal(await serial(), await serialOf(generic));
    await checkTrust(generic);

    const typed = await ca.issue(HOST);
    await apply(mesh, tlsSecret('typed', typed), https({ credentialName: 'typed' }));
    assert.equal(await serial(), await serialOf(typed));
    await checkTrust(typed);

    const replaced = await openssl.issue(HOST);
    await apply(mesh, tlsSecret('typed', replaced));
    assert.equal(await serial(), await serialOf(replaced), 'new at once: the wait is for the secret, too');
    await checkTrust(replaced);
    await load.see('200', 500);
    await load.stop();
    assert.deepEqual([load.failed, load.failures], [0, []]);
    assert.equal(load.count('200'), load.sent);
    assert.ok(load.sent >= 2000, `${load.sent} requests`);
  });

  await t.test('a secret that is no pair is refused, and the last good one stays', async () => {
    const before = await serial();
    const one = await openssl.issue(HOST);
    const other = await openssl.issue(HOST);
    const { stdout, stderr } = await mesh.isthmus(
      ['apply', '--wait', '-f', '-'],
      tlsSecret('typed', { ...one, key: other.key }),
    );
    assert.match(stdout + stderr, /typed/);
    assert.equal(await serial(), before);
    await apply(mesh, tlsSecret('typed', one));
    assert.equal(await serial(), await serialOf(one));
  });

  await t.test('httpsRedirect: 301 to the same place, under load', async () => {
    const load = Load.start(t, { url: `http://${mesh.gateway(80)}/items?a=b`, host: HOST });
    await load.see('200');
    await apply(
      mesh,
      gateway(
        'edge',
        { ...HTTP, tls: { httpsRedirect: true } },
        { ...HTTPS, tls: { mode: 'SIMPLE', credentialName: 'typed' } },
      ),
    );
    await load.see('301');
    const { status, headers } = await curl(mesh, '-H', `Host: ${HOST}`, `http://${mesh.gateway(80)}/items?a=b`);
    assert.equal(status, 301);
    assert.match(headers, new RegExp(`^location: https://${HOST}/items\\?a=b\\r?$`, 'm'));
    assert.equal((await ask('--cacert', openssl.root)).status, 200);
    await load.stop();
    assert.deepEqual([load.failed, load.failures], [0, []]);
    assert.equal(load.count('200') + load.count('301'), load.sent);
    await apply(mesh, https({ credentialName: 'typed' }));
    assert.equal((await curl(mesh, '-H', `Host: ${HOST}`, `http://${mesh.gateway(80)}/`)).status, 200);
  });

  await t.test('MUTUAL with files, with credentialName, and OPTIONAL_MUTUAL', async () => {
    const client = await ca.issue('someone', '--client');
    const stranger = await openssl.issue('stranger');
    const own = ['--cacert', openssl.root];
    const withClient = [...own, '--cert', client.cert, '--key', client.key];
    const withStranger = [...own, '--cert', stranger.cert, '--key', stranger.key];
    const server = await openssl.issue(HOST);
    // The gateway may name the mounted files a moment before they are replaced: the old ones are of the other authority.
    const load = httpsLoad(roots, 1000, {
      cert: fs.readFileSync(client.cert),
      key: fs.readFileSync(client.key),
    });
    await load.see('200');

    const refused = async (...args: string[]) => {
      const { status, code, error } = await ask(...args);
      assert.equal(status, 0, 'no request gets through');
      // What comes first: the alert, or the end of the connection while curl writes or reads.
      assert.ok([35, 55, 56].includes(Number(code)), `curl ends with ${code}: ${error}`);
    };
    await apply(
      mesh,
      tlsSecret('istio-ingressgateway-certs', server),
      secret('istio-ingressgateway-ca-certs', { 'ca-chain.cert.pem': ca.root }),
      https({
        mode: 'MUTUAL',
        serverCertificate: `${MOUNTED}/tls.crt`,
        privateKey: `${MOUNTED}/tls.key`,
        caCertificates: `${MOUNTED_CA}/ca-chain.cert.pem`,
      }),
    );
    await until('the files are served', async () => (await serial()) === (await serialOf(server)) || undefined);
    await refused(...own);
    await refused(...withStranger);
    const { status, body } = await ask(...withClient);
    assert.equal(status, 200);
    assert.match(JSON.parse(body).headers['x-forwarded-client-cert'], /Subject="CN=someone"/);
    // curl may notice the end before it reads why; this client only reads.
    const reader = ['s_client', '-connect', mesh.gateway(443), '-servername', HOST, '-ign_eof'];
    assert.match((await execute('openssl', reader)).stderr, /alert certificate required/);

    await apply(
      mesh,
      secret('both', { cert: server.cert, key: server.key, cacert: ca.root }),
      https({ mode: 'MUTUAL', credentialName: 'both' }),
    );
    await refused(...own);
    await refused(...withStranger);
    assert.equal((await ask(...withClient)).status, 200);

    // The authorities in a secret of their own.
    await apply(
      mesh,
      tlsSecret('split', server),
      secret('split-cacert', { cacert: ca.root }),
      https({ mode: 'MUTUAL', credentialName: 'split' }),
    );
    await refused(...own);
    assert.equal((await ask(...withClient)).status, 200);

    await apply(mesh, https({ mode: 'OPTIONAL_MUTUAL', credentialName: 'split' }));
    assert.equal((await ask(...own)).status, 200, 'no certificate is asked for, not required');
    assert.equal((await ask(...withClient)).status, 200);
    await refused(...withStranger);

    await load.see('200', 500);
    await load.stop();
    assert.deepEqual([load.failed, load.failures], [0, []]);
    assert.equal(load.count('200'), load.sent);
    assert.ok(load.sent >= 2000, `${load.sent} requests`);
  });
});
