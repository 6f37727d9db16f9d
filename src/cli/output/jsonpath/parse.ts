import { UserError } from '../../../base/errors.ts';

/** One step of a JSONPath template as kubectl reads it: each turns a list of values into another, or prints. */
export type Node =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'path'; readonly steps: readonly Step[] }
  | { readonly type: 'range'; readonly over: readonly Step[]; readonly body: readonly Node[] };

export type Step =
  | { readonly type: 'field'; readonly name: string }
  | { readonly type: 'wildcard' }
  | { readonly type: 'recursive' }
  | {
      readonly type: 'slice';
      readonly start: number | undefined;
      readonly end: number | undefined;
      readonly step: number;
    }
  | { readonly type: 'index'; readonly index: number }
  /** One after the other: the fields of `['metadata.name']`. */
  | { readonly type: 'nested'; readonly steps: readonly Step[] }
  | { readonly type: 'union'; readonly members: readonly Step[] }
  | {
      readonly type: 'filter';
      readonly left: Operand;
      readonly operator: Operator | 'exists';
      readonly right: Operand | undefined;
    };

export type Operand =
  | { readonly steps: readonly Step[]; readonly fromRoot: boolean }
  | { readonly value: string | number | boolean };

const OPERATORS = ['==', '!=', '<=', '>=', '<', '>'] as const;
export type Operator = (typeof OPERATORS)[number];

/** How deep ranges and filters may stand in each other. */
const MAX_DEPTH = 32;

/**
 * Reads a template such as `{range .items[*]}{.metadata.name}{"\n"}{end}`
 * (https://kubernetes.io/docs/reference/kubectl/jsonpath/). Throws a UserError that names what it cannot read.
 */
export function parseJsonPath(template: string): Node[] {
  return new TemplateParser(template).parse();
}

type Word = Node | { readonly type: 'begin'; readonly over: readonly Step[] } | { readonly type: 'end' };

class TemplateParser {
  readonly #template: string;

  constructor(template: string) {
    this.#template = template;
  }

  parse(): Node[] {
    const words: Word[] = [];
    let at = 0;
    while (at < this.#template.length) {
      const open = this.#template.indexOf('{', at);
      if (open !== at) words.push({ type: 'text', text: this.#template.slice(at, open < 0 ? undefined : open) });
      if (open < 0) break;
      const close = endOf(this.#template, open + 1, '}');
      if (close < 0) this.#fail('unclosed action');
      words.push(...this.#action(this.#template.slice(open + 1, close)));
      at = close + 1;
    }
    return this.#nest(words.values(), 0);
  }

  /** Puts what stands between a range and its end into it. */
  #nest(words: Iterator<Word>, depth: number): Node[] {
    if (depth > MAX_DEPTH) this.#fail(`ranges stand more than ${MAX_DEPTH} deep`);
    const nodes: Node[] = [];
    for (let next = words.next(); !next.done; next = words.next()) {
      const word = next.value;
      if (word.type === 'begin') nodes.push({ type: 'range', over: word.over, body: this.#nest(words, depth + 1) });
      else if (word.type !== 'end') nodes.push(word);
      else if (depth === 0) this.#fail('not in range, nothing to end');
      else return nodes;
    }
    if (depth > 0) this.#fail('range has no end');
    return nodes;
  }

  #action(text: string): Word[] {
    const action = text.trim();
    if (action === 'end') return [{ type: 'end' }];
    const range = /^range\s+(.*)$/s.exec(action);
    if (range) return [{ type: 'begin', over: this.#path(range[1]!, 0) }];
    if (/^["']/.test(action)) {
      const end = endOfQuote(action, 0);
      if (end !== action.length - 1) this.#fail(`unterminated quoted string in ${action}`);
      return [{ type: 'text', text: unquote(action) }];
    }
    if (/^(?:true|false|[+-]?\d+(?:\.\d+)?)$/.test(action)) return [{ type: 'text', text: action }];
    return [{ type: 'path', steps: this.#path(action, 0) }];
  }

  /** `.a.b[0]`; `$` and `@` before it are the value that it is applied to. */
  #path(text: string, depth: number): Step[] {
    if (depth > MAX_DEPTH) this.#fail(`filters stand more than ${MAX_DEPTH} deep`);
    const steps: Step[] = [];
    let at = /^[$@]/.test(text) ? 1 : 0;
    while (at < text.length) {
      const char = text[at]!;
      if (/\s/.test(char)) at++;
      else if (char === '[') {
        const close = endOf(text, at + 1, ']');
        if (close < 0) this.#fail('unterminated array');
        steps.push(this.#brackets(text.slice(at + 1, close).trim(), depth));
        at = close + 1;
      } else if (char === '.') {
        if (text[at + 1] === '.') {
          steps.push({ type: 'recursive' });
          at++;
          // `..[0]` has its brackets next, `..name` its field.
          if (text[at + 1] === '[') {
            at++;
            continue;
          }
        }
        const name = FIELD.exec(text.slice(at + 1))![0];
        at += 1 + name.length;
        if (name === '*') steps.push({ type: 'wildcard' });
        else if (name !== '') steps.push({ type: 'field', name: name.replace(/\\(.)/gs, '$1') });
      } else this.#fail(`unrecognized identifier ${text.slice(at)}`);
    }
    return steps;
  }

  #brackets(text: string, depth: number): Step {
    if (text === '*') return { type: 'slice', start: undefined, end: undefined, step: 1 };
    const filter = /^\?\((.*)\)$/s.exec(text);
    if (filter) return this.#filter(filter[1]!, depth);
    const parts = splitOutsideQuotes(text, ',');
    if (parts.length > 1) return { type: 'union', members: parts.map((part) => this.#brackets(part.trim(), depth)) };
    const quoted = /^'(.*)'$/s.exec(text);
    if (quoted) return this.#quotedKey(quoted[1]!);
    if (/^-?\d+$/.test(text)) return { type: 'index', index: Number(text) };
    const slice = /^(-?\d*):(-?\d*)(?::(-?\d*))?$/.exec(text);
    if (!slice) this.#fail(`invalid array index ${text}`);
    const bound = (digits: string | undefined) => (digits ? Number(digits) : undefined);
    const step = bound(slice[3]) ?? 1;
    if (step <= 0) this.#fail('step must be > 0');
    return { type: 'slice', start: bound(slice[1]), end: bound(slice[2]), step };
  }

  /** Dots in a quoted key part fields as well, unless a backslash stands before them. */
  #quotedKey(text: string): Step {
    const names = text.match(/(?:\\.|[^.\\])+/gs) ?? [''];
    const steps = names.map((name): Step => ({ type: 'field', name: name.replace(/\\(.)/gs, '$1') }));
    return steps.length === 1 ? steps[0]! : { type: 'nested', steps };
  }

  #filter(text: string, depth: number): Step {
    const [at, operator] = findOperator(text);
    const left = this.#operand((at < 0 ? text : text.slice(0, at)).trim(), depth);
    if (operator === undefined) return { type: 'filter', left, operator: 'exists', right: undefined };
    return { type: 'filter', left, operator, right: this.#operand(text.slice(at + operator.length).trim(), depth) };
  }

  #operand(text: string, depth: number): Operand {
    if (/^["']/.test(text)) {
      if (endOfQuote(text, 0) !== text.length - 1) this.#fail(`unterminated quoted string in ${text}`);
      return { value: unquote(text) };
    }
    if (/^[+-]?\d+(\.\d+)?$/.test(text)) return { value: Number(text) };
    if (text === 'true' || text === 'false') return { value: text === 'true' };
    return { steps: this.#path(text, depth + 1), fromRoot: text.startsWith('$') };
  }

  #fail(reason: string): never {
    throw new UserError(`error parsing jsonpath ${this.#template}, ${reason}`);
  }
}

/** The name of a field: up to what begins another step, with backslashes before characters that are part of it. */
const FIELD = /^(?:\\.|[^\s.[\]{}(),<>=!|&~'"\\])*/s;

/** The place of a closing bracket, past quotes and brackets within; -1 if there is none. */
function endOf(text: string, from: number, close: string): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const char = text[at]!;
    if (char === '\\') at++;
    else if (char === '"' || char === "'") {
      at = endOfQuote(text, at);
      if (at < 0) return -1;
    } else if (depth === 0 && char === close) return at;
    else if (char === '[' || char === '(') depth++;
    else if (char === ']' || char === ')') depth--;
  }
  return -1;
}

/** The place of the quote that ends the one at `start`; -1 if there is none. */
function endOfQuote(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === text[start]) return at;
  }
  return -1;
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let begin = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"' || text[at] === "'") {
      const end = endOfQuote(text, at);
      if (end < 0) break;
      at = end;
    } else if (text[at] === separator) {
      parts.push(text.slice(begin, at));
      begin = at + 1;
    }
  }
  return [...parts, text.slice(begin)];
}

function findOperator(text: string): [number, Operator | undefined] {
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"' || text[at] === "'") {
      const end = endOfQuote(text, at);
      if (end < 0) break;
      at = end;
      continue;
    }
    const operator = OPERATORS.find((o) => text.startsWith(o, at));
    if (operator !== undefined) return [at, operator];
  }
  return [-1, undefined];
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0' };

function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/gs, (_, char: string) => ESCAPES[char] ?? char);
}
