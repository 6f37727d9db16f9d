import fs from 'node:fs';
import path from 'node:path';

/** As deep as Envoy goes. */
const MAX_DEPTH = 16;
/** Against a folder that is no folder of runtime values. */
const MAX_VALUES = 10_000;
const MAX_BYTES = 64 * 1024;
/** Folders that have files without an end. */
const FORBIDDEN = /^\/(?:dev|proc|sys)(?:\/|$)/;

/**
 * The values of a folder (`RuntimeLayer.DiskLayer`): each file is a key, with the names of its folders before it, and
 * says the value. Lines that begin with `#` say nothing. Undefined if there is no such folder; throws what is wrong.
 */
export function readDiskLayer(folder: string): Map<string, string> | undefined {
  if (!fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return undefined;
  const values = new Map<string, string>();
  walk(folder, '', 1, values);
  return values;
}

function walk(folder: string, prefix: string, depth: number, values: Map<string, string>): void {
  if (depth > MAX_DEPTH) throw new Error(`${folder} is more than ${MAX_DEPTH} folders deep`);
  if (FORBIDDEN.test(fs.realpathSync(folder))) throw new Error(`${folder} is no folder of runtime values`);
  for (const name of fs.readdirSync(folder)) {
    const file = path.join(folder, name);
    const key = prefix === '' ? name : `${prefix}.${name}`;
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    if (stat?.isDirectory()) walk(file, key, depth + 1, values);
    else if (stat?.isFile()) {
      if (stat.size > MAX_BYTES) throw new Error(`${file} is larger than ${MAX_BYTES} bytes`);
      if (values.size >= MAX_VALUES) throw new Error(`${folder} has more than ${MAX_VALUES} files`);
      values.set(key, fileValue(fs.readFileSync(file, 'utf8')));
    }
  }
}

/** Empty lines count no more than comments, and space at the end of the last line does not count. */
function fileValue(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '');
  const last = lines.at(-1);
  return lines
    .filter((line) => !line.startsWith('#'))
    .map((line) => (line === last ? line.trimEnd() : `${line}\n`))
    .join('');
}
