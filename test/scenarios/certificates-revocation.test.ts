import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { cacertsSecret, makeAuthorities } from '../support/authorities.ts';
import { TestedMesh } from '../support/local-mesh.ts';
import { scratch, until } from '../support/reference.ts';
import { RELAY_HOST, relayMesh } from '../support/relay-mesh.ts';

/** A list of an authority's in PEM, made by openssl. */
function revocationList(dir: string, certificate: string, key: string, serials: readonly string[]): string {
  fs.mkdirSync(dir, { recursive: true });
  const config = path.join(dir, 'openssl.cnf');
  fs.writeFileSync(
    config,
    `[ca]\ndefault_ca = list\n[list]\ndatabase = ${dir}/index.txt\ndefault_md = sha256\ndefault_crl_days = 1\n`,
  );
  const line = (serial: string) => `R\t400101000000Z\t250101000000Z\t${serial.toUpperCase()}\tunknown\t/CN=x\n`;
  fs.writeFileSync(path.join(dir, 'index.txt'), serials.map(line).join(''));
  const args = ['ca', '-config', config, '-gencrl', '-cert', certificate, '-keyfile', key];
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

test('a certificate on the plugged-in list of the authority is refused until it is renewed', async (t) => {
  const dir = scratch(t);
  await makeAuthorities(dir, ['mesh']);
  const authority = path.join(dir, 'root');
  const cacerts = path.join(dir, 'mesh');
  const mesh = await TestedMesh.start(t, { ...relayMesh(), 'cacerts.yaml': cacertsSecret(cacerts) });
  const status = async () => {
    const args = ['-o', '/dev/null', '-w', '%{http_code}', '-H', `Host: ${RELAY_HOST}`, `http://${mesh.gateway(80)}/`];
    return (await mesh.curl(args)).stdout;
  };
  assert.equal(await status(), '200');
  const serialOf = async (name: string): Promise<string> => {
    const { certificates } = JSON.parse((await mesh.isthmus(['certs', '-o', 'json'])).stdout);
    return certificates.find(({ workloads }: { workloads: string[] }) => workloads[0] === `${name}.default`).serial;
  };
  const publish = (serials: readonly string[]) => {
    const at = (folder: string, name: string) => path.join(folder, name);
    const own = revocationList(path.join(dir, 'a'), at(cacerts, 'ca-cert.pem'), at(cacerts, 'ca-key.pem'), serials);
    const [cert, key] = [at(authority, 'root-cert.pem'), at(authority, 'root-key.pem')];
    const above = revocationList(path.join(dir, 'b'), cert, key, []);
    fs.writeFileSync(path.join(mesh.dir, 'cacerts.yaml'), cacertsSecret(cacerts, { 'ca-crl.pem': own + above }));
  };
  const hex = await serialOf('front');
  publish([hex.length % 2 === 0 ? hex : `0${hex}`]);
  await until('what front asks of others is refused', async () => (await status()) === '503' || undefined);

  assert.equal((await mesh.isthmus(['certs', 'renew', 'front.default'])).code, 0);
  await until('it is let in again', async () => (await status()) === '200' || undefined);
  assert.notEqual(await serialOf('front'), hex);

  // A list that is taken away revokes nothing any more.
  publish([await serialOf('back').then((serial) => (serial.length % 2 === 0 ? serial : `0${serial}`))]);
  await until('back is refused', async () => (await status()) === '503' || undefined);
  fs.writeFileSync(path.join(mesh.dir, 'cacerts.yaml'), cacertsSecret(cacerts));
  await until('without a list all are let in', async () => (await status()) === '200' || undefined);
});
