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

type TokenKind = 'identifier' | 'literal' | 'operator' | 'end';

interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly offset: number;
}

const SKIP = /(?:[\t\n\f\r ]+|\/\/[^\n]*)+/y;
const NUMBER = /(?:0x[0-9a-fA-F]+u?|(?:\d+\.\d+|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\d+u?)/iy;
const RAW_STRING = /(?:[rR][bB]?|[bB][rR])(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"[^"\r\n]*"|'[^'\r\n]*')/y;
const ESCAPE =
  String.raw`\\(?:[abfnrtv\\?"'` +
  '`' +
  String.raw`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})`;
const STRING = new RegExp(
  `[bB]?(?:"""(?:${ESCAPE}|[^\\\\])*?"""|'''(?:${ESCAPE}|[^\\\\])*?'''|"(?:${ESCAPE}|[^\\\\"\\r\\n])*"|'(?:${ESCAPE}|[^\\\\'\\r\\n])*')`,
  'y',
);
const IDENTIFIER = /[_a-zA-Z][_a-zA-Z0-9]*/y;
const OPERATOR = /&&|\|\||==|!=|<=|>=|[-+*/%!?:.,()[\]{}<>]/y;

const WORD_LITERALS = new Set(['true', 'false', 'null']);
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
    const word = literal ?? identifier ?? take(OPERATOR);
    if (word === undefined) throw new CelSyntaxError(`unexpected ${JSON.stringify(text[at])} at column ${at + 1}`);
    const isLiteral = literal !== undefined || WORD_LITERALS.has(word);
    const kind = isLiteral ? 'literal' : identifier !== undefined && word !== 'in' ? 'identifier' : 'operator';
    tokens.push({ kind, text: word, offset: at });
    at += word.length;
  }
  tokens.push({ kind: 'end', text: '', offset: at });
  return tokens;
}

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

  private expression(): void {
    if (++this.depth > MAX_DEPTH) throw new CelSyntaxError('it is nested too deeply');
    this.chain(() => this.chain(() => this.relation(), new Set(['&&'])), new Set(['||']));
    if (this.accept('?')) {
      this.chain(() => this.chain(() => this.relation(), new Set(['&&'])), new Set(['||']));
      this.expect(':');
      this.expression();
    }
    this.depth--;
  }

  private relation(): void {
    this.chain(() => this.chain(() => this.chain(() => this.unary(), PRODUCTS), SUMS), RELATIONS);
  }

  private chain(operand: () => void, operators: ReadonlySet<string>): void {
    operand();
    while (this.token.kind === 'operator' && operators.has(this.token.text)) {
      this.at++;
      operand();
    }
  }

  private unary(): void {
    const sign = this.token.text;
    if (sign === '!' || sign === '-') while (this.accept(sign));
    this.member();
  }

  private member(): void {
    this.primary();
    for (;;) {
      if (this.accept('.')) {
        if (this.token.kind !== 'identifier') this.fail('the name of a field');
        this.at++;
        if (this.accept('(')) this.list(')');
      } else if (this.accept('[')) {
        this.expression();
        this.expect(']');
      } else if (this.token.text === '{' && this.endsName()) {
        this.at++;
        this.entries(true);
      } else return;
    }
  }

  /** A message is written as its type's name before its fields. */
  private endsName(): boolean {
    return this.tokens[this.at - 1]?.kind === 'identifier';
  }

  private primary(): void {
    if (this.token.kind === 'literal') this.at++;
    else if (this.accept('(')) {
      this.expression();
      this.expect(')');
    } else if (this.accept('[')) this.list(']');
    else if (this.accept('{')) this.entries(false);
    else {
      this.accept('.');
      if (this.token.kind !== 'identifier') this.fail('a value');
      this.at++;
      if (this.accept('(')) this.list(')');
    }
  }

  private list(end: ')' | ']'): void {
    if (this.accept(end)) return;
    do {
      if (end === ']' && this.accept(end)) return;
      this.expression();
    } while (this.accept(','));
    this.expect(end);
  }

  private entries(ofMessage: boolean): void {
    for (;;) {
      if (this.accept('}')) return;
      if (ofMessage) {
        if (this.token.kind !== 'identifier') this.fail('the name of a field');
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
