import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { messageOf, UserError } from '../../base/errors.ts';
import type { SourceText } from '../../config/control/api.ts';
import { listDirectory } from '../../config/store/files.ts';

const EXTENSIONS = ['.json', '.yaml', '.yml'];
/** What the control plane takes in one request, with room for JSON's escapes. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Adds the value of another `-f`, which may be a list with commas. */
export function addFilenames(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, ...value.split(',').filter((name) => name !== '')];
}

/**
 * The texts that `-f` names, as kubectl takes them: a file, the .json, .yaml and .yml files of a directory (and below it
 * if `recursive`), or `-` for the standard input. Throws a UserError for what cannot be read.
 */
export async function readSources(
  names: readonly string[],
  { recursive, stdin }: { readonly recursive: boolean; readonly stdin: NodeJS.ReadableStream },
): Promise<SourceText[]> {
  const sources: SourceText[] = [];
  for (const name of names) {
    if (name === '-') sources.push({ name: 'STDIN', text: await text(stdin) });
    else
      for (const file of await filesOf(name, recursive))
        sources.push({ name: file, text: await readText(file), path: path.resolve(file) });
  }
  const bytes = sources.reduce((sum, source) => sum + Buffer.byteLength(source.text), 0);
  if (bytes > MAX_BYTES)
    throw new UserError(`the files have ${bytes} bytes, more than ${MAX_BYTES} at once; apply them in parts`);
  return sources;
}

async function filesOf(name: string, recursive: boolean): Promise<string[]> {
  if (/^https?:\/\//.test(name))
    throw new UserError(`${name} is not fetched; download it, look at it, and pass the file to -f`);
  const found = await stat(name).catch(() => undefined);
  if (found === undefined) throw new UserError(`the path ${JSON.stringify(name)} does not exist`);
  if (!found.isDirectory()) return [name];
  const files = recursive ? [...(await listDirectory(name)).files.keys()] : await filesIn(name);
  if (files.length === 0)
    throw new UserError(`error reading [${name}]: recognized file extensions are [${EXTENSIONS.join(' ')}]`);
  return files.sort();
}

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory() && EXTENSIONS.includes(path.extname(entry.name)))
    .map((entry) => path.join(directory, entry.name));
}

async function readText(file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    throw new UserError(`cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
}
