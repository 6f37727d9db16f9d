import { parsePathTemplate, type TemplateVariable } from './path-template.ts';

/** Which escapes of a path are decoded where a variable takes several segments (`url_unescape_spec`). */
export type UnescapeSpec = 'except-reserved' | 'except-slash' | 'all';

/** A value for a field of the request. */
export interface Binding {
  readonly fieldPath: readonly string[];
  readonly value: string;
}

export interface PathMatch<Target> {
  readonly target: Target;
  readonly bindings: readonly Binding[];
}

export interface MatcherOptions {
  readonly unescape: UnescapeSpec;
  /** A `+` in a query parameter stands for a space. */
  readonly unescapePlus: boolean;
  /** A last segment's `:verb` is one even if no template has it. */
  readonly unregisteredVerbs: boolean;
  readonly ignoredParameters: ReadonlySet<string>;
}

interface Entry<Target> {
  readonly target: Target;
  readonly variables: readonly TemplateVariable[];
}

class Node<Target> {
  readonly children = new Map<string, Node<Target>>();
  /** By method, or `*` for all, and verb. */
  readonly entries = new Map<string, Entry<Target>>();

  child(segment: string): Node<Target> {
    let child = this.children.get(segment);
    if (child === undefined) this.children.set(segment, (child = new Node()));
    return child;
  }
}

/** Finds what a method and a path of HTTP stand for. Literals go before `*`, and that before `**`. */
export class PathMatcher<Target> {
  readonly #root = new Node<Target>();
  readonly #verbs = new Set<string>();
  readonly #options: MatcherOptions;

  constructor(options: MatcherOptions) {
    this.#options = options;
  }

  /** `method` may be `*` for any. Says whether the template is one, and new. */
  add(method: string, template: string, target: Target): boolean {
    const parsed = parsePathTemplate(template);
    if (parsed === undefined) return false;
    let node = this.#root;
    for (const segment of parsed.segments) node = node.child(segment);
    const key = `${method} ${parsed.verb}`;
    if (node.entries.has(key)) return false;
    node.entries.set(key, { target, variables: parsed.variables });
    if (parsed.verb !== '') this.#verbs.add(parsed.verb);
    return true;
  }

  match(method: string, pathWithQuery: string): PathMatch<Target> | undefined {
    const question = pathWithQuery.indexOf('?');
    let path = question < 0 ? pathWithQuery : pathWithQuery.slice(0, question);
    let verb = '';
    const colon = path.lastIndexOf(':');
    if (colon > path.lastIndexOf('/')) {
      const found = path.slice(colon + 1);
      if (this.#options.unregisteredVerbs || this.#verbs.has(found)) {
        verb = found;
        path = path.slice(0, colon);
      }
    }
    const segments = path.slice(1).split('/');
    while (segments.at(-1) === '') segments.pop();
    if (segments.length > MAX_SEGMENTS) return undefined;
    const entry = find(this.#root, segments, 0, [`${method} ${verb}`, `* ${verb}`]);
    if (entry === undefined) return undefined;
    const bindings = entry.variables.map((variable) => this.#fromPath(variable, segments));
    if (question >= 0) this.#addQuery(pathWithQuery.slice(question + 1), bindings);
    return { target: entry.target, bindings };
  }

  #fromPath({ fieldPath, start, end }: TemplateVariable, segments: readonly string[]): Binding {
    const last = end < 0 ? segments.length + end + 1 : end;
    const several = end < 0 || end - start > 1;
    const unescaped = several ? this.#options.unescape : 'all';
    const value = segments
      .slice(start, last)
      .map((segment) => percentDecode(segment, unescaped))
      .join('/');
    return { fieldPath, value };
  }

  #addQuery(query: string, bindings: Binding[]): void {
    const { ignoredParameters, unescapePlus } = this.#options;
    for (const parameter of query.split('&')) {
      const equals = parameter.indexOf('=');
      if (equals <= 0) continue;
      const name = parameter.slice(0, equals);
      if (ignoredParameters.has(name)) continue;
      const text = parameter.slice(equals + 1);
      const value = percentDecode(unescapePlus ? text.replaceAll('+', ' ') : text, 'all');
      bindings.push({ fieldPath: name.split('.'), value });
    }
  }
}

/** A path of more is nobody's; the search goes back where templates overlap. */
const MAX_SEGMENTS = 256;

function find<Target>(
  node: Node<Target>,
  segments: readonly string[],
  at: number,
  keys: readonly string[],
): Entry<Target> | undefined {
  if (at === segments.length) return entryOf(node, keys) ?? entryOf(node.children.get('**'), keys);
  const segment = segments[at];
  const literal = segment === '*' || segment === '**' ? undefined : node.children.get(segment);
  const found = literal && find(literal, segments, at + 1, keys);
  if (found !== undefined) return found;
  const one = node.children.get('*');
  const byOne = one && find(one, segments, at + 1, keys);
  if (byOne !== undefined) return byOne;
  const rest = node.children.get('**');
  return rest && findBehindRest(rest, segments, at, keys);
}

/** Behind `**` there are literals only, so that what is left has to end with one of them. */
function findBehindRest<Target>(
  rest: Node<Target>,
  segments: readonly string[],
  at: number,
  keys: readonly string[],
): Entry<Target> | undefined {
  for (let from = at; from < segments.length; from++) {
    let node: Node<Target> | undefined = rest;
    for (let i = from; i < segments.length && node !== undefined; i++) node = node.children.get(segments[i]);
    const entry = entryOf(node, keys);
    if (entry !== undefined) return entry;
  }
  return entryOf(rest, keys);
}

function entryOf<Target>(node: Node<Target> | undefined, keys: readonly string[]): Entry<Target> | undefined {
  for (const key of keys) {
    const entry = node?.entries.get(key);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

/** Characters with a meaning of their own in a URL (RFC 6570 section 3.2.3). */
const RESERVED = "!#$&'()*+,/:;=?@[]";

/** Decodes percent escapes of UTF-8 in latin1 text; those that are none stay as they are. */
export function percentDecode(text: string, spec: UnescapeSpec): string {
  if (!text.includes('%') && isAscii(text)) return text;
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const hex = text[i] === '%' ? text.slice(i + 1, i + 3) : '';
    if (!/^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes.push(text.charCodeAt(i));
      continue;
    }
    const code = Number.parseInt(hex, 16);
    const kept = spec === 'all' ? '' : spec === 'except-slash' ? '/' : RESERVED;
    if (kept.includes(String.fromCharCode(code))) bytes.push(...Buffer.from(text.slice(i, i + 3)));
    else bytes.push(code);
    i += 2;
  }
  return Buffer.from(bytes).toString('utf8');
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}
