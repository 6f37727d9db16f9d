import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { RemoteAuthority } from '../../src/ca/upstream/remote-authority.ts';
import { VaultSigner } from '../../src/ca/upstream/vault.ts';
import { type Certificate, parseCertificates } from '../../src/ca/x509/certificate.ts';
import { generatePrivateKey } from '../../src/ca/x509/keys.ts';
import { createRequest } from '../../src/ca/x509/request.ts';
import { curl } from '../support/ingress.ts';
import { ecKey, token } from '../support/jwt.ts';
import { meshStatus, TestedMesh } from '../support/local-mesh.ts';
import { scratch, until } from '../support/reference.ts';
import { presentedTo, RELAY_HOST, RELAY_PODS, relayMesh } from '../support/relay-mesh.ts';
import { VaultServer, withoutVault } from '../support/vault.ts';

/** The role of docs/certificates.md. */
const ROLE = {
  allowed_uri_sans: ['spiffe://cluster.local/*'],
  allowed_domains: ['istio-system.svc', 'istio-system.svc.cluster.local', 'istio-system', 'istiod', 'localhost'],
  allow_subdomains: true,
  allow_bare_domains: true,
  allow_localhost: true,
  use_csr_sans: false,
  require_cn: false,
  key_type: 'any',
  max_ttl: '2160h',
};
const POLICY = 'path "pki_mesh/sign/mesh" { capabilities = ["update"] }';
/** Of tokens that a login buys. */
const TOKEN_TTL = '3s';

/** A root in one engine, and in another an intermediate that signs for the mesh, with the role `mesh`. */
async function makeAuthority(vault: VaultServer): Promise<{ root: Certificate; intermediate: Certificate }> {
  const key = { key_type: 'ec', key_bits: 256 };
  for (const mount of ['pki_root', 'pki_mesh']) {
    const config = { max_lease_ttl: '87600h' };
    await vault.admin('POST', `sys/mounts/${mount}`, { type: 'pki', config });
  }
  const root = await vault.admin('POST', 'pki_root/root/generate/internal', {
    common_name: 'root',
    ttl: '8760h',
    ...key,
  });
  const asked = await vault.admin('POST', 'pki_mesh/intermediate/generate/internal', { common_name: 'mesh', ...key });
  const signed = await vault.admin('POST', 'pki_root/root/sign-intermediate', {
    ...{ csr: asked.data.csr, common_name: 'mesh', ttl: '4380h', format: 'pem_bundle' },
  });
  await vault.admin('POST', 'pki_mesh/intermediate/set-signed', { certificate: signed.data.certificate });
  await vault.admin('POST', 'pki_mesh/roles/mesh', ROLE);
  await vault.admin('PUT', 'sys/policies/acl/mesh', { policy: POLICY });
  const [intermediate] = parseCertificates(signed.data.certificate, 'the intermediate');
  return { root: parseCertificates(root.data.certificate, 'the root')[0]!, intermediate: intermediate! };
}

/** Lets whoever has a token of this key's in, for a short time. */
async function allowLogin(vault: VaultServer, publicKey: string | Buffer): Promise<void> {
  await vault.admin('POST', 'sys/auth/jwt', { type: 'jwt' });
  await vault.admin('POST', 'auth/jwt/config', { jwt_validation_pubkeys: [String(publicKey)] });
  await vault.admin('POST', 'auth/jwt/role/istiod', {
    ...{ role_type: 'jwt', bound_audiences: ['vault'], bound_subject: 'istiod', user_claim: 'sub' },
    ...{ token_policies: ['mesh'], token_ttl: TOKEN_TTL, token_max_ttl: TOKEN_TTL },
  });
}

/** As Vault writes a serial number. */
const colons = (serial: string) => serial.padStart(40, '0').match(/../g)!.join(':');

test("a real Vault signs for a mesh: by its role's rules, through renewals, outages and logins", {
  skip: withoutVault,
}, async (t) => {
  const folder = scratch(t);
  const vault = await VaultServer.start(t, folder);
  const { root, intermediate } = await makeAuthority(vault);
  const key = ecKey('istiod');
  await allowLogin(vault, crypto.createPublicKey(key.privateKey).export({ format: 'pem', type: 'spki' }));
  const seconds = Math.floor(Date.now() / 1000);
  const jwt = token(key, { iss: 'k8s', sub: 'istiod', aud: 'vault', iat: seconds, exp: seconds + 3600 });
  const jwtFile = path.join(folder, 'jwt');
  fs.writeFileSync(jwtFile, jwt, { mode: 0o600 });
  const env = {
    EXTERNAL_CA: 'VAULT',
    ...{ VAULT_ADDR: vault.address, VAULT_CACERT: vault.caFile, VAULT_PKI_MOUNT: 'pki_mesh', VAULT_PKI_ROLE: 'mesh' },
    ...{ VAULT_AUTH_PATH: 'auth/jwt', VAULT_AUTH_ROLE: 'istiod', VAULT_AUTH_JWT_FILE: jwtFile },
  };
  const mesh = await TestedMesh.start(t, relayMesh({ operator: `  values: {pilot: {env: ${JSON.stringify(env)}}}` }));
  const { pods } = await meshStatus(mesh);
  const leafOf = async (name: string) => presentedTo(pods.find((pod) => pod.name === name)!.podIp);
  const works = async () => {
    const { status, body } = await curl(mesh, '-H', `Host: ${RELAY_HOST}`, `http://${mesh.gateway(80)}/`);
    assert.deepEqual([status, body], [200, 'hello from the last']);
  };
  const [folderOfMesh = ''] = fs.readdirSync(path.join(mesh.home, 'meshes'));
  const logFile = path.join(mesh.home, 'meshes', folderOfMesh, 'logs', 'discovery.log');
  const log = () => fs.readFileSync(logFile, 'utf8');

  await works();
  for (const name of RELAY_PODS) {
    const leaf = await leafOf(name);
    assert.ok(leaf.isSignedBy(intermediate), name);
    assert.deepEqual(leaf.extensions.subjectAltNames.uris, [`spiffe://cluster.local/ns/default/sa/${name}`]);
    const { data } = await vault.admin('GET', `pki_mesh/cert/${colons(leaf.serial)}`);
    assert.ok(parseCertificates(data.certificate, 'it')[0]!.equals(leaf), 'Vault knows of it');
  }
  const listed = await mesh.isthmus(['certs', '-o', 'json']);
  assert.equal(listed.code, 0, listed.stdout);
  const { certificates } = JSON.parse(listed.stdout) as { certificates: { kind: string; fingerprint: string }[] };
  const ofKind = (kind: string) => certificates.filter((c) => c.kind === kind).map((c) => c.fingerprint);
  assert.deepEqual([ofKind('issuer'), ofKind('root')], [[intermediate.fingerprint], [root.fingerprint]]);

  const renew = async (name: string) => {
    const before = (await leafOf(name)).serial;
    const { code } = await mesh.isthmus(['certs', 'renew', `${name}.default`]);
    return { code, changed: async () => (await leafOf(name)).serial !== before || undefined };
  };
  const renewed = async (name: string) => {
    const { code, changed } = await renew(name);
    assert.equal(code, 0);
    await until(`${name} presents another one`, changed);
  };
  await renewed('front');
  // Every token that was given so far is worth nothing any more: the next request logs in again.
  await vault.admin('PUT', 'sys/leases/revoke-prefix/auth/jwt/login');
  await renewed('front');

  await vault.admin('POST', 'pki_mesh/roles/mesh', { ...ROLE, allowed_uri_sans: ['spiffe://elsewhere/*'] });
  const refused = await renew('middle');
  await until('the reason is in the log', () => /pki_mesh\/sign\/mesh with 400: .*URI/i.test(log()) || undefined);
  assert.equal(await refused.changed(), undefined, 'the last good one is kept');
  await works();
  await vault.admin('POST', 'pki_mesh/roles/mesh', ROLE);
  await until('it is renewed once the role lets it', refused.changed);

  await vault.stop();
  const away = await renew('back');
  await until('the outage is in the log', () => /upstream CA: Vault at .* cannot be asked/.test(log()) || undefined);
  await works();
  await vault.restart();
  await until('it is renewed once Vault is back', away.changed);
  await works();
  assert.ok(!log().includes(jwt) && !/hvs\./.test(log()), 'no log has a credential');
});

test('a token from a file is taken until it expires, and its successor from then on', {
  skip: withoutVault,
}, async (t) => {
  const folder = scratch(t);
  const vault = await VaultServer.start(t, folder);
  const { root, intermediate } = await makeAuthority(vault);
  const tokenFile = path.join(folder, 'token');
  const issueToken = async (ttl: string) => {
    const { auth } = await vault.admin('POST', 'auth/token/create', { policies: ['mesh'], ttl, renewable: false });
    fs.writeFileSync(tokenFile, `${auth.client_token}\n`, { mode: 0o600 });
  };
  const signer = new VaultSigner({
    ...{ address: new URL(vault.address), ca: fs.readFileSync(vault.caFile, 'utf8') },
    ...{ mount: 'pki_mesh', role: 'mesh', credential: { tokenFile } },
  });
  const roots = parseCertificates(await signer.authorityChain(), 'its chain').filter((c) => c.isSignedBy(c));
  assert.deepEqual(
    roots.map((c) => c.fingerprint),
    [root.fingerprint],
  );
  const errors: string[] = [];
  const onError = (error: unknown) => void errors.push((error as Error).message);
  const remote = new RemoteAuthority({ signer, roots: root.pem, rootsName: 'root', onError });
  const identity = 'spiffe://cluster.local/ns/shop/sa/web';
  const csr = await createRequest(await generatePrivateKey('ecdsa-p256'), { uris: [identity] });

  await issueToken('1h');
  const { chain, notBefore, notAfter } = await remote.sign(csr, { identity, ttlMs: 600_000 });
  const leaf = parseCertificates(chain[0]!, 'it')[0]!;
  assert.deepEqual(leaf.extensions.subjectAltNames.uris, [identity]);
  assert.equal(parseCertificates(chain[1]!, 'it')[0]!.fingerprint, intermediate.fingerprint);
  assert.equal(chain.length, 2, 'the root is not presented');
  assert.ok(notAfter - notBefore <= 640_000, 'for as long as was asked');
  fs.writeFileSync(path.join(folder, 'leaf.pem'), chain[0]!);
  fs.writeFileSync(path.join(folder, 'above.pem'), chain[1]!);
  fs.writeFileSync(path.join(folder, 'root.pem'), root.pem);
  const files = ['-CAfile', 'root.pem', '-untrusted', 'above.pem', 'leaf.pem'];
  assert.match(execFileSync('openssl', ['verify', ...files], { cwd: folder, encoding: 'utf8' }), /leaf\.pem: OK/);

  const dnsNames = ['istiod.istio-system.svc', 'localhost'];
  const server = await remote.sign(csr, { dnsNames });
  assert.deepEqual(parseCertificates(server.chain[0]!, 'it')[0]!.extensions.subjectAltNames.dnsNames, dnsNames);
  await assert.rejects(remote.sign(csr, { dnsNames: ['bank.example'] }), /does not issue certificates/);
  assert.match(errors.pop()!, /sign\/mesh with 400: .*bank\.example not allowed by this role/);

  await issueToken('1s');
  const refused = () =>
    remote.sign(csr, { identity }).then(
      () => undefined,
      () => true as const,
    );
  await until('the token expires', refused);
  assert.match(errors.at(-1)!, /sign\/mesh with 403: permission denied/);
  await issueToken('1h');
  await remote.sign(csr, { identity });
});
