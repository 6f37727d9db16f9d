import { RE2JS } from 're2js';
import type { ConfigErrors } from '../config/errors.ts';

/** A compiled path template: `/a/*` matches one segment, `/a/**` any number, `{name}` and `{name=pattern}` capture. */
export interface UriTemplate {
  test(path: string): boolean;
  /** Captured values by name, or undefined if the path does not match. */
  capture(path: string): ReadonlyMap<string, string> | undefined;
}

const LITERAL = "[a-zA-Z0-9-._~%!$&'()+,;:@=]";
const ONE = `${LITERAL}+`;
const ANY = `${LITERAL.slice(0, -1)}/]*`;

/** Compiles Envoy's URI template syntax (envoy.path.match.uri_template). */
export function compileUriTemplate(template: string, errors: ConfigErrors): UriTemplate | undefined {
  const bad = (message: string) => {
    errors.add('', `${JSON.stringify(template)}: ${message}`);
    return undefined;
  };
  if (!template.startsWith('/')) return bad('must begin with /');
  const names: string[] = [];
  let pattern = '';
  let sawAny = false;
  const segment = (text: string): string | undefined => {
    if (sawAny) return undefined;
    if (text === '*') return ONE;
    if (text === '**') {
      sawAny = true;
      return ANY;
    }
    return new RegExp(`^(?:${LITERAL})*$`).test(text) ? RE2JS.quote(text) : undefined;
  };
  for (let i = 0; i < template.length; ) {
    if (template[i] !== '/') return bad(`expected / at ${i}`);
    pattern += '/';
    i++;
    if (template[i] === '{') {
      const end = template.indexOf('}', i);
      if (end < 0) return bad('unclosed {');
      const [name, value = '*'] = template.slice(i + 1, end).split(/=(.*)/s);
      if (!/^[a-zA-Z]\w{0,15}$/.test(name)) return bad(`bad variable name ${JSON.stringify(name)}`);
      if (names.includes(name)) return bad(`variable ${name} twice`);
      names.push(name);
      const inner = value.split('/').map(segment);
      if (inner.some((part) => part === undefined)) return bad(`bad pattern of variable ${name}`);
      pattern += `(${inner.join('/')})`;
      i = end + 1;
      if (i < template.length && template[i] !== '/') {
        pattern += RE2JS.quote(template.slice(i));
        i = template.length;
      }
      continue;
    }
    const next = template.indexOf('/', i);
    const text = template.slice(i, next < 0 ? undefined : next);
    const part = segment(text);
    if (part === undefined) return bad(`bad segment ${JSON.stringify(text)}`);
    pattern += part;
    i += text.length;
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
