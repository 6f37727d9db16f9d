import crypto from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { messageOf, UserError } from '../base/errors.ts';

/** Name of the bootstrap in the folder of `configPath`, which is pilot-agent's. */
export const BOOTSTRAP_FILE = 'envoy-rev.json';

/** Writes a file (0600) that its readers see either as it was or as it is. Its folder is made (0700) if need be. */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  const draft = `${file}.${crypto.randomBytes(4).toString('hex')}.tmp`;
  try {
    await fs.mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await fs.writeFile(draft, content, { mode: 0o600, flag: 'wx' });
    await fs.rename(draft, file);
  } catch (error) {
    await fs.rm(draft, { force: true }).catch(() => {});
    throw new UserError(`The file ${file} cannot be written: ${messageOf(error)}.`);
  }
}
