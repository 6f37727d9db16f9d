/**
 * Checks that a text is an expression of the Common Expression Language, by its grammar (cel-spec, doc/langdef.md).
 * Names and types are not looked at: what exists is known where the expression runs.
 */
export function checkCel(text: string): string | undefined {
  try {
    const tokens = tokenize(text);
    new Parser(tokens).parse();
    return undefined;
  } catch (error) {
    if (error instanceof CelSyntaxError) return `is not a CEL expression: ${error.message}`;
    throw error;
  }
}

class CelSyntaxError extends Error {}

type TokenKind = 'identifier' | 'quoted-field' | 'literal' | 'operator' | 'end';

interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly offset: number;
}

const SKIP = /(?:[\t\n\f\r ]+|\/\/[^\n]*)+/y;
const NUMBER = /(?:0x[0-9a-fA-F]+u?|(?:\d+\.\d+|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\d+u?)/iy;
const RAW_STRING = /(?:[rR][bB]?|[bB][rR])(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"[^"\r\n]*"|'[^'\r\n]*')/y;
const ESCAPE = '\\\\(?:[abfnrtv\\\\?"\'`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})';
/** The text between `quote` and itself, where no character of `excluded` may stand. */
const quoted = (quote: string, excluded: string): string => `${quote}(?:${ESCAPE}|[^\\\\${excluded}])*?${quote}`;
const STRING = new RegExp(
  `[bB]?(?:${quoted('"""', '')}|${quoted("'''", '')}|${quoted('"', '"\\r\\n')}|${quoted("'", "'\\r\\n")})`,
  'y',
);
const IDENTIFIER = /[_a-zA-Z][_a-zA-Z0-9]*/y;
/** A field whose name is no identifier, in backquotes. */
const QUOTED_FIELD = /`[a-zA-Z0-9_.\-/ ]+`/y;
const OPERATOR = /&&|\|\||==|!=|<=|>=|[-+*/%!?:.,()[\]{}<>]/y;

const RESERVED = new Set(
  'as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);

const WORD_LITERALS = new Set(['true', 'false', 'null']);
const OR = new Set(['||']);
const AND = new Set(['&&']);
const RELATIONS = new Set(['<', '<=', '>=', '>', '==', '!=', 'in']);
const SUMS = new Set(['+', '-']);
const PRODUCTS = new Set(['*', '/', '%']);

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  for (;;) {
    at += take(SKIP)?.length ?? 0;
    if (at >= text.length) break;
    const literal = take(RAW_STRING) ?? take(STRING) ?? take(NUMBER);
    const identifier = literal === undefined ? take(IDENTIFIER) : undefined;
    const field = take(QUOTED_FIELD);
    const word = literal ?? identifier ?? field ?? take(OPERATOR);
    if (word === undefined) throw new CelSyntaxError(`unexpected ${JSON.stringify(text[at])} at column ${at + 1}`);
    let kind: TokenKind = 'operator';
    if (literal !== undefined || WORD_LITERALS.has(word)) kind = 'literal';
    else if (identifier !== undefined && word !== 'in') kind = 'identifier';
    else if (field !== undefined) kind = 'quoted-field';
    if (literal !== undefined) checkRange(literal, at);
    tokens.push({ kind, text: word, offset: at });
    at += word.length;
  }
  tokens.push({ kind: 'end', text: '', offset: at });
  return tokens;
}

/** Integers have 64 bits; the sign of the smallest is its literal's own, which is looked at where signs are. */
function checkRange(literal: string, offset: number): void {
  const match = /^(0x[0-9a-f]+|\d+)(u?)$/i.exec(literal);
  if (match === null) return;
  const value = BigInt(match[1]!);
  const max = match[2] === '' ? 2n ** 63n : 2n ** 64n - 1n;
  if (value > max) throw new CelSyntaxError(`${literal} at column ${offset + 1} does not fit into 64 bits`);
}

/** Macros that bind a name to each element. */
const COMPREHENSIONS = new Set(['all', 'exists', 'exists_one', 'existsOne', 'filter']);

/** What an expression is to whoever contains it: a bare name, names joined by dots, a field of a value, or any value. */
type Shape = 'name' | 'path' | 'field' | 'value';

/** How deep expressions may nest; more is refused rather than risk the stack. */
const MAX_DEPTH = 250;

class Parser {
  private readonly tokens: readonly Token[];
  private at = 0;
  private depth = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  parse(): void {
    this.expression();
    if (this.token.kind !== 'end') this.fail('an operator or the end');
  }

  private get token(): Token {
    return this.tokens[this.at]!;
  }

  private fail(expected: string): never {
    const { kind, text, offset } = this.token;
    const found = kind === 'end' ? 'the end' : JSON.stringify(text);
    throw new CelSyntaxError(`expected ${expected} but found ${found} at column ${offset + 1}`);
  }

  /** Takes the operator if it is next. */
  private accept(text: string): boolean {
    if (this.token.kind !== 'operator' || this.token.text !== text) return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (!this.accept(text)) this.fail(JSON.stringify(text));
  }

  private expression(): Shape {
    if (++this.depth > MAX_DEPTH) throw new CelSyntaxError('it is nested too deeply');
    let shape = this.disjunction();
    if (this.accept('?')) {
      this.disjunction();
      this.expect(':');
      this.expression();
      shape = 'value';
    }
    this.depth--;
    return shape;
  }

  private disjunction(): Shape {
    const product = (): Shape => this.chain(() => this.unary(), PRODUCTS);
    const sum = (): Shape => this.chain(product, SUMS);
    const relation = (): Shape => this.chain(sum, RELATIONS);
    return this.chain(() => this.chain(relation, AND), OR);
  }

  /** Operands of one precedence; one alone keeps its shape. */
  private chain(operand: () => Shape, operators: ReadonlySet<string>): Shape {
    let shape = operand();
    while (this.token.kind === 'operator' && operators.has(this.token.text)) {
      this.at++;
      operand();
      shape = 'value';
    }
    return shape;
  }

  private unary(): Shape {
    const sign = this.token.text;
    let signs = 0;
    if (this.token.kind === 'operator' && (sign === '!' || sign === '-')) while (this.accept(sign)) signs++;
    const { kind, text } = this.token;
    if (kind === 'literal' && /^\d+$/.test(text) && BigInt(text) === 2n ** 63n && (sign !== '-' || signs !== 1)) {
      this.fail('an integer of 64 bits');
    }
    const shape = this.member();
    return signs === 0 ? shape : 'value';
  }

  private member(): Shape {
    let shape = this.primary();
    for (;;) {
      if (this.accept('.')) {
        const name = this.token.text;
        if (this.token.kind !== 'identifier' && this.token.kind !== 'quoted-field') this.fail('the name of a field');
        this.at++;
        if (this.accept('(')) {
          this.checkMacro(name, this.list(')'));
          shape = 'value';
        } else shape = shape === 'name' || shape === 'path' ? 'path' : 'field';
      } else if (this.accept('[')) {
        this.expression();
        this.expect(']');
        shape = 'value';
      } else if ((shape === 'name' || shape === 'path') && this.accept('{')) {
        this.entries(true);
        shape = 'value';
      } else return shape;
    }
  }

  private primary(): Shape {
    if (this.token.kind === 'literal') this.at++;
    else if (this.accept('(')) {
      this.expression();
      this.expect(')');
    } else if (this.accept('[')) this.list(']');
    else if (this.accept('{')) this.entries(false);
    else {
      this.accept('.');
      const { kind, text } = this.token;
      if (kind !== 'identifier' || RESERVED.has(text)) this.fail('a value');
      this.at++;
      if (!this.accept('(')) return 'name';
      this.checkMacro(text, this.list(')'));
    }
    return 'value';
  }

  /** Macros look at what is written rather than at values. */
  private checkMacro(name: string, args: readonly Shape[]): void {
    if (name === 'has' && args.length === 1 && args[0] !== 'path' && args[0] !== 'field') {
      throw new CelSyntaxError('has() needs a field, such as has(request.headers)');
    }
    const binds =
      (COMPREHENSIONS.has(name) && args.length === 2) || (name === 'map' && (args.length === 2 || args.length === 3));
    if (binds && args[0] !== 'name') throw new CelSyntaxError(`the first argument of ${name}() must be a name`);
  }

  private list(end: ')' | ']'): Shape[] {
    const shapes: Shape[] = [];
    if (end === ']' && this.token.text === ',' && this.tokens[this.at + 1]?.text === ']') this.at++;
    while (!this.accept(end)) {
      shapes.push(this.expression());
      if (this.accept(',')) {
        if (end === ')' && this.token.text === ')') this.fail('a value');
      } else {
        this.expect(end);
        break;
      }
    }
    return shapes;
  }

  private entries(ofMessage: boolean): void {
    while (!this.accept('}')) {
      if (ofMessage) {
        if (this.token.kind !== 'identifier' && this.token.kind !== 'quoted-field') this.fail('the name of a field');
        this.at++;
      } else this.expression();
      this.expect(':');
      this.expression();
      if (!this.accept(',')) {
        this.expect('}');
        return;
      }
    }
  }
}
