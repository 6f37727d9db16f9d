/** An expression that is not one of the language. */
export class CelSyntaxError extends Error {}

export type Token =
  | { readonly kind: 'identifier' | 'operator' | 'end'; readonly text: string; readonly offset: number }
  | {
      readonly kind: 'literal';
      readonly text: string;
      readonly offset: number;
      readonly value: null | boolean | bigint | number | string | Uint8Array;
    };

const SKIP = /(?:[\t\n\f\r ]+|\/\/[^\n]*)+/y;
const DOUBLE = /(?:\d+\.\d+|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+/y;
const INTEGER = /(?:0[xX][0-9a-fA-F]+|\d+)([uU]?)/y;
const STRING =
  /([rRbB]{0,2})("""[\s\S]*?(?<!\\)"""|'''[\s\S]*?(?<!\\)'''|"(?:\\.|[^"\\\r\n])*"|'(?:\\.|[^'\\\r\n])*')/y;
const IDENTIFIER = /[_a-zA-Z][_a-zA-Z0-9]*|`[a-zA-Z0-9_.\-/ ]+`/y;
const OPERATOR = /&&|\|\||==|!=|<=|>=|[-+*/%!?:.,()[\]{}<>]/y;

const WORDS: ReadonlyMap<string, null | boolean> = new Map([
  ['true', true],
  ['false', false],
  ['null', null],
]);
const MAX_INT = 2n ** 64n;

/** Takes an expression apart. Throws what is wrong with it, in words. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  for (;;) {
    at += match(SKIP)?.[0].length ?? 0;
    if (at >= text.length) break;
    const token = literal(match, at) ?? word(match, at);
    if (token === undefined) throw new CelSyntaxError(`unexpected ${JSON.stringify(text[at])} at column ${at + 1}`);
    tokens.push(token.token);
    at += token.length;
  }
  tokens.push({ kind: 'end', text: '', offset: at });
  return tokens;
}

type Match = (pattern: RegExp) => RegExpExecArray | null;
type Found = { readonly token: Token; readonly length: number };

function literal(match: Match, offset: number): Found | undefined {
  const found = (text: string, value: Extract<Token, { kind: 'literal' }>['value']): Found => ({
    token: { kind: 'literal', text, offset, value },
    length: text.length,
  });
  const quoted = match(STRING);
  if (quoted !== null) return found(quoted[0], stringOf(quoted[1], quoted[2], offset));
  const double = match(DOUBLE);
  if (double !== null) return found(double[0], Number(double[0]));
  const integer = match(INTEGER);
  if (integer === null) return undefined;
  const value = BigInt(integer[1] === '' ? integer[0] : integer[0].slice(0, -1));
  if (value >= MAX_INT) throw new CelSyntaxError(`${integer[0]} at column ${offset + 1} does not fit into 64 bits`);
  return found(integer[0], value);
}

function word(match: Match, offset: number): Found | undefined {
  const identifier = match(IDENTIFIER)?.[0];
  if (identifier !== undefined) {
    const constant = WORDS.get(identifier);
    if (constant !== undefined) {
      return { token: { kind: 'literal', text: identifier, offset, value: constant }, length: identifier.length };
    }
    const text = identifier.startsWith('`') ? identifier.slice(1, -1) : identifier;
    // `in` is an operator by another name.
    return { token: { kind: text === 'in' ? 'operator' : 'identifier', text, offset }, length: identifier.length };
  }
  const operator = match(OPERATOR)?.[0];
  return operator === undefined
    ? undefined
    : { token: { kind: 'operator', text: operator, offset }, length: operator.length };
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};
const ESCAPE = /\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([\s\S]))/g;

function stringOf(prefix: string, quoted: string, offset: number): string | Uint8Array {
  const quotes = /^("""|''')/.test(quoted) ? 3 : 1;
  const inner = quoted.slice(quotes, -quotes);
  const text = /[rR]/.test(prefix) ? inner : unescaped(inner, offset);
  return /[bB]/.test(prefix) ? Buffer.from(text, 'utf8') : text;
}

function unescaped(text: string, offset: number): string {
  return text.replaceAll(ESCAPE, (all, hex, short, long, octal, plain: string | undefined) => {
    if (plain === undefined) {
      const code = octal === undefined ? Number.parseInt(hex ?? short ?? long, 16) : Number.parseInt(octal, 8);
      if (code > 0x10ffff) throw new CelSyntaxError(`${all} at column ${offset + 1} is no character`);
      return String.fromCodePoint(code);
    }
    if (Object.hasOwn(ESCAPES, plain)) return ESCAPES[plain];
    if ('\\?"\'`'.includes(plain)) return plain;
    throw new CelSyntaxError(`${all} at column ${offset + 1} is no escape`);
  });
}
