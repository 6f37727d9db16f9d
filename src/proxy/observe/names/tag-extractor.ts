import { RE2JS } from 're2js';
import type { TagSpecifier } from '../../../api/gen/envoy/config/metrics/v3/stats_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { DEFAULT_TAGS } from './default-tags.ts';
import { requiredLiteral } from './literal.ts';

/** A label of a statistic: name and value. */
export type Tag = readonly [name: string, value: string];

/** The name of a statistic without what became labels. */
export interface ExtractedName {
  readonly name: string;
  readonly tags: readonly Tag[];
}

/** Where group 1, which is cut out, and group 2, which is the value, were found; or undefined. */
type Finder = (name: string) => Found | undefined;

interface Found {
  readonly start: number;
  readonly end: number;
  readonly value: string;
}

interface Extractor {
  readonly tag: string;
  /** First part of the names that it can match; empty for any. */
  readonly first: string;
  readonly literal: string;
  /** The expression has a `$` in it. */
  readonly looksAtEnd: boolean;
  /** A tag that every statistic has. */
  readonly fixed: string | undefined;
  readonly find: Finder;
}

/** Takes tags out of the dotted names of statistics: `stats_config.stats_tags`, and Envoy's own unless switched off. */
export class TagExtractor {
  readonly #anywhere: Extractor[] = [];
  readonly #byFirst = new Map<string, Extractor[]>();

  constructor(specifiers: readonly TagSpecifier[], useDefaults: boolean, errors: ConfigErrors) {
    if (useDefaults) this.#addDefaults(() => true);
    specifiers.forEach((specifier, i) => this.#addSpecifier(specifier, errors.at(i)));
  }

  #addDefaults(wanted: (tag: string) => boolean): boolean {
    let any = false;
    for (const { tag, regex } of DEFAULT_TAGS) {
      if (!wanted(tag)) continue;
      any = true;
      this.#add(tag, regex, builtIn(regex));
    }
    return any;
  }

  #addSpecifier({ tagName, tagValue }: TagSpecifier, errors: ConfigErrors): void {
    if (tagName === '') errors.add('tag_name', 'is needed');
    if (tagValue.case === 'fixedValue') {
      const { value } = tagValue;
      this.#anywhere.push({
        tag: tagName,
        first: '',
        literal: '',
        looksAtEnd: false,
        fixed: value,
        find: () => undefined,
      });
    } else if (tagValue.case === 'regex' && tagValue.value !== '') {
      const find = userRegex(tagValue.value, errors);
      if (find !== undefined) this.#add(tagName, tagValue.value, find);
    } else if (!this.#addDefaults((tag) => tag === tagName)) {
      errors.add('regex', `is needed: ${JSON.stringify(tagName)} is none of the tags that are built in`);
    }
  }

  #add(tag: string, regex: string, find: Finder): void {
    const first = /^\^(\w+)(?:\\\.|\(\?=\\\.\))/.exec(regex)?.[1] ?? '';
    const literal = requiredLiteral(regex);
    const extractor: Extractor = { tag, first, literal, looksAtEnd: regex.includes('$'), fixed: undefined, find };
    if (first === '') this.#anywhere.push(extractor);
    else if (!this.#byFirst.has(first)) this.#byFirst.set(first, [extractor]);
    else this.#byFirst.get(first)!.push(extractor);
  }

  extract(name: string): ExtractedName {
    return this.within('')(name);
  }

  /**
   * Extracts from names that begin with a prefix and are given without it. What an expression finds in the prefix of one
   * name is taken to be there for all of them, unless it looks at the end of the name.
   */
  within(prefix: string): (rest: string) => ExtractedName {
    const dot = prefix.indexOf('.');
    if (dot < 0) return (rest) => extract(this.#candidates(prefix + rest), prefix + rest, (e, name) => e.find(name));
    const candidates = this.#candidates(prefix);
    const settled = new Map<Extractor, Found>();
    return (rest) =>
      extract(candidates, prefix + rest, (extractor, name) => {
        const before = settled.get(extractor);
        if (before !== undefined) return before;
        const found = extractor.find(name);
        if (found !== undefined && found.end <= prefix.length && !extractor.looksAtEnd) settled.set(extractor, found);
        return found;
      });
  }

  #candidates(name: string): readonly Extractor[] {
    const dot = name.indexOf('.');
    const first = this.#byFirst.get(dot < 0 ? name : name.slice(0, dot));
    return first === undefined ? this.#anywhere : [...this.#anywhere, ...first];
  }
}

function extract(
  extractors: readonly Extractor[],
  name: string,
  find: (extractor: Extractor, name: string) => Found | undefined,
): ExtractedName {
  const tags: Tag[] = [];
  const cuts: Found[] = [];
  for (const extractor of extractors) {
    const { tag, fixed, literal } = extractor;
    if (fixed !== undefined) {
      tags.push([tag, fixed]);
      continue;
    }
    const found = name.includes(literal) ? find(extractor, name) : undefined;
    // Two built-in tags of one name look at different places; the first one found is it.
    if (found === undefined || tags.some(([other]) => other === tag)) continue;
    tags.push([tag, found.value]);
    cuts.push(found);
  }
  return { name: cuts.length === 0 ? name : cut(name, cuts), tags };
}

/** What is left of a name when the pieces are gone; they may overlap. */
function cut(name: string, pieces: readonly Found[]): string {
  let rest = '';
  let at = 0;
  for (const { start, end } of [...pieces].sort((a, b) => a.start - b.start)) {
    if (start > at) rest += name.slice(at, start);
    at = Math.max(at, end);
  }
  return rest + name.slice(at);
}

function builtIn(source: string): Finder {
  const regex = new RegExp(source, 'd');
  return (name) => {
    const match = regex.exec(name);
    if (match === null) return undefined;
    const [start, end] = match.indices![1]!;
    return { start, end, value: match[2] };
  };
}

/**
 * A user's expression. Envoy reads these as ECMAScript; here they run in linear time, so the character classes that only
 * ECMAScript's C++ dialect has are spelled out, and of look-aheads there is the one that Envoy's and Istio's own use.
 */
function userRegex(source: string, errors: ConfigErrors): Finder | undefined {
  // `(?=\.).*?\.` either finds the dot at once or skips from one dot to another.
  const linear = source.replaceAll('(?=\\.).*?\\.', '(?:\\..*?)??\\.');
  let regex: RE2JS;
  try {
    regex = RE2JS.compile(linear);
  } catch (error) {
    errors.add('regex', `${JSON.stringify(source)} is not valid: ${(error as Error).message}`);
    return undefined;
  }
  const groups = regex.groupCount();
  if (groups === 0) {
    errors.add('regex', `${JSON.stringify(source)} needs a group: what it matches becomes the value`);
    return undefined;
  }
  return (name) => {
    const matcher = regex.matcher(name);
    if (!matcher.find() || matcher.start(1) < 0) return undefined;
    const value = groups > 1 ? matcher.group(2) : matcher.group(1);
    return { start: matcher.start(1), end: matcher.end(1), value: value ?? '' };
  };
}
