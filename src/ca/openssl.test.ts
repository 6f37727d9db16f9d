import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';

/** Runs openssl(1), the judge of everything that these tests make, and returns what it prints. */
export function openssl(args: readonly string[], input?: string | Uint8Array): string {
  return execFileSync('openssl', args, { input, encoding: 'latin1', stdio: ['pipe', 'pipe', 'pipe'] });
}

/** `openssl verify`: the first line of its complaint, or `OK`. */
export function opensslVerify(leaf: string, chain: string, roots: string, ...flags: string[]): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-verify-'));
  try {
    const write = (name: string, text: string) => {
      fs.writeFileSync(path.join(dir, name), text);
      return path.join(dir, name);
    };
    const untrusted = chain === '' ? [] : ['-untrusted', write('chain.pem', chain)];
    const args = ['verify', '-x509_strict', ...flags, '-CAfile', write('roots.pem', roots), ...untrusted];
    const done = spawnSync('openssl', [...args, write('leaf.pem', leaf)], { encoding: 'utf8' });
    return done.status === 0 ? 'OK' : (/error \d+ at.*/.exec(done.stderr + done.stdout)?.[0] ?? done.stderr);
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

/** A folder that lasts as long as the test. */
export function scratch(t: TestContext): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-ca-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export const modeOf = (file: string): string => (fs.statSync(file).mode & 0o777).toString(8);

/** Lets promises and file operations go on until the condition holds; gives up on one that plainly never will. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never held: ${condition}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('openssl is on this machine', () => {
  assert.match(openssl(['version']), /^(OpenSSL|LibreSSL) /);
});
