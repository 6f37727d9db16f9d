import { isDeepStrictEqual } from 'node:util';
import { stringify } from 'yaml';
import { parseYaml } from './parse.ts';

/**
 * Writes a JSON value as a YAML document that every reader of Kubernetes' YAML understands alike: whatever YAML 1.1 or
 * 1.2 would take for something other than a string is quoted. Ends with a newline.
 */
export function writeYaml(value: unknown): string {
  const text = stringify(value, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false, singleQuote: null });
  const [read] = parseYaml(text, '').documents;
  // JSON is YAML too, and leaves nothing to interpretation.
  return read !== undefined && isDeepStrictEqual(read.value, value) ? text : `${JSON.stringify(value, null, 2)}\n`;
}
