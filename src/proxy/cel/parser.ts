import { CelSyntaxError, type Token, tokenize } from './tokens.ts';
import type { CelValue } from './values.ts';

/** An expression, by the grammar of cel-spec. Operators are calls by their own name. */
export type Expr =
  | { readonly kind: 'literal'; readonly value: CelValue }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'field'; readonly of: Expr; readonly name: string }
  | { readonly kind: 'call'; readonly name: string; readonly target: Expr | undefined; readonly args: readonly Expr[] }
  | { readonly kind: 'list'; readonly items: readonly Expr[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [Expr, Expr])[] };

/** How deep expressions may nest, and how long they may be; more is refused rather than risk the stack. */
const MAX_DEPTH = 200;
const MAX_LENGTH = 32 * 1024;
/** Operators, fields and calls in one expression: a chain of them nests as deep as it is long. */
const MAX_OPERATIONS = 1000;

/** Operators by precedence, the weakest first; all associate to the left. */
const LEVELS: readonly ReadonlySet<string>[] = [
  new Set(['||']),
  new Set(['&&']),
  new Set(['==', '!=', '<', '<=', '>', '>=', 'in']),
  new Set(['+', '-']),
  new Set(['*', '/', '%']),
];

/** Throws a CelSyntaxError that names the column. */
export function parseCel(text: string): Expr {
  if (text.length > MAX_LENGTH) throw new CelSyntaxError(`it is longer than ${MAX_LENGTH} characters`);
  return new Parser(tokenize(text)).parse();
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  #operations = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): Expr {
    const expr = this.#expression();
    if (this.#token.kind !== 'end') this.#fail('an operator or the end');
    return expr;
  }

  get #token(): Token {
    return this.#tokens[this.#at];
  }

  #fail(expected: string): never {
    const { kind, text, offset } = this.#token;
    const found = kind === 'end' ? 'the end' : JSON.stringify(text);
    throw new CelSyntaxError(`expected ${expected} but found ${found} at column ${offset + 1}`);
  }

  #operate(): void {
    if (++this.#operations > MAX_OPERATIONS) throw new CelSyntaxError('it has too many operators');
  }

  #accept(operator: string): boolean {
    if (this.#token.kind !== 'operator' || this.#token.text !== operator) return false;
    this.#at++;
    return true;
  }

  #expect(operator: string): void {
    if (!this.#accept(operator)) this.#fail(JSON.stringify(operator));
  }

  #expression(): Expr {
    if (++this.#depth > MAX_DEPTH) throw new CelSyntaxError('it is nested too deeply');
    let expr = this.#binary(0);
    if (this.#accept('?')) {
      const then = this.#binary(0);
      this.#expect(':');
      expr = { kind: 'call', name: '?:', target: undefined, args: [expr, then, this.#expression()] };
    }
    this.#depth--;
    return expr;
  }

  #binary(level: number): Expr {
    if (level === LEVELS.length) return this.#unary();
    let left = this.#binary(level + 1);
    while (this.#token.kind === 'operator' && LEVELS[level].has(this.#token.text)) {
      const name = this.#token.text;
      this.#at++;
      this.#operate();
      left = { kind: 'call', name, target: undefined, args: [left, this.#binary(level + 1)] };
    }
    return left;
  }

  #unary(): Expr {
    const operators: string[] = [];
    while (this.#token.kind === 'operator' && (this.#token.text === '!' || this.#token.text === '-')) {
      operators.push(this.#token.text);
      if (operators.length > MAX_DEPTH) throw new CelSyntaxError('it is nested too deeply');
      this.#at++;
    }
    let expr = this.#member();
    for (const operator of operators.reverse()) {
      const name = operator === '-' ? 'negate' : '!';
      expr = { kind: 'call', name, target: undefined, args: [expr] };
    }
    return expr;
  }

  #member(): Expr {
    let expr = this.#primary();
    for (;;) {
      this.#operate();
      if (this.#accept('.')) {
        const { kind, text } = this.#token;
        if (kind !== 'identifier') this.#fail('the name of a field');
        this.#at++;
        if (this.#accept('(')) expr = { kind: 'call', name: text, target: expr, args: this.#list(')') };
        else expr = { kind: 'field', of: expr, name: text };
      } else if (this.#accept('[')) {
        const index = this.#expression();
        this.#expect(']');
        expr = { kind: 'call', name: '[]', target: undefined, args: [expr, index] };
      } else return expr;
    }
  }

  #primary(): Expr {
    const token = this.#token;
    if (token.kind === 'literal') {
      this.#at++;
      return { kind: 'literal', value: token.value };
    }
    if (this.#accept('(')) {
      const expr = this.#expression();
      this.#expect(')');
      return expr;
    }
    if (this.#accept('[')) return { kind: 'list', items: this.#list(']') };
    if (this.#accept('{')) return { kind: 'map', entries: this.#entries() };
    this.#accept('.');
    const { kind, text } = this.#token;
    if (kind !== 'identifier') this.#fail('a value');
    this.#at++;
    if (this.#accept('(')) return { kind: 'call', name: text, target: undefined, args: this.#list(')') };
    return { kind: 'name', name: text };
  }

  #list(end: ')' | ']'): Expr[] {
    const items: Expr[] = [];
    while (!this.#accept(end)) {
      items.push(this.#expression());
      if (this.#accept(',')) continue;
      this.#expect(end);
      break;
    }
    return items;
  }

  #entries(): (readonly [Expr, Expr])[] {
    const entries: (readonly [Expr, Expr])[] = [];
    while (!this.#accept('}')) {
      const key = this.#expression();
      this.#expect(':');
      entries.push([key, this.#expression()]);
      if (this.#accept(',')) continue;
      this.#expect('}');
      break;
    }
    return entries;
  }
}
