import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { makeLeaf, makeRoot } from '../../src/ca/offline/make.ts';
import { buildCertificate } from '../../src/ca/x509/build.ts';
import { basicConstraints, subjectAltName } from '../../src/ca/x509/extensions.ts';
import { generatePrivateKey, privateKeyPem, publicKeyDer } from '../../src/ca/x509/keys.ts';
import { encodeName } from '../../src/ca/x509/names.ts';
import { formatPem } from '../../src/ca/x509/pem.ts';
import type { SubjectAltNames } from '../../src/ca/x509/subject-alt-names.ts';

/** Who a peer says that it is, in PEM. */
export interface PeerFiles {
  readonly cert: string;
  readonly key: string;
}

const HOUR = 3_600_000;

/** Makes certificates for peers, good and bad, of an authority that is a folder as `cacerts`. */
export class PeerMaker {
  readonly #folder: string;
  #count = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async root(name: string, ttlMs = HOUR, now = Date.now()): Promise<string> {
    const dir = path.join(this.#folder, name);
    await makeRoot({ dir, subject: [['O', name]], keyType: 'ecdsa-p256', ttlMs, now, force: false });
    return dir;
  }

  async leaf(authority: string, names: Partial<SubjectAltNames>, ttlMs = HOUR, now = Date.now()): Promise<PeerFiles> {
    const dir = path.join(this.#folder, `leaf${this.#count++}`);
    await makeLeaf({
      dir,
      authority,
      subject: [['O', 'peer']],
      keyType: 'ecdsa-p256',
      ttlMs,
      now,
      force: false,
      names,
      server: true,
      client: true,
      layout: 'tls',
    });
    const read = (file: string) => fs.readFileSync(path.join(dir, file), 'utf8');
    return { cert: read('tls.crt'), key: read('tls.key') };
  }

  /** A certificate that nobody but its owner vouches for. */
  async selfSigned(names: Partial<SubjectAltNames>): Promise<PeerFiles> {
    const key = await generatePrivateKey('ecdsa-p256');
    const name = encodeName([['O', 'peer']]);
    const der = await buildCertificate(
      {
        issuer: name,
        subject: name,
        notBefore: Date.now() - HOUR,
        notAfter: Date.now() + HOUR,
        publicKeyInfo: publicKeyDer(key),
        extensions: [basicConstraints(false), subjectAltName(names, false)],
      },
      key,
    );
    return { cert: formatPem('CERTIFICATE', der), key: privateKeyPem(key) };
  }
}

export interface Attempt {
  readonly host: string;
  readonly port: number;
  readonly version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly files: PeerFiles | undefined;
  readonly servername: string | undefined;
  readonly alpn: readonly string[];
  readonly path: string;
}

export interface Outcome {
  /** The status line of the answer; nothing if none came. */
  readonly status: string;
  /** Address and port of the peer, as the other side's log calls it. */
  readonly source: string;
}

/** Sends a request over TLS as some peer. */
export function attempt({ host, port, version, files, servername, alpn, path: target }: Attempt): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = tls.connect({
      host,
      port,
      servername,
      ALPNProtocols: [...alpn],
      minVersion: version,
      maxVersion: version,
      rejectUnauthorized: false,
      // Without it OpenSSL does not even offer what is older than TLS 1.2.
      ...(version === 'TLSv1.1' ? { ciphers: 'ALL:@SECLEVEL=0' } : {}),
      ...(files ? { cert: files.cert, key: files.key } : {}),
    });
    let text = '';
    let source = '';
    socket.once('connect', () => (source = `${socket.localAddress}:${socket.localPort}`));
    socket.setTimeout(10_000, () => socket.destroy());
    // Under TLS 1.3 a client may speak before it learns that it was refused.
    socket.once('secureConnect', () =>
      socket.write(`GET ${target} HTTP/1.1\r\nHost: peer\r\nConnection: close\r\n\r\n`),
    );
    socket.on('data', (data: Buffer) => (text += data.toString('latin1')));
    socket.on('error', () => {});
    socket.once('close', () => resolve({ status: text.split('\r\n')[0] ?? '', source }));
  });
}
