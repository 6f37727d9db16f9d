import fs from 'node:fs';
import path from 'node:path';
import { makeLeaf, makeRoot } from '../../src/ca/offline/make.ts';
import type { KeyType } from '../../src/ca/x509/keys.ts';
import type { Workplace } from './machine.ts';
import type { Certificates } from './scenario.ts';

/** A root and a certificate of it for `localhost`, for servers and clients. */
export async function makeCertificates(place: Workplace, keyType: KeyType = 'ecdsa-p256'): Promise<Certificates> {
  const common = { keyType, ttlMs: 86_400_000, now: Date.now(), force: false };
  const root = path.join(place.folder, `root-${keyType}`);
  const leaf = path.join(place.folder, `leaf-${keyType}`);
  await makeRoot({ ...common, dir: root, subject: [['O', 'bench']] });
  await makeLeaf({
    ...common,
    dir: leaf,
    authority: root,
    subject: [['CN', 'localhost']],
    names: { dnsNames: ['localhost'] },
    server: true,
    client: true,
    layout: 'tls',
  });
  const cert = place.write(`cert-${keyType}.pem`, fs.readFileSync(path.join(leaf, 'tls.crt'), 'utf8'));
  const key = place.write(`cert-${keyType}.pem.key`, fs.readFileSync(path.join(leaf, 'tls.key'), 'utf8'));
  return { cert, key, root: path.join(root, 'root-cert.pem') };
}
