import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Scalar,
  visit,
  type YAMLMap,
} from 'yaml';
import { setOwn } from '../schema/collections.ts';
import type { YamlLimits } from './limits.ts';
import { resolvePlain } from './scalar.ts';

/** A document that cannot be read as JSON; `offset` is where in the text. */
export class ConversionError extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

export interface Converted {
  readonly value: unknown;
  readonly offsets: readonly number[];
  readonly sizes: readonly number[];
}

interface Entry {
  readonly keyOffset: number;
  readonly value: Node | null;
}

/**
 * Turns a parsed document into JSON and notes where each value stands: a field at its key, an item of a list at itself.
 * Throws {@link ConversionError} for a duplicate key and for whatever exceeds the limits.
 */
export function convert(document: Document, limits: YamlLimits): Converted {
  const targets = resolveAliases(document);
  const offsets: number[] = [];
  const sizes: number[] = [];
  const open = new Set<Node>();
  const entriesOf = new Map<Node, ReadonlyMap<string, Entry>>();
  let mergedKeys = 0;
  let mergeDepth = 0;

  function value(node: Node | null, offset: number, depth: number): unknown {
    const index = offsets.length;
    if (index >= limits.values) {
      throw new ConversionError(`has more than ${limits.values} values once its aliases are expanded`, offset);
    }
    if (depth > limits.depth) throw new ConversionError(`is nested more than ${limits.depth} levels deep`, offset);
    offsets.push(offset);
    sizes.push(1);
    const result = content(resolved(node, offset), offset, depth);
    sizes[index] = offsets.length - index;
    return result;
  }

  function content(node: Node | null, offset: number, depth: number): unknown {
    if (node === null) return null;
    if (isScalar(node)) return scalar(node, offset);
    if (open.has(node)) throw new ConversionError('has an alias to the value that it is in', offset);
    open.add(node);
    try {
      if (isSeq<Node | null>(node)) return node.items.map((item) => value(item, offsetOf(item, offset), depth + 1));
      if (!isMap<Node, Node | null>(node)) throw new ConversionError('is not a value', offset);
      const result: Record<string, unknown> = {};
      for (const [key, entry] of inKeyOrder(entries(node))) {
        setOwn(result, key, value(entry.value, entry.keyOffset, depth + 1));
      }
      return result;
    } finally {
      open.delete(node);
    }
  }

  function resolved(node: Node | null, offset: number): Node | null {
    if (!isAlias(node)) return node;
    const target = targets.get(node);
    if (target === undefined)
      throw new ConversionError(`has an alias *${node.source} without an anchor &${node.source}`, offset);
    return target;
  }

  /** The fields of a map with those that it merges; made once for each map, since maps may merge one another many times. */
  function entries(node: YAMLMap<Node, Node | null>): ReadonlyMap<string, Entry> {
    const known = entriesOf.get(node);
    if (known !== undefined) return known;
    const own = new Map<string, Entry>();
    const merged = new Map<string, Entry>();
    for (const pair of node.items) {
      const key = resolved(pair.key, offsetOf(pair.key, 0));
      const keyOffset = offsetOf(pair.key, offsetOf(pair.value, 0));
      if (!isScalar(key)) {
        throw new ConversionError(
          'has a key that is not text; a template that was not rendered looks like this',
          keyOffset,
        );
      }
      if (key.source === '<<' && key.type === 'PLAIN') merge(pair.value, keyOffset, merged);
      else {
        const name = keyText(key, keyOffset);
        if (own.has(name)) throw new ConversionError(`has the key ${JSON.stringify(name)} twice`, keyOffset);
        own.set(name, { keyOffset, value: pair.value });
      }
    }
    for (const [name, entry] of merged) if (!own.has(name)) own.set(name, entry);
    entriesOf.set(node, own);
    return own;
  }

  function merge(from: Node | null, offset: number, into: Map<string, Entry>): void {
    if (++mergeDepth > limits.depth) throw new ConversionError(`merges more than ${limits.depth} levels deep`, offset);
    const node = resolved(from, offset);
    for (const source of isSeq<Node>(node) ? node.items : [node]) {
      const map = resolved(source, offset);
      if (!isMap<Node, Node | null>(map) || open.has(map))
        throw new ConversionError('can merge (<<) only maps', offset);
      open.add(map);
      for (const [name, entry] of entries(map)) {
        if (++mergedKeys > limits.values) throw new ConversionError(`merges more than ${limits.values} keys`, offset);
        // The first of several wins, as YAML's merge key says.
        if (!into.has(name)) into.set(name, entry);
      }
      open.delete(map);
    }
    mergeDepth--;
  }

  const root = document.contents as Node | null;
  return { value: value(root, offsetOf(root, 0), 0), offsets, sizes };
}

/** JavaScript puts keys that look like array indexes first and in order; positions have to follow it. */
function inKeyOrder(entries: ReadonlyMap<string, Entry>): Iterable<[string, Entry]> {
  const indexes = [...entries].filter(([key]) => isArrayIndex(key));
  if (indexes.length === 0) return entries;
  indexes.sort(([a], [b]) => Number(a) - Number(b));
  return [...indexes, ...[...entries].filter(([key]) => !isArrayIndex(key))];
}

function isArrayIndex(key: string): boolean {
  return /^(0|[1-9]\d{0,9})$/.test(key) && Number(key) < 2 ** 32 - 1;
}

function offsetOf(node: Node | null | undefined, otherwise: number): number {
  return node?.range?.[0] ?? otherwise;
}

function keyText(key: Scalar, offset: number): string {
  const value = scalar(key, offset);
  return typeof value === 'string' ? value : value === null ? 'null' : String(value);
}

function scalar(node: Scalar, offset: number): string | number | boolean | null {
  const text = node.type === 'PLAIN' ? (node.source ?? '') : String(node.value ?? '');
  const value =
    node.tag === undefined ? (node.type === 'PLAIN' ? resolvePlain(text) : text) : tagged(node.tag, text, offset);
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new ConversionError(`has ${text}, which JSON cannot hold`, offset);
  return value;
}

function tagged(tag: string, text: string, offset: number): string | number | boolean | null {
  const value = resolvePlain(text);
  switch (tag) {
    case '!':
    case 'tag:yaml.org,2002:str':
    case 'tag:yaml.org,2002:timestamp':
      return text;
    case 'tag:yaml.org,2002:int':
    case 'tag:yaml.org,2002:float':
      if (typeof value === 'number') return value;
      break;
    case 'tag:yaml.org,2002:bool':
      if (typeof value === 'boolean') return value;
      break;
    case 'tag:yaml.org,2002:null':
      if (value === null) return null;
      break;
    case 'tag:yaml.org,2002:binary':
      return Buffer.from(text, 'base64').toString('utf8');
    default:
      throw new ConversionError(`has the tag ${tag}, which configuration cannot use`, offset);
  }
  throw new ConversionError(`has a value that its tag ${tag} does not fit`, offset);
}

/** What each alias stands for: the last anchor of its name before it. */
function resolveAliases(document: Document): Map<Alias, Node> {
  const targets = new Map<Alias, Node>();
  const anchors = new Map<string, Node>();
  visit(document, {
    Node(_, node) {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target !== undefined) targets.set(node, target);
      } else if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return targets;
}
