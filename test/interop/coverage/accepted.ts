import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { SupportTable } from '../../../src/proxy/config/supported.ts';
import { HTTP_FILTERS, NETWORK_FILTERS } from '../../../src/proxy/filters/index.ts';

/** Full names of messages -> proto names of their fields. */
export type FieldSet = Map<string, Set<string>>;

const PROXY = path.join(import.meta.dirname, '../../../src/proxy');

/** Notes a message, and a field of it if there is one. */
export function note(fields: FieldSet, typeName: string, field?: string): void {
  let set = fields.get(typeName);
  if (set === undefined) fields.set(typeName, (set = new Set()));
  if (field !== undefined) set.add(field);
}

/**
 * Every field of Envoy's API that the proxy takes: what stands in any of its tables of supported fields. The tables
 * are found by the type that they are declared with, so a new one need not be told here; one that its module keeps to
 * itself is an error.
 */
export async function acceptedFields(): Promise<FieldSet> {
  const accepted: FieldSet = new Map();
  const add = (table: SupportTable) => {
    for (const [typeName, fields] of Object.entries(table)) {
      note(accepted, typeName);
      for (const field of fields) note(accepted, typeName, field);
    }
  };
  for (const file of fs.readdirSync(PROXY, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
    const text = fs.readFileSync(path.join(PROXY, file), 'utf8');
    const tables = [...text.matchAll(/^(export )?const (\w+): SupportTable = /gm)];
    if (tables.length === 0) continue;
    const module = (await import(pathToFileURL(path.join(PROXY, file)).href)) as Record<string, SupportTable>;
    for (const [, exported, name] of tables) {
      if (!exported) throw new Error(`src/proxy/${file}: ${name} has to be exported, or nobody knows what it takes`);
      add(module[name]);
    }
  }
  for (const { supported } of [...HTTP_FILTERS, ...NETWORK_FILTERS]) add(supported);
  return accepted;
}
