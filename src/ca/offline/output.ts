import fs from 'node:fs/promises';
import path from 'node:path';
import { codeOf, UserError } from '../../base/errors.ts';
import { type NewFile, replaceFile } from '../files/write.ts';

/**
 * Writes files to a folder and returns their paths. Nothing is written if one of them exists already, unless `force` is
 * set: a key that is overwritten is gone.
 */
export async function writeFiles(dir: string, files: ReadonlyMap<string, NewFile>, force: boolean): Promise<string[]> {
  const paths = [...files.keys()].map((name) => path.join(dir, name));
  if (!force) {
    for (const file of paths) {
      if (await exists(file))
        throw new UserError(`${file} exists already; give --force to replace it, or another folder.`);
    }
  }
  for (const [name, content] of files) await replaceFile(path.join(dir, name), content);
  return paths;
}

async function exists(file: string): Promise<boolean> {
  try {
    await fs.lstat(file);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}
