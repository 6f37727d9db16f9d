import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { makeLeaf, makeRoot } from '../../src/ca/offline/make.ts';
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
}

export interface Attempt {
  readonly host: string;
  readonly port: number;
  readonly version: 'TLSv1.2' | 'TLSv1.3';
  readonly files: PeerFiles | undefined;
  readonly servername: string | undefined;
  readonly alpn: readonly string[];
  readonly path: string;
}

/** Sends a request over TLS as some peer, and resolves with the status line, or with nothing if none came. */
export function attempt({ host, port, version, files, servername, alpn, path: target }: Attempt): Promise<string> {
  return new Promise((resolve) => {
    const socket = tls.connect({
      host,
      port,
      servername,
      ALPNProtocols: [...alpn],
      minVersion: version,
      maxVersion: version,
      rejectUnauthorized: false,
      ...(files ? { cert: files.cert, key: files.key } : {}),
    });
    let text = '';
    socket.setTimeout(10_000, () => socket.destroy());
    // Under TLS 1.3 a client may speak before it learns that it was refused.
    socket.once('secureConnect', () =>
      socket.write(`GET ${target} HTTP/1.1\r\nHost: peer\r\nConnection: close\r\n\r\n`),
    );
    socket.on('data', (data: Buffer) => (text += data.toString('latin1')));
    socket.on('error', () => {});
    socket.once('close', () => resolve(text.split('\r\n')[0] ?? ''));
  });
}
