import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf, UserError } from '../../base/errors.ts';

/** What tells two versions of a file apart without reading it. */
export interface FileStamp {
  readonly modified: number;
  readonly size: number;
  readonly inode: number;
}

/** What a walk through a directory finds. */
export interface Listing {
  readonly files: Map<string, FileStamp>;
  readonly directories: Set<string>;
}

/** Deeper than any folder that a person keeps, and an end to links that lead in circles. */
const MAX_DEPTH = 24;

/** More files than that are no configuration, but a folder that was named by mistake. */
const MAX_FILES = 50_000;

/** Names of files that hold configuration, as istiod's `--configDir` and kubectl's `-f` take them. */
export function isConfigFile(name: string): boolean {
  return /\.(ya?ml|json)$/i.test(name) && !name.startsWith('.');
}

/**
 * Lists the configuration files of a directory and of those within it. Names that begin with a dot are left out: the
 * links of mounted ConfigMaps, files of editors, `.git`. Throws a {@link UserError} when there are too many.
 */
export async function listDirectory(root: string): Promise<Listing> {
  const listing: Listing = { files: new Map(), directories: new Set() };
  await walk(root, 0, listing);
  return listing;
}

async function walk(directory: string, depth: number, listing: Listing): Promise<void> {
  if (depth > MAX_DEPTH) return;
  const names = await orUndefined(readdir(directory));
  if (names === undefined) return;
  listing.directories.add(directory);
  const paths = names
    .filter((name) => !name.startsWith('.'))
    .sort()
    .map((name) => join(directory, name));
  for (const { item: path, outcome: stats } of await together(paths, (path) => orUndefined(stat(path)))) {
    if (stats?.isDirectory()) await walk(path, depth + 1, listing);
    else if (stats?.isFile() && isConfigFile(basename(path))) {
      if (listing.files.size >= MAX_FILES)
        throw new UserError(`there are more than ${MAX_FILES} configuration files in it`);
      listing.files.set(path, { modified: stats.mtimeMs, size: stats.size, inode: stats.ino });
    }
  }
}

/** How many files are looked at or read at the same time. */
const AT_ONCE = 32;

/** Does something to many files, some of them at the same time, and gives the outcomes in the order of the items. */
export async function together<T, R>(
  items: readonly T[],
  task: (item: T) => Promise<R>,
): Promise<{ readonly item: T; readonly outcome: R }[]> {
  const outcomes: { readonly item: T; readonly outcome: R }[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    const batch = items.slice(at, at + AT_ONCE);
    outcomes.push(...(await Promise.all(batch.map(async (item) => ({ item, outcome: await task(item) })))));
  }
  return outcomes;
}

/** The stamp of a file, or undefined when there is none. */
export async function stampOf(path: string): Promise<FileStamp | undefined> {
  const stats = await orUndefined(stat(path));
  return stats?.isFile() ? { modified: stats.mtimeMs, size: stats.size, inode: stats.ino } : undefined;
}

export function sameStamp(a: FileStamp | undefined, b: FileStamp | undefined): boolean {
  return a?.modified === b?.modified && a?.size === b?.size && a?.inode === b?.inode;
}

/** Whether there is a directory of this name. */
export async function isDirectory(path: string): Promise<boolean> {
  return (await orUndefined(stat(path)))?.isDirectory() === true;
}

/** Undefined for what is not, or no longer, there. */
export async function orUndefined<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw error;
  }
}

/**
 * Replaces a file as a whole: whoever reads sees the old or the new content. A file that exists keeps its mode, a link
 * stays a link; a new file gets `mode`.
 */
export async function replaceFile(path: string, content: string, mode: number): Promise<void> {
  const target = (await orUndefined(realpath(path))) ?? path;
  const keptMode = (await orUndefined(stat(target)))?.mode;
  await mkdir(dirname(target), { recursive: true });
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(content);
      await handle.chmod((keptMode ?? mode) & 0o777);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await orUndefined(unlink(temporary));
    throw error;
  }
}

/** Removes a file; one that is gone already is no error. */
export async function removeFile(path: string): Promise<void> {
  await orUndefined(unlink(path));
}
