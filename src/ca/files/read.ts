import fs from 'node:fs/promises';
import path from 'node:path';
import { codeOf, messageOf, UserError } from '../../base/errors.ts';
import { MAX_PEM_BYTES } from '../x509/pem.ts';

/** Names in a folder and their text, for the files that are there. */
export type FileSet = ReadonlyMap<string, string>;

const CHUNK_BYTES = 16384;

/** Reads a small text file; undefined if it is not there. A {@link UserError} if it is too large or cannot be read. */
export async function readSmallFile(file: string, maxBytes = MAX_PEM_BYTES): Promise<string | undefined> {
  let handle: fs.FileHandle | undefined;
  try {
    handle = await fs.open(file, 'r');
    const chunks: Buffer[] = [];
    let length = 0;
    // Not by the size that stat tells: it is 0 for a pipe, and the file may grow meanwhile.
    for (;;) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return Buffer.concat(chunks).toString('utf8');
      length += bytesRead;
      if (length > maxBytes) throw new UserError(`${file} is larger than ${maxBytes} bytes.`);
      chunks.push(buffer.subarray(0, bytesRead));
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    if (error instanceof UserError) throw error;
    throw new UserError(`${file} cannot be read: ${messageOf(error)}.`);
  } finally {
    await handle?.close();
  }
}

/** Reads those of the named files of a folder that are there. */
export async function readFiles(dir: string, names: readonly string[]): Promise<FileSet> {
  const texts = await Promise.all(names.map((name) => readSmallFile(path.join(dir, name))));
  return new Map(names.flatMap((name, i) => (texts[i] === undefined ? [] : [[name, texts[i]]])));
}
