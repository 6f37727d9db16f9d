import type { FieldPath } from '../object.ts';

export interface Found {
  readonly offset: number;
  readonly value: unknown;
  /** The end of the path, which is not there. */
  readonly rest: FieldPath;
}

/**
 * Where every value of a JSON tree stands in its text. Two integers a value, in the order in which the tree is walked
 * (a value, then its children in the order of `Object.keys`), so that thousands of objects can keep theirs.
 */
export class Positions {
  private readonly offsets: Uint32Array;
  /** The number of values in the subtree of each value, itself included: what a look-up skips. */
  private readonly sizes: Uint32Array;

  constructor(offsets: readonly number[], sizes: readonly number[]) {
    this.offsets = Uint32Array.from(offsets);
    this.sizes = Uint32Array.from(sizes);
  }

  /** Finds the value at `path` in `tree`, or its nearest parent that is there. */
  find(tree: unknown, path: FieldPath): Found {
    let index = 0;
    let value = tree;
    let found = 0;
    for (const part of path) {
      const child = this.childIndex(value, index, part);
      if (child === undefined) break;
      index = child;
      value = (value as Record<string | number, unknown>)[part];
      found++;
    }
    return { offset: this.offsets[index]!, value, rest: path.slice(found) };
  }

  private childIndex(value: unknown, index: number, part: string | number): number | undefined {
    if (typeof value !== 'object' || value === null) return undefined;
    const keys = Object.keys(value);
    const wanted = String(part);
    let child = index + 1;
    for (const key of keys) {
      if (key === wanted) return child;
      child += this.sizes[child]!;
    }
    return undefined;
  }
}

/** The offsets at which the lines of a text begin. */
export class Lines {
  private readonly starts: Uint32Array;

  constructor(text: string) {
    const starts = [0];
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
    this.starts = Uint32Array.from(starts);
  }

  /** Line and column of an offset, both from 1. */
  at(offset: number): { readonly line: number; readonly column: number } {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.starts[low]! + 1 };
  }
}
