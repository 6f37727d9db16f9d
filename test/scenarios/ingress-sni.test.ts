import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import {
  apply,
  backend,
  byName,
  curl,
  gateway,
  IsthmusCa,
  meshFiles,
  OpensslCa,
  routeTo,
  service,
  tlsSecret,
  virtualService,
} from '../support/ingress.ts';
import { underLoad } from '../support/load.ts';
import { HttpClient, refused } from '../support/load-clients.ts';
import { execute, TestedMesh } from '../support/local-mesh.ts';
import { scratch, until } from '../support/reference.ts';

const server = (name: string, hosts: string[], credentialName: string) => ({
  port: 443,
  protocol: 'HTTPS',
  name,
  hosts,
  tls: { mode: 'SIMPLE', credentialName },
});
const PASSTHROUGH = {
  port: 443,
  protocol: 'TLS',
  name: 'tls',
  hosts: ['vault.example.com'],
  tls: { mode: 'PASSTHROUGH' },
};

/** A program that terminates TLS itself, with a certificate from a Secret of its own namespace. */
const vault = (cert: string, key: string) => `
apiVersion: v1
kind: Secret
metadata: {name: vault-cert}
data:
  tls.crt: ${fs.readFileSync(cert, 'base64')}
  tls.key: ${fs.readFileSync(key, 'base64')}
---
apiVersion: v1
kind: Service
metadata: {name: vault}
spec:
  selector: {app: vault}
  ports: [{name: tls, port: 443, targetPort: 8443}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: vault}
spec:
  selector: {matchLabels: {app: vault}}
  template:
    metadata: {labels: {app: vault}}
    spec:
      containers:
      - name: backend
        command: [node, backend.mjs]
        env: [{name: VERSION, value: vault}, {name: TLS_FOLDER, value: /etc/vault}]
        ports: [{name: tls, containerPort: 8443}]
        volumeMounts: [{name: cert, mountPath: /etc/vault}]
      volumes: [{name: cert, secret: {secretName: vault-cert}}]
---
`;

test('several hosts on one port of TLS', async (t) => {
  const mesh = await TestedMesh.start(t, meshFiles(backend('web', 'v1'), service('web')));
  const folder = scratch(t);
  const ca = await IsthmusCa.create(mesh, path.join(folder, 'isthmus'));
  const openssl = await OpensslCa.create(path.join(folder, 'openssl'));
  const shop = await ca.issue('shop.example.com');
  const blog = await openssl.issue('blog.example.com');
  const any = await ca.issue('*.apps.example.com');
  const own = await openssl.issue('vault.example.com');
  const roots = path.join(folder, 'roots.pem');
  fs.writeFileSync(roots, fs.readFileSync(ca.root, 'utf8') + fs.readFileSync(openssl.root, 'utf8'));
  const ask = (host: string, root = roots) => curl(mesh, '--cacert', root, ...byName(mesh, 443, host));
  const subject = async (host: string) => {
    const args = ['s_client', '-connect', mesh.gateway(443), '-servername', host, '-showcerts'];
    const { stdout } = await execute('openssl', args);
    return /subject=(?:CN = )?(.*)/.exec(stdout)?.[1];
  };
  const SHOP = server('shop', ['shop.example.com'], 'shop');
  const BLOG = server('blog', ['blog.example.com'], 'blog');
  const APPS = server('apps', ['*.apps.example.com'], 'apps');

  await apply(
    mesh,
    tlsSecret('shop', shop),
    gateway('edge', SHOP),
    virtualService('shop', 'shop.example.com', 'edge', routeTo('web')),
  );
  const client = (host: string) =>
    new HttpClient({ url: `https://${mesh.gateway(443)}/`, host, tls: { ca: fs.readFileSync(roots) } });
  const shoppers = () => client('shop.example.com');

  await t.test('each host has its own certificate', async () => {
    await underLoad(shoppers(), (load) =>
      load.change({
        make: () =>
          apply(
            mesh,
            tlsSecret('blog', blog),
            gateway('edge', SHOP, BLOG),
            virtualService('blog', 'blog.example.com', 'edge', routeTo('web')),
          ),
        sees: '200',
        by: client('blog.example.com'),
      }),
    );
    assert.equal((await ask('shop.example.com', ca.root)).status, 200);
    assert.equal((await ask('blog.example.com', openssl.root)).status, 200);
    assert.equal((await ask('blog.example.com', ca.root)).code, 60, 'of another authority');
    assert.equal((await ask('nobody.example.com')).code, 35, 'a name that nobody serves');
  });

  await t.test('wildcard hosts, whose certificate is good for one level', async () => {
    await underLoad(shoppers(), (load) =>
      load.change({
        make: () =>
          apply(
            mesh,
            tlsSecret('apps', any),
            gateway('edge', SHOP, BLOG, APPS),
            virtualService('apps', '*.apps.example.com', 'edge', routeTo('web')),
          ),
        sees: '200',
        by: client('one.apps.example.com'),
      }),
    );
    for (const host of ['one.apps.example.com', 'two.apps.example.com']) {
      const { status, body } = await ask(host);
      assert.equal(status, 200, host);
      assert.match(JSON.parse(body).headers.host, new RegExp(`^${host}`));
    }
    const deeper = await ask('a.b.apps.example.com');
    assert.equal(deeper.code, 60, 'served, but the certificate is not for that name');
    assert.match(deeper.error, /no alternative certificate subject name matches|does not match/);
    assert.equal((await ask('apps.example.com')).code, 35, 'the wildcard stands for something');
  });

  await t.test('a connection for one host carries no request for another: 421 or 404, never its content', async () => {
    const { status, body } = await curl(
      mesh,
      ...['--cacert', roots, '-H', 'Host: blog.example.com'],
      ...byName(mesh, 443, 'shop.example.com'),
    );
    assert.ok(status === 421 || status === 404, `${status}`);
    assert.equal(body, '');
  });

  await t.test('an Ingress with a secret of its own beside them', async () => {
    const host = 'ingress.example.com';
    const to = { service: { name: 'web', port: { name: 'http' } } };
    const ingress = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'web', annotations: { 'kubernetes.io/ingress.class': 'istio' } },
      spec: {
        tls: [{ hosts: [host], secretName: 'ingress' }],
        rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend: to }] } }],
      },
    };
    const pair = await openssl.issue(host);
    await underLoad(shoppers(), (load) =>
      load.change({
        make: () => apply(mesh, tlsSecret('ingress', pair), JSON.stringify(ingress)),
        sees: '200',
        by: client(host),
      }),
    );
    assert.equal(await subject(host), host);
  });

  await t.test('a missing secret fails its own name only, and status says which it is', async () => {
    const late = server('late', ['late.example.com'], 'late');
    await underLoad(shoppers(), async (load) => {
      await load.change({
        make: () =>
          apply(
            mesh,
            gateway('edge', SHOP, BLOG, APPS, late),
            virtualService('late', 'late.example.com', 'edge', routeTo('web')),
          ),
        sees: 'refused',
        by: refused(client('late.example.com')),
      });
      assert.equal((await ask('late.example.com')).code, 35);
      for (const host of ['shop.example.com', 'blog.example.com', 'one.apps.example.com']) {
        assert.equal((await ask(host)).status, 200, host);
      }
      const { stdout, code } = await mesh.isthmus(['status']);
      assert.match(stdout, /^error: .*Gateway\/default\/edge.*\[IST0101\].*credentialName not found: "late"/m);
      assert.equal(code, 0, 'the mesh is ready all the same');
      const pair = await openssl.issue('late.example.com');
      await load.change({
        make: () => apply(mesh, tlsSecret('late', pair)),
        sees: '200',
        by: client('late.example.com'),
      });
    });
    assert.doesNotMatch((await mesh.isthmus(['status'])).stdout, /IST0101|"late"/);
  });

  await t.test('TLS passes through by name to a program that terminates it', async () => {
    await underLoad(shoppers(), (load) =>
      load.change({
        make: async () => {
          await apply(mesh, vault(own.cert, own.key));
          await apply(
            mesh,
            gateway('edge', SHOP, BLOG, APPS, PASSTHROUGH),
            virtualService('vault', 'vault.example.com', 'edge', {
              tls: [
                {
                  match: [{ port: 443, sniHosts: ['vault.example.com'] }],
                  route: [{ destination: { host: 'vault', port: { number: 443 } } }],
                },
              ],
            }),
          );
          const isServed = async () => (await ask('vault.example.com', openssl.root)).status === 200 || undefined;
          await until('the program answers', isServed);
        },
        sees: 'vault',
        by: new HttpClient({
          url: `https://${mesh.gateway(443)}/`,
          host: 'vault.example.com',
          tls: { ca: fs.readFileSync(openssl.root) },
          sort: ({ headers }) => String(headers['x-version']),
        }),
      }),
    );
    const answer = await ask('vault.example.com', openssl.root);
    const { version, headers } = JSON.parse(answer.body);
    assert.equal(version, 'vault');
    assert.equal(headers['x-request-id'], undefined, 'nobody has looked into it');
    assert.doesNotMatch(answer.headers, /istio-envoy/);
    assert.equal(await subject('vault.example.com'), 'vault.example.com');
    assert.equal((await ask('shop.example.com')).status, 200, 'and the others are as they were');
  });
});
