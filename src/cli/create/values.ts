import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { messageOf, UserError } from '../../base/errors.ts';

/** Kubernetes' limit of what a Secret or a ConfigMap holds, bytes. */
const MAX_BYTES = 1024 * 1024;
const KEY = /^[-._a-zA-Z0-9]{1,253}$/;

/** Values by key, in the order in which they were named. */
export type Values = ReadonlyMap<string, Uint8Array>;

/**
 * What `--from-file` and `--from-literal` name. A file is `PATH`, whose name is the key, or `KEY=PATH`; a directory stands
 * for the files in it whose names can be keys. Throws a UserError, which never shows a value.
 */
export async function readValues(files: readonly string[], literals: readonly string[]): Promise<Values> {
  const values = new Map<string, Uint8Array>();
  let size = 0;
  const add = (key: string, value: Uint8Array) => {
    if (!KEY.test(key))
      throw new UserError(
        `${JSON.stringify(key)} is not a valid key: it must consist of alphanumeric characters, '-', '_' or '.'`,
      );
    if (values.has(key)) throw new UserError(`cannot add key ${key}, another key by that name already exists`);
    size += value.length;
    if (size > MAX_BYTES)
      throw new UserError(`the values have more than ${MAX_BYTES} bytes, which is all that one object holds`);
    values.set(key, value);
  };
  for (const source of files) {
    const equals = source.indexOf('=');
    const file = source.slice(equals + 1);
    const key = equals === -1 ? path.basename(file) : source.slice(0, equals);
    if (file === '') throw new UserError(`file path for key ${key} missing from --from-file`);
    const found = await stat(file).catch(() => undefined);
    if (found === undefined) throw new UserError(`error reading ${file}: no such file or directory`);
    if (!found.isDirectory()) add(key, await read(file, found.size));
    else if (equals !== -1) throw new UserError('cannot give a key name for a directory path');
    else {
      for (const entry of await readdir(file, { withFileTypes: true })) {
        const inner = path.join(file, entry.name);
        if (entry.isFile() && KEY.test(entry.name)) add(entry.name, await read(inner, (await stat(inner)).size));
      }
    }
  }
  for (const literal of literals) {
    const equals = literal.indexOf('=');
    if (equals <= 0) throw new UserError('--from-literal must be KEY=VALUE');
    add(literal.slice(0, equals), Buffer.from(literal.slice(equals + 1)));
  }
  return values;
}

async function read(file: string, size: number): Promise<Uint8Array> {
  if (size > MAX_BYTES)
    throw new UserError(`${file} has more than ${MAX_BYTES} bytes, which is all that one object holds`);
  try {
    return await readFile(file);
  } catch (error) {
    throw new UserError(`error reading ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/** The values of a Secret of type `kubernetes.io/tls`. Throws a UserError when key and certificate do not fit. */
export async function readKeyPair(certFile: string, keyFile: string): Promise<Values> {
  const values = await readValues([`tls.crt=${certFile}`, `tls.key=${keyFile}`], []);
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(values.get('tls.crt')!);
  } catch {
    throw new UserError(`${certFile} has no certificate in PEM`);
  }
  let fits: boolean;
  try {
    fits = certificate.checkPrivateKey(createPrivateKey(Buffer.from(values.get('tls.key')!)));
  } catch {
    throw new UserError(`${keyFile} has no private key in PEM`);
  }
  if (!fits) throw new UserError(`the private key ${keyFile} does not fit the certificate ${certFile}`);
  return values;
}
