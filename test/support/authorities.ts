import fs from 'node:fs';
import path from 'node:path';
import { makeIntermediate, makeRoot } from '../../src/ca/offline/make.ts';

/**
 * Makes a root in `dir/root`, and intermediates under it in folders of their names, which have the files of `cacerts`. The
 * subject of each is its name.
 */
export async function makeAuthorities(dir: string, intermediates: readonly string[]): Promise<void> {
  const common = { keyType: 'ecdsa-p256' as const, ttlMs: 24 * 3_600_000, now: Date.now(), force: false };
  const authority = path.join(dir, 'root');
  await makeRoot({ ...common, dir: authority, subject: [['O', 'root']] });
  for (const name of intermediates) {
    const subject = [['O', name]] as const;
    await makeIntermediate({ ...common, dir: path.join(dir, name), subject, authority, pathLength: 0 });
  }
}

/** The Secret `cacerts` of a folder with the files of an authority, and of further files by their names. */
export function cacertsSecret(folder: string, more: Readonly<Record<string, string>> = {}): string {
  const files = fs.readdirSync(folder).map((name) => [name, fs.readFileSync(path.join(folder, name), 'utf8')]);
  const data = [...files, ...Object.entries(more)].map(
    ([name, text]) => `  ${name}: ${Buffer.from(text!).toString('base64')}`,
  );
  return `apiVersion: v1\nkind: Secret\nmetadata: {name: cacerts, namespace: istio-system}\ndata:\n${data.join('\n')}\n`;
}
