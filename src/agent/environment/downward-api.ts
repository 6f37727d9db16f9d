import fs from 'node:fs/promises';
import { codeOf, messageOf, UserError } from '../../base/errors.ts';

/**
 * Reads a file of the downward API: one `key="value"` a line, the value quoted as Go's `%q` does. A file that is not
 * there holds nothing.
 */
export async function readDownwardApi(file: string): Promise<Readonly<Record<string, string>>> {
  let text: string;
  try {
    text = await fs.readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return {};
    throw new UserError(`${file} cannot be read: ${messageOf(error)}.`);
  }
  const found: Record<string, string> = {};
  text.split('\n').forEach((line, i) => {
    const equals = line.indexOf('=');
    if (equals <= 0) return;
    const value = unquote(line.slice(equals + 1));
    if (value === undefined) throw new UserError(`${file}:${i + 1}:${equals + 2}: the value is not a quoted text.`);
    found[line.slice(0, equals)] = value;
  });
  return found;
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
};

/** Go's interpreted string literal, which has escapes that JSON has not. */
function unquote(quoted: string): string | undefined {
  const match = /^"((?:[^"\\]|\\.)*)"\s*$/.exec(quoted);
  if (!match) return undefined;
  let valid = true;
  const text = match[1].replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/g,
    (_, byte: string, short: string, long: string, letter: string) => {
      const code = byte ?? short ?? long;
      if (code !== undefined) {
        const point = Number.parseInt(code, 16);
        if (point <= 0x10ffff) return String.fromCodePoint(point);
      } else if (letter in ESCAPES) return ESCAPES[letter];
      valid = false;
      return '';
    },
  );
  return valid ? text : undefined;
}
