import type { JsonValue } from '@bufbuild/protobuf';

/**
 * JSON as protobuf's streaming parser takes it, which Envoy's transcoder uses: besides RFC 8259 it allows strings in
 * single quotes, keys without quotes, and a comma before the end of a list or an object. Numbers stay as they were
 * written, so that none of 64 bits is rounded; members keep their order.
 */
export type JsonTree = null | boolean | string | JsonNumber | JsonMembers | readonly JsonTree[];

/** A number as it was written: what type it is for decides how exact it has to be. */
export class JsonNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  get value(): number {
    return Number(this.text);
  }
}

/** An object with its members in order; names may stand there twice. */
export class JsonMembers {
  readonly entries: readonly (readonly [key: string, value: JsonTree])[];

  constructor(entries: readonly (readonly [string, JsonTree])[]) {
    this.entries = entries;
  }
}

/** A text that is no JSON, or a message that does not fit its schema: what the client is told. */
export class TranscodeError extends Error {
  override readonly name = 'TranscodeError';
}

/** Lists and objects within each other; more is refused, as by protobuf. */
const MAX_DEPTH = 100;
/** Characters shown before and after the place of an error. */
const CONTEXT = 20;

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** Parses a text of one value. Throws a {@link TranscodeError}. */
export function parseJson(text: string): JsonTree {
  return new Reader(text).whole();
}

class Reader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): JsonTree {
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail('Parsing terminated before end of input.');
    return value;
  }

  #fail(message: string): never {
    const begin = Math.max(0, this.#at - CONTEXT);
    const context = this.#text.slice(begin, this.#at + CONTEXT);
    throw new TranscodeError(`${message}\n${context}\n${' '.repeat(this.#at - begin)}^`);
  }

  #skipSpace(): void {
    const text = this.#text;
    for (; this.#at < text.length; this.#at++) {
      const code = text.charCodeAt(this.#at);
      if (code !== 32 && (code < 9 || code > 13)) return;
    }
  }

  #peek(): string {
    this.#skipSpace();
    return this.#text[this.#at] ?? '';
  }

  #value(): JsonTree {
    const first = this.#peek();
    switch (first) {
      case '':
        return this.#fail('Unexpected end of string. Expected a value.');
      case '{':
        return this.#nested(() => this.#members());
      case '[':
        return this.#nested(() => this.#elements());
      case '"':
      case "'":
        return this.#string();
      default:
        return /[-0-9]/.test(first) ? this.#number() : this.#word();
    }
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > MAX_DEPTH) this.#fail(`Message too deep. Max recursion depth reached for key ''`);
    this.#at++;
    const value = read();
    this.#at++;
    this.#depth--;
    return value;
  }

  #members(): JsonMembers {
    const entries: [string, JsonTree][] = [];
    while (this.#peek() !== '}') {
      const key = this.#key();
      if (this.#peek() !== ':') this.#failEnd('Expected : between key:value pair.');
      this.#at++;
      entries.push([key, this.#value()]);
      const next = this.#peek();
      if (next === ',') this.#at++;
      else if (next !== '}') this.#failEnd('Expected , or } after key:value pair.');
    }
    return new JsonMembers(entries);
  }

  #failEnd(message: string): never {
    return this.#fail(this.#at < this.#text.length ? message : `Unexpected end of string. ${message}`);
  }

  #key(): string {
    const first = this.#peek();
    if (first === '"' || first === "'") return this.#string();
    const word = /^[A-Za-z_$][\w$]*/.exec(this.#text.slice(this.#at, this.#at + 1024))?.[0];
    if (word === undefined) this.#failEnd('Expected an object key or }.');
    this.#at += word!.length;
    return word!;
  }

  #elements(): JsonTree[] {
    const elements: JsonTree[] = [];
    while (this.#peek() !== ']') {
      elements.push(this.#value());
      const next = this.#peek();
      if (next === ',') this.#at++;
      else if (next !== ']') this.#failEnd('Expected , or ] after array value.');
    }
    return elements;
  }

  #word(): JsonTree {
    for (const [word, value] of WORDS) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    return this.#fail(/[A-Za-z\]}]/.test(this.#text[this.#at]) ? 'Unexpected token.' : 'Expected a value.');
  }

  #number(): JsonNumber {
    const rest = /[-+.0-9a-zA-Z]*/y;
    rest.lastIndex = this.#at;
    const [text] = rest.exec(this.#text)!;
    if (/^-?0(?:\d+$|[xX])/.test(text)) this.#fail('Octal/hex numbers are not valid JSON values.');
    if (!/^-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(text)) this.#fail('Unable to parse number.');
    if (!Number.isFinite(Number(text))) this.#fail('Number exceeds the range of double.');
    this.#at += text.length;
    return new JsonNumber(text);
  }

  #string(): string {
    const text = this.#text;
    const quote = text[this.#at];
    const start = ++this.#at;
    let result = '';
    let from = start;
    for (;;) {
      const character = text[this.#at];
      if (character === undefined) this.#fail('Closing quote expected in string.');
      if (character === quote) break;
      if (character !== '\\') {
        this.#at++;
        continue;
      }
      result += text.slice(from, this.#at) + this.#escape();
      from = this.#at;
    }
    result += text.slice(from, this.#at++);
    return result;
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1];
    if (letter === undefined) this.#fail('Closing quote expected in string.');
    if (letter !== 'u') {
      this.#at += 2;
      return ESCAPES[letter] ?? letter;
    }
    const high = this.#unit(this.#at);
    if (high >= 0xdc00 && high <= 0xdfff) this.#fail('Invalid unicode code point.');
    if (high < 0xd800 || high > 0xdfff) {
      this.#at += 6;
      return String.fromCharCode(high);
    }
    if (!this.#text.startsWith('\\u', this.#at + 6)) this.#fail('Missing low surrogate.');
    const low = this.#unit(this.#at + 6);
    if (low < 0xdc00 || low > 0xdfff) this.#fail('Invalid low surrogate.');
    this.#at += 12;
    return String.fromCharCode(high, low);
  }

  #unit(at: number): number {
    const digits = this.#text.slice(at + 2, at + 6);
    if (digits.length < 4) this.#fail('Illegal hex string.');
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.#fail('Invalid escape sequence.');
    return Number.parseInt(digits, 16);
  }
}

const WORDS: readonly (readonly [string, JsonTree])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

/** The value as JavaScript has it: for types whose JSON protobuf-es reads by itself. */
export function plainJson(tree: JsonTree): JsonValue {
  if (tree instanceof JsonNumber) return tree.value;
  if (tree instanceof JsonMembers) {
    return Object.fromEntries(tree.entries.map(([key, value]) => [key, plainJson(value)]));
  }
  return Array.isArray(tree) ? tree.map(plainJson) : (tree as null | boolean | string);
}
