/**
 * What can be printed as JSON or YAML. A plain object is a message, whose members stand in the order of its fields; a Map
 * is a map of people's own keys, which is printed sorted.
 */
export type Printable =
  | null
  | boolean
  | number
  | string
  | readonly Printable[]
  | ReadonlyMap<string, Printable>
  | FreeForm
  | Message;

export interface Message {
  readonly [field: string]: Printable;
}

/** A `google.protobuf.Struct`, `Value` or `ListValue`: JSON without a schema, of Maps, lists and scalars. */
export class FreeForm {
  readonly value: Printable;

  constructor(value: Printable) {
    this.value = value;
  }
}

export function isMessage(value: Printable): value is Message {
  return typeof value === 'object' && value !== null && !isList(value) && !isMap(value) && !(value instanceof FreeForm);
}

export function isList(value: Printable): value is readonly Printable[] {
  return Array.isArray(value);
}

export function isMap(value: Printable): value is ReadonlyMap<string, Printable> {
  return value instanceof Map;
}

/** Members of a Map in the order of their keys' code points, of a message as they are. */
export function entriesOf(value: ReadonlyMap<string, Printable> | Message): [string, Printable][] {
  return isMap(value) ? [...value].sort(([a], [b]) => compareText(a, b)) : Object.entries(value);
}

/** The order of code points, which is that of UTF-8 and so Go's. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  if (i === a.length || i === b.length) return a.length - b.length;
  const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
  const surrogate = (unit: number) => unit >= 0xd800 && unit < 0xe000;
  return surrogate(x) === surrogate(y) ? x - y : surrogate(x) ? 1 : -1;
}

/** JSON as Go's `json.MarshalIndent` lays it out. Ends without a newline. */
export function formatJson(value: Printable, step = '    ', indent = ''): string {
  if (value instanceof FreeForm) return formatJson(value.value, step, indent);
  const inner = indent + step;
  if (isList(value))
    return block(
      '[',
      ']',
      indent,
      inner,
      value.map((item) => formatJson(item, step, inner)),
    );
  if (!isMap(value) && !isMessage(value)) return formatScalar(value);
  const members = entriesOf(value).map(([key, item]) => `${quoteJson(key)}: ${formatJson(item, step, inner)}`);
  return block('{', '}', indent, inner, members);
}

function block(open: string, close: string, indent: string, inner: string, items: readonly string[]): string {
  return items.length === 0 ? open + close : `${open}\n${inner}${items.join(`,\n${inner}`)}\n${indent}${close}`;
}

/**
 * JSON as Go's `jsonpb` lays it out, which istioctl prints bootstraps, secrets and comparisons with: what is in lists and
 * maps stands one step further in than elsewhere, what is in free-form values two, and nothing is folded up for being
 * empty. Ends without a newline.
 */
export function formatJsonpb(message: Message, step = '    '): string {
  return new JsonpbLayout(step).message(message, '');
}

class JsonpbLayout {
  readonly #step: string;

  constructor(step: string) {
    this.#step = step;
  }

  message(message: Message, indent: string): string {
    const members = Object.entries(message).map(
      ([name, value]) => `${indent}${this.#step}${quoteJson(name)}: ${this.#field(value, indent)}`,
    );
    return `{\n${members.join(',\n')}\n${indent}}`;
  }

  #field(value: Printable, indent: string): string {
    if (!isList(value) && !isMap(value)) return this.#single(value, indent);
    return this.#collection(value, indent, (item) => this.#single(item, indent + this.#step));
  }

  #single(value: Printable, indent: string): string {
    const inner = indent + this.#step;
    if (value instanceof FreeForm) return this.#freeForm(value.value, inner);
    if (isList(value) || isMap(value)) return this.#field(value, inner);
    return isMessage(value) ? this.message(value, inner) : formatScalar(value);
  }

  #freeForm(value: Printable, indent: string): string {
    if (!isList(value) && !isMap(value)) return this.#single(value, indent);
    // Each value stands in a Value, which stands in a Struct or ListValue: three messages, and each goes further in.
    return this.#collection(value, indent, (item) => this.#freeForm(item, indent + this.#step.repeat(3)));
  }

  #collection(
    value: readonly Printable[] | ReadonlyMap<string, Printable>,
    indent: string,
    print: (item: Printable) => string,
  ): string {
    const inner = indent + this.#step;
    const items = isList(value)
      ? value.map(print)
      : entriesOf(value).map(([key, item]) => `${quoteJson(key)}: ${print(item)}`);
    const [open, close] = isList(value) ? '[]' : '{}';
    return `${open}${items.map((item) => `\n${inner}${this.#step}${item}`).join(',')}\n${inner}${close}`;
  }
}

function formatScalar(value: null | boolean | number | string): string {
  if (typeof value === 'string') return quoteJson(value);
  return Object.is(value, -0) ? '-0' : String(value);
}

/** A string as Go writes it: what would be special in HTML is escaped as well. */
export function quoteJson(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
