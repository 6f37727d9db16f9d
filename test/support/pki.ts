import fs from 'node:fs';
import path from 'node:path';
import { makeIntermediate, makeLeaf, makeRoot } from '../../src/ca/offline/make.ts';
import type { SubjectAltNames } from '../../src/ca/x509/subject-alt-names.ts';

/** A certificate for a test, in PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/** A root with an intermediate below it, which issues what a test asks for. */
export class TestPki {
  readonly #dir: string;
  #count = 0;
  readonly roots: string;
  readonly intermediate: string;

  private constructor(dir: string) {
    this.#dir = dir;
    this.roots = this.#read('root', 'root-cert.pem');
    this.intermediate = this.#read('ca', 'ca-cert.pem');
  }

  /** `dir` is a folder of its own. */
  static async make(dir: string): Promise<TestPki> {
    const common = { keyType: 'ecdsa-p256' as const, ttlMs: 3_600_000, now: Date.now(), force: false };
    await makeRoot({ ...common, dir: path.join(dir, 'root'), subject: [['O', 'root']] });
    const authority = path.join(dir, 'root');
    await makeIntermediate({ ...common, dir: path.join(dir, 'ca'), subject: [['O', 'ca']], authority, pathLength: 0 });
    return new TestPki(dir);
  }

  /** Folder with the files of `cacerts`. */
  get cacerts(): string {
    return path.join(this.#dir, 'ca');
  }

  /** A certificate for servers and clients, with the intermediate behind it. */
  async issue(names: Partial<SubjectAltNames>): Promise<TestCertificate> {
    const name = `leaf${this.#count++}`;
    await makeLeaf({
      dir: path.join(this.#dir, name),
      authority: this.cacerts,
      subject: [['O', name]],
      keyType: 'ecdsa-p256',
      ttlMs: 3_600_000,
      now: Date.now(),
      force: false,
      names,
      server: true,
      client: true,
      layout: 'tls',
    });
    return { cert: this.#read(name, 'tls.crt'), key: this.#read(name, 'tls.key') };
  }

  #read(...parts: string[]): string {
    return fs.readFileSync(path.join(this.#dir, ...parts), 'utf8');
  }
}
