import { UserError } from '../../../base/errors.ts';
import { compareText, quoteJson } from '../json.ts';
import { type Node, type Operand, type Operator, parseJsonPath, type Step } from './parse.ts';

/** How many values one expression may give: a recursive descent of a recursive descent has no other bound. */
const MAX_VALUES = 1_000_000;

/**
 * What `kubectl get -o jsonpath=TEMPLATE` prints of a value: texts as they are, several values with spaces between them,
 * objects and lists as JSON with sorted keys. A field that is missing gives nothing. Throws a UserError where a template
 * cannot be read, or asks a list for what it does not have.
 */
export function formatJsonPath(template: string, value: unknown): string {
  return evaluateNodes(parseJsonPath(template), value, value);
}

/** The values that a path such as `.metadata.name`, with or without braces, leads to. */
export function valuesAt(path: string, value: unknown): unknown[] {
  const braced = path.startsWith('{') ? path : `{${/^[.[$@]/.test(path) ? path : `.${path}`}}`;
  const nodes = parseJsonPath(braced);
  const [node] = nodes;
  if (nodes.length !== 1 || node?.type !== 'path')
    throw new UserError(`${JSON.stringify(path)} is not a path such as .metadata.name`);
  return follow(node.steps, value, value);
}

/** A single value as text. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? compactJson(value) : String(value);
}

function evaluateNodes(nodes: readonly Node[], value: unknown, root: unknown): string {
  let text = '';
  for (const node of nodes) {
    if (node.type === 'text') text += node.text;
    else if (node.type === 'path') text += follow(node.steps, value, root).map(textOf).join(' ');
    else for (const item of follow(node.over, value, root)) text += evaluateNodes(node.body, item, root);
  }
  return text;
}

function follow(steps: readonly Step[], value: unknown, root: unknown): unknown[] {
  let values = [value];
  for (const step of steps) {
    values = values.flatMap((v) => take(step, v, root));
    if (values.length > MAX_VALUES) throw new UserError(`the jsonpath gives more than ${MAX_VALUES} values`);
  }
  return values;
}

function take(step: Step, value: unknown, root: unknown): unknown[] {
  switch (step.type) {
    case 'field':
      return isObject(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
    case 'wildcard':
      return children(value);
    case 'recursive':
      return descendants(value);
    case 'index': {
      const list = listOf(value);
      if (list === undefined) return [];
      const index = step.index < 0 ? step.index + list.length : step.index;
      if (index < 0 || index >= list.length)
        throw new UserError(`array index out of bounds: index ${step.index}, length ${list.length}`);
      return [list[index]];
    }
    case 'slice': {
      const list = listOf(value) ?? [];
      return list.slice(step.start, step.end).filter((_, i) => i % step.step === 0);
    }
    case 'nested':
      return follow(step.steps, value, root);
    case 'union':
      return step.members.flatMap((member) => take(member, value, root));
    case 'filter':
      return (listOf(value) ?? []).filter((item) => passes(step, item, root));
  }
}

function passes(step: Step & { readonly type: 'filter' }, item: unknown, root: unknown): boolean {
  const left = operandOf(step.left, item, root);
  if (step.operator === 'exists') return left.length > 0;
  const right = operandOf(step.right!, item, root);
  if (left.length === 0 || right.length === 0) return false;
  if (left.length > 1 || right.length > 1) throw new UserError('can only compare one element at a time');
  return compare(left[0], step.operator, right[0]);
}

function operandOf(operand: Operand, item: unknown, root: unknown): unknown[] {
  return 'value' in operand ? [operand.value] : follow(operand.steps, operand.fromRoot ? root : item, root);
}

function compare(a: unknown, operator: Operator, b: unknown): boolean {
  if (typeof a !== typeof b || typeof a === 'object') throw new UserError('incompatible types for comparison');
  const order =
    typeof a === 'string' ? compareText(a, b as string) : Number(a) === Number(b) ? 0 : Number(a) < Number(b) ? -1 : 1;
  switch (operator) {
    case '==':
      return order === 0;
    case '!=':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
  }
}

function children(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isObject(value) ? sortedKeys(value).map((key) => value[key]) : [];
}

/** The value itself and everything in it. */
function descendants(value: unknown): unknown[] {
  const found: unknown[] = [];
  const walk = (v: unknown) => {
    found.push(v);
    if (found.length > MAX_VALUES) throw new UserError(`the jsonpath gives more than ${MAX_VALUES} values`);
    for (const child of children(v)) walk(child);
  };
  walk(value);
  return found;
}

/** Undefined where there is nothing that could be a list. */
function listOf(value: unknown): readonly unknown[] | undefined {
  if (value === null || value === undefined) return undefined;
  if (!Array.isArray(value)) throw new UserError(`${compactJson(value).slice(0, 60)} is not a list`);
  return value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sortedKeys(value: object): string[] {
  return Object.keys(value).sort(compareText);
}

function compactJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(compactJson).join(',')}]`;
  if (typeof value === 'string') return quoteJson(value);
  if (!isObject(value)) return String(value);
  const members = sortedKeys(value).map((key) => `${quoteJson(key)}:${compactJson(value[key])}`);
  return `{${members.join(',')}}`;
}
