import { FreeForm, isList, isMap, isMessage, type Message, type Printable } from './json.ts';
import { formatYamlNumber, formatYamlText } from './yaml-scalar.ts';

/** YAML of a value as kubectl and istioctl print it: keys sorted, lists not further in than their key. Ends with a newline. */
export function formatYaml(value: Printable): string {
  const lines: string[] = [];
  writeNode(value, 0, '', lines);
  return `${lines.join('\n')}\n`;
}

/** Columns that a line may have before it is folded at a space. */
const WIDTH = 80;
/** A longer key is written as an explicit one. */
const MAX_SIMPLE_KEY = 128;

/**
 * Adds a value to `lines`. `head` is what stands before it in its first line: the indentation, a key, or dashes; where it
 * ends with a colon, a collection that is not empty starts in the next line.
 */
function writeNode(node: Printable, indent: number, head: string, lines: string[]): void {
  const value = node instanceof FreeForm ? node.value : node;
  if (isList(value) && value.length > 0) writeList(value, indent, head, lines);
  else if ((isMap(value) || isMessage(value)) && keysOf(value).length > 0) writeMap(value, indent, head, lines);
  else {
    const space = head === '' || head.endsWith(' ') ? '' : ' ';
    lines.push(`${head}${space}${formatLeaf(value, indent, head.length + space.length)}`);
  }
}

function formatLeaf(value: Printable, indent: number, column: number): string {
  if (isList(value)) return '[]';
  if (typeof value === 'string') return formatYamlText(value, { indent, column, width: WIDTH });
  if (typeof value === 'number') return formatYamlNumber(value);
  return value === null || typeof value === 'boolean' ? String(value) : '{}';
}

function writeList(list: readonly Printable[], indent: number, head: string, lines: string[]): void {
  let start = head;
  if (head.endsWith(':')) {
    lines.push(head);
    start = ' '.repeat(indent);
  }
  for (const item of list) {
    writeNode(item, indent + 2, `${start}- `, lines);
    start = ' '.repeat(indent);
  }
}

function writeMap(map: ReadonlyMap<string, Printable> | Message, indent: number, head: string, lines: string[]): void {
  let start = head;
  if (head.endsWith(':')) {
    lines.push(head);
    start = ' '.repeat(indent);
  }
  for (const key of keysOf(map).sort(compareKeys)) {
    const value = isMap(map) ? map.get(key)! : map[key];
    if (isSimpleKey(key)) {
      const text = formatYamlText(key, { indent, column: start.length, width: Number.POSITIVE_INFINITY });
      writeNode(value, childIndent(value, indent), `${start}${text}:`, lines);
    } else {
      const text = formatYamlText(key, { indent: indent + 2, column: start.length + 2, width: WIDTH });
      lines.push(`${start}? ${text}`);
      writeNode(value, indent + 2, `${' '.repeat(indent)}: `, lines);
    }
    start = ' '.repeat(indent);
  }
}

/** Whether a key stands before its colon in one line. */
function isSimpleKey(key: string): boolean {
  return Buffer.byteLength(key) <= MAX_SIMPLE_KEY && !/[\n\r\u0085\u2028\u2029]/.test(key);
}

/** A list stands below its key without going further in. */
function childIndent(value: Printable, indent: number): number {
  return isList(value instanceof FreeForm ? value.value : value) ? indent : indent + 2;
}

function keysOf(value: ReadonlyMap<string, Printable> | Message): string[] {
  return isMap(value) ? [...value.keys()] : Object.keys(value);
}

const LETTER = /^\p{L}$/u;
const DIGIT = /^\p{Nd}$/u;

/** Orders keys as people would, `a2` before `a10`, and what is no letter before what is one. */
export function compareKeys(a: string, b: string): number {
  const [x, y] = [[...a], [...b]];
  for (let i = 0; i < x.length && i < y.length; i++) {
    if (x[i] === y[i]) continue;
    const [letterX, letterY] = [LETTER.test(x[i]), LETTER.test(y[i])];
    if (letterX && letterY) return codePoint(x[i]) - codePoint(y[i]);
    if (letterX || letterY) return letterX ? 1 : -1;
    return compareNumbers(x, y, i);
  }
  return x.length - y.length;
}

/** Compares two keys from their first difference on, where neither has a letter. */
function compareNumbers(x: readonly string[], y: readonly string[], at: number): number {
  // A zero counts only behind a digit that is not one.
  const significant = (x[at] === '0' || y[at] === '0') && hasSignificantDigit(x, at);
  const [m, endX] = readNumber(x, at, significant);
  const [n, endY] = readNumber(y, at, significant);
  if (m !== n) return m < n ? -1 : 1;
  return endX - endY || codePoint(x[at]) - codePoint(y[at]);
}

function hasSignificantDigit(text: readonly string[], before: number): boolean {
  for (let i = before - 1; i >= 0 && DIGIT.test(text[i]); i--) if (text[i] !== '0') return true;
  return false;
}

function readNumber(text: readonly string[], from: number, significant: boolean): [value: bigint, end: number] {
  let value = significant ? 1n : 0n;
  let end = from;
  for (; end < text.length && DIGIT.test(text[end]); end++) {
    value = BigInt.asIntN(64, value * 10n + BigInt(codePoint(text[end]) - 48));
  }
  return [value, end];
}

function codePoint(char: string): number {
  return char.codePointAt(0)!;
}
