import { RE2JS } from 're2js';
import type { ConfigErrors } from '../config/errors.ts';

/** A compiled path template: `/a/*` matches one segment, `/a/**` any number, `{name}` and `{name=pattern}` capture. */
export interface UriTemplate {
  test(path: string): boolean;
  /** Captured values by name, or undefined if the path does not match. */
  capture(path: string): ReadonlyMap<string, string> | undefined;
}

/** What a segment of a path is made of: pchar of RFC 3986. */
const SEGMENT = "a-zA-Z0-9-._~%!$&'()*+,;:@=";
const ONE = `[${SEGMENT}]+`;
const ANY = `[${SEGMENT}/]*`;
/** An asterisk in a literal would be an operator of Envoy's regular expression; nobody means that. */
const LITERAL = new RegExp(`^[${SEGMENT.replace('*', '')}]+$`);
const MAX_VARIABLES = 5;
/** What stands between slashes: text, or a variable `{name}` or `{name=pattern}` with text around it. */
const TOKEN = /\/([^/{}]*)(?:\{([^{}=]*)(?:=([^{}]*))?\}([^/]*))?/gy;

/** Compiles Envoy's URI template syntax (envoy.path.match.uri_template). */
export function compileUriTemplate(template: string, errors: ConfigErrors): UriTemplate | undefined {
  const names: string[] = [];
  let pattern = '';
  let problem: string | undefined;
  let sawAny = false;
  const operator = (text: string): string => {
    if (sawAny) problem ??= `${text} after **`;
    if (text === '**') sawAny = true;
    return text === '**' ? ANY : ONE;
  };
  /** Text beside a variable. */
  const literal = (text: string): string => (text === '' ? '' : segment(text));
  const segment = (text: string): string => {
    const [, glob, suffix] = /^(\*{1,2})(.*)$/.exec(text) ?? [];
    if (glob !== undefined) return operator(glob) + (suffix === '' ? '' : segment(suffix));
    if (!LITERAL.test(text)) problem ??= text === '' ? 'an empty segment' : `bad segment ${JSON.stringify(text)}`;
    return RE2JS.quote(text);
  };
  const variable = (name: string, value: string): string => {
    if (!/^[a-zA-Z]\w{0,15}$/.test(name)) problem ??= `bad variable name ${JSON.stringify(name)}`;
    if (names.includes(name)) problem ??= `variable ${name} twice`;
    if (names.push(name) > MAX_VARIABLES) problem ??= `more than ${MAX_VARIABLES} variables`;
    return `(${value.split('/').map(segment).join('/')})`;
  };
  let end = 0;
  for (const [whole, before, name, value = '*', after = ''] of template.matchAll(TOKEN)) {
    end += whole.length;
    pattern += '/';
    // A slash at the end stands for itself.
    if (name === undefined) pattern += before === '' && end === template.length ? '' : segment(before);
    else pattern += literal(before) + variable(name, value) + literal(after);
  }
  if (end < template.length) problem ??= `bad segment ${JSON.stringify(template.slice(end))}`;
  if (!template.startsWith('/')) problem = 'must begin with /';
  if (problem !== undefined) {
    errors.add('', `${JSON.stringify(template)}: ${problem}`);
    return undefined;
  }
  const regex = RE2JS.compile(pattern);
  return {
    test: (path) => regex.testExact(path),
    capture(path) {
      const matcher = regex.matcher(path);
      if (!matcher.matches()) return undefined;
      return new Map(names.map((name, i) => [name, matcher.group(i + 1) ?? '']));
    },
  };
}
