import crypto from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { codeOf, messageOf, UserError } from '../../base/errors.ts';

/** A file that is to be written: its text, and who may read it. */
export interface NewFile {
  readonly text: string;
  /** Keys are written 0600, everything else 0644. */
  readonly secret: boolean;
}

const MODE = { secret: 0o600, open: 0o644 };

async function writeNew(file: string, { text, secret }: NewFile): Promise<void> {
  const mode = secret ? MODE.secret : MODE.open;
  const handle = await fs.open(file, 'wx', mode);
  try {
    // The mode given to open() is cut by the umask, which may not make certificates unreadable for the proxy's user.
    await handle.chmod(mode);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Clearing away must not hide why it was necessary. */
const discard = (target: string) => fs.rm(target, { recursive: true, force: true }).catch(() => {});

const temporaryName = (name: string) => `.${name}.${crypto.randomBytes(6).toString('hex')}`;

/** Replaces a file, so that a reader sees the old text or the new, never half of it. */
export async function replaceFile(file: string, content: NewFile): Promise<void> {
  const temporary = path.join(path.dirname(file), temporaryName(path.basename(file)));
  try {
    await fs.mkdir(path.dirname(file), { recursive: true });
    await writeNew(temporary, content);
    await fs.rename(temporary, file);
  } catch (error) {
    await discard(temporary);
    throw new UserError(`${file} cannot be written: ${messageOf(error)}.`);
  }
}

/**
 * Makes a folder (0700) with these files at one stroke. Returns false, and changes nothing, if the folder exists and
 * is not empty: whoever came first wins.
 */
export async function createFolder(dir: string, files: ReadonlyMap<string, NewFile>): Promise<boolean> {
  const target = path.resolve(dir);
  const parent = path.dirname(target);
  let temporary: string | undefined;
  try {
    await fs.mkdir(parent, { recursive: true });
    temporary = await fs.mkdtemp(path.join(parent, `${temporaryName(path.basename(target))}-`));
    for (const [name, content] of files) await writeNew(path.join(temporary, name), content);
    await fs.rename(temporary, target);
    return true;
  } catch (error) {
    if (temporary) await discard(temporary);
    if (['ENOTEMPTY', 'EEXIST'].includes(codeOf(error) ?? '')) return false;
    const hint = codeOf(error) === 'EBUSY' ? ' It is a mount point; name a folder inside it.' : '';
    throw new UserError(`The folder ${dir} cannot be made: ${messageOf(error)}.${hint}`);
  }
}

/** Where {@link replaceSet} keeps the files themselves, as in a volume of Kubernetes. */
const DATA_LINK = '..data';

/**
 * Replaces several files of a folder at one stroke. They become links into a folder that is itself reached through
 * a link, and replacing that one link replaces them all; plain files of the same names give way to links first.
 */
export async function replaceSet(dir: string, files: ReadonlyMap<string, NewFile>): Promise<void> {
  const version = `..${new Date().toISOString().replace(/[-:.TZ]/g, '')}.${crypto.randomBytes(4).toString('hex')}`;
  const data = path.join(dir, version);
  const dataLink = path.join(dir, DATA_LINK);
  try {
    await fs.mkdir(dir, { recursive: true });
    const old = await fs.readlink(dataLink).catch(() => undefined);
    await fs.mkdir(data, { mode: 0o755 });
    for (const [name, content] of files) await writeNew(path.join(data, name), content);
    await replaceLink(dataLink, version);
    for (const name of files.keys()) {
      const link = path.join(dir, name);
      const target = path.join(DATA_LINK, name);
      if ((await fs.readlink(link).catch(() => undefined)) !== target) await replaceLink(link, target);
    }
    if (old?.startsWith('..') && !old.includes('/')) await discard(path.join(dir, old));
  } catch (error) {
    if ((await fs.readlink(dataLink).catch(() => undefined)) !== version) await discard(data);
    throw new UserError(`The files in ${dir} cannot be written: ${messageOf(error)}.`);
  }
}

async function replaceLink(link: string, target: string): Promise<void> {
  const temporary = path.join(path.dirname(link), temporaryName(path.basename(link)));
  try {
    await fs.symlink(target, temporary);
    await fs.rename(temporary, link);
  } catch (error) {
    await discard(temporary);
    throw error;
  }
}
