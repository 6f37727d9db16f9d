import { formatAge } from '../output/age.ts';
import { formatTable } from '../output/table.ts';
import type { Resource } from './objects.ts';
import { singularName } from './resource-type.ts';

export interface TableOptions {
  readonly wide?: boolean;
  readonly allNamespaces?: boolean;
  readonly noHeaders?: boolean;
  /** Say of each object which kind it is of. */
  readonly showKind?: boolean;
  readonly showLabels?: boolean;
  /** Labels that have a column each. */
  readonly labelColumns?: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Spaces between columns, and the least width that a column has with them, as kubectl's tables have them. */
const PADDING = 3;
const MIN_CELL = 3;

/** The table that kubectl prints for objects of one kind. */
export function formatResources(resources: readonly Resource[], options: TableOptions): string {
  const [first] = resources;
  if (first === undefined) return '';
  const { columns, namespaced } = first.definition;
  const { wide = false, labelColumns = [] } = options;
  const before = columns.filter((c) => !c.wide && !c.afterAge);
  const after = columns.filter((c) => c.afterAge || (c.wide && wide));
  const inNamespaces = options.allNamespaces === true && namespaced;
  const header = [
    ...(inNamespaces ? ['NAMESPACE'] : []),
    'NAME',
    ...before.map((c) => c.name),
    'AGE',
    ...after.map((c) => c.name),
    ...labelColumns.map((label) => label.slice(label.lastIndexOf('/') + 1).toUpperCase()),
    ...(options.showLabels ? ['LABELS'] : []),
  ];
  const rows = resources.map(({ definition, object, name, namespace, labels, createdAt }) => [
    ...(inNamespaces ? [namespace] : []),
    options.showKind ? `${singularName(definition)}/${name}` : name,
    ...before.map((c) => c.value(object)),
    formatAge(options.now - createdAt),
    ...after.map((c) => c.value(object)),
    ...labelColumns.map((label) => labels[label] ?? ''),
    ...(options.showLabels ? [formatLabels(labels)] : []),
  ]);
  return kubectlTable(options.noHeaders ? rows : [header, ...rows]);
}

/** Rows as kubectl aligns them. */
export function kubectlTable(rows: readonly (readonly string[])[]): string {
  const padded = rows.map((row) => row.map((cell, i) => (i < row.length - 1 ? cell.padEnd(MIN_CELL) : cell)));
  return formatTable(padded, PADDING);
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? '<none>' : pairs.sort().join(',');
}
