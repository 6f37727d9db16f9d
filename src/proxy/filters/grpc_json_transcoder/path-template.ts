/** A variable of a template, and the segments that it takes. */
export interface TemplateVariable {
  /** Names of fields, from the request message inwards. */
  readonly fieldPath: readonly string[];
  readonly start: number;
  /** Where it ends, or from the end of the path if it is negative: -1 takes all of it. */
  readonly end: number;
}

/** Path template of an HTTP rule (google/api/http.proto). */
export interface PathTemplate {
  /** Literals, `*` for one segment, `**` for any number of them. */
  readonly segments: readonly string[];
  readonly verb: string;
  readonly variables: readonly TemplateVariable[];
}

/**
 * Parses a template such as `/v1/{name=shelves/*}/books/{id}:archive`. Returns undefined for what is none; behind `**`
 * there can be literals only.
 */
export function parsePathTemplate(text: string): PathTemplate | undefined {
  return new Parser(text).parse();
}

const LITERAL = /[^/{}=:*]+/y;
const FIELD_PATH = /[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*/y;

class Parser {
  readonly #text: string;
  #at = 0;
  readonly #segments: string[] = [];
  readonly #variables: { fieldPath: readonly string[]; start: number; end: number }[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  parse(): PathTemplate | undefined {
    if (!this.#take('/')) return undefined;
    if (this.#at === this.#text.length) return { segments: [], verb: '', variables: [] };
    if (!this.#sequence(true)) return undefined;
    let verb = '';
    if (this.#take(':')) {
      verb = this.#match(LITERAL) ?? '';
      if (verb === '') return undefined;
    }
    if (this.#at < this.#text.length) return undefined;
    const segments = this.#segments;
    const rest = segments.indexOf('**');
    if (rest >= 0 && segments.slice(rest + 1).some((s) => s === '*' || s === '**')) return undefined;
    // Behind `**` places are known from the end only.
    const variables = this.#variables.map(({ fieldPath, start, end }) => ({
      fieldPath,
      start,
      end: rest >= 0 && end > rest ? end - segments.length - 1 : end,
    }));
    return { segments, verb, variables };
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #sequence(variables: boolean): boolean {
    do {
      if (!this.#segment(variables)) return false;
    } while (this.#take('/'));
    return true;
  }

  #segment(variables: boolean): boolean {
    if (this.#take('*')) {
      this.#segments.push(this.#take('*') ? '**' : '*');
      return true;
    }
    if (variables && this.#take('{')) return this.#variable();
    const literal = this.#match(LITERAL);
    if (literal !== undefined) this.#segments.push(literal);
    return literal !== undefined;
  }

  #variable(): boolean {
    const fieldPath = this.#match(FIELD_PATH)?.split('.');
    if (fieldPath === undefined) return false;
    const start = this.#segments.length;
    if (!this.#take('=')) this.#segments.push('*');
    else if (!this.#sequence(false)) return false;
    this.#variables.push({ fieldPath, start, end: this.#segments.length });
    return this.#take('}');
  }
}
