import fs from 'node:fs';
import path from 'node:path';
import type { ConfigSnapshot } from '../config/store/snapshot.ts';
import type { Values } from './pods/environment.ts';

const REVOCATIONS = 'ca-crl.pem';

/** Writes the files of the Secret `cacerts`, by which people plug in an authority of their own. */
export function writeCaFiles(config: Pick<ConfigSnapshot, 'get'>, namespace: string, folder: string): boolean {
  const files = valuesOf(config, namespace).secret('cacerts');
  if (files === undefined) return false;
  // Lists that are withdrawn revoke nothing any more; everything else an authority cannot do without.
  if (!files.has(REVOCATIONS)) fs.rmSync(path.join(folder, REVOCATIONS), { force: true });
  writeFiles(files, folder);
  return true;
}

/**
 * Writes the Secret `istiod-tls`, the control plane's own certificate as cert-manager gives it, into a folder. False if
 * there is none.
 */
export function writeServerFiles(config: Pick<ConfigSnapshot, 'get'>, namespace: string, folder: string): boolean {
  const files = valuesOf(config, namespace).secret('istiod-tls');
  if (files === undefined) return false;
  writeFiles(files, folder);
  return true;
}

function writeFiles(files: ReadonlyMap<string, Uint8Array>, folder: string): void {
  for (const [name, bytes] of files) {
    const file = path.join(folder, path.basename(name));
    fs.writeFileSync(`${file}.new`, bytes, { mode: 0o600 });
    fs.renameSync(`${file}.new`, file);
  }
}

/** What the ConfigMaps and Secrets of a namespace hold, for volumes and variables. */
export function valuesOf(config: Pick<ConfigSnapshot, 'get'>, namespace: string): Values {
  type Texts = Readonly<Record<string, string>> | undefined;
  const decoded = (entries: Texts, encoding: 'utf8' | 'base64') =>
    Object.entries(entries ?? {}).map(([key, text]) => [key, Buffer.from(text, encoding)] as const);
  return {
    configMap: (name) => {
      const spec = config.get('ConfigMap', namespace, name)?.spec;
      return spec && new Map([...decoded(spec.binaryData, 'base64'), ...decoded(spec.data, 'utf8')]);
    },
    secret: (name) => {
      const spec = config.get('Secret', namespace, name)?.spec;
      return spec && new Map([...decoded(spec.data, 'base64'), ...decoded(spec.stringData, 'utf8')]);
    },
  };
}
