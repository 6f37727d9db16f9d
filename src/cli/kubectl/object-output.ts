import { UserError } from '../../base/errors.ts';
import { compareText, formatJson, type Printable } from '../output/json.ts';
import { formatJsonPath, textOf, valuesAt } from '../output/jsonpath/evaluate.ts';
import { formatYaml } from '../output/yaml.ts';
import { kubectlTable } from './object-table.ts';
import type { Resource } from './objects.ts';
import { singularName } from './resource-type.ts';

/** What is to be made of objects, as `-o` says it. */
export type OutputFormat =
  | { readonly type: 'table'; readonly wide: boolean }
  | { readonly type: 'json' | 'yaml' | 'name' }
  | { readonly type: 'jsonpath'; readonly template: string }
  | { readonly type: 'columns'; readonly columns: readonly { readonly name: string; readonly path: string }[] };

const FORMATS = ['custom-columns', 'json', 'jsonpath', 'name', 'wide', 'yaml'];

/** Reads the value of `-o`. */
export function parseOutputFormat(text: string | undefined, allowed: readonly string[] = FORMATS): OutputFormat {
  if (text === undefined || text === '') return { type: 'table', wide: false };
  const [format = '', rest] = splitOnce(text, '=');
  if (!allowed.includes(format)) {
    throw new UserError(
      `unable to match a printer suitable for the output format ${JSON.stringify(format)}, allowed formats are: ${allowed.join(',')}`,
    );
  }
  if (format === 'jsonpath' || format === 'custom-columns') {
    if (!rest) throw new UserError('template format specified but no template given');
    return format === 'jsonpath' ? { type: 'jsonpath', template: rest } : { type: 'columns', columns: columnsOf(rest) };
  }
  return format === 'wide' ? { type: 'table', wide: true } : { type: format as 'json' | 'yaml' | 'name' };
}

function columnsOf(spec: string): { name: string; path: string }[] {
  return spec.split(',').map((column) => {
    const [name = '', path] = splitOnce(column, ':');
    if (!name || !path) {
      throw new UserError(`${JSON.stringify(column)} is no custom column: write HEADER:.path.of.field`);
    }
    return { name, path };
  });
}

/**
 * Objects in a format other than a table. `single`: one object was asked for by its name, so that it stands for itself
 * and not in a List.
 */
export function formatObjects(
  resources: readonly Resource[],
  format: Exclude<OutputFormat, { readonly type: 'table' }>,
  { single, noHeaders = false }: { readonly single: boolean; readonly noHeaders?: boolean },
): string {
  if (format.type === 'name') return resources.map((r) => `${singularName(r.definition)}/${r.name}\n`).join('');
  if (format.type === 'columns') {
    const { columns } = format;
    const rows = resources.map(({ json }) =>
      columns.map(({ path }) => valuesAt(path, json).map(columnText).join(',') || '<none>'),
    );
    return kubectlTable(noHeaders ? rows : [columns.map(({ name }) => name), ...rows]);
  }
  const list = {
    apiVersion: 'v1',
    items: resources.map(({ json }) => json),
    kind: 'List',
    metadata: { resourceVersion: '' },
  };
  const value = single && resources.length === 1 ? resources[0]!.json : list;
  if (format.type === 'jsonpath') return formatJsonPath(format.template, value);
  return format.type === 'json' ? `${formatJson(printable(value))}\n` : formatYaml(printable(value));
}

/** Lists in custom columns stand as Go prints them. */
function columnText(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(textOf).join(' ')}]` : textOf(value);
}

/** JSON for printing with sorted keys. */
export function printable(value: unknown): Printable {
  if (Array.isArray(value)) return value.map(printable);
  if (typeof value === 'object' && value !== null) {
    return new Map(Object.entries(value).map(([key, member]) => [key, printable(member)] as const));
  }
  return typeof value === 'bigint' ? Number(value) : (value as Printable);
}

/** Sorts objects by the value that a path leads to, as `--sort-by` does; those without one come first. */
export function sortedBy(resources: readonly Resource[], path: string): Resource[] {
  const keyed = resources.map((resource) => ({ resource, value: valuesAt(path, resource.json)[0] }));
  const compare = (a: unknown, b: unknown) =>
    a === undefined || b === undefined
      ? Number(b === undefined) - Number(a === undefined)
      : typeof a === 'number' && typeof b === 'number'
        ? a - b
        : compareText(textOf(a), textOf(b));
  return keyed.sort((a, b) => compare(a.value, b.value)).map(({ resource }) => resource);
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
