/**
 * Sorts as Go's `sort.Slice` does: pattern-defeating quicksort (Orson Peters, 2021), with Go's choices of pivots and
 * thresholds. It is not stable, so what counts as equal comes out in an order that only these choices explain; istioctl's
 * tables are sorted by it, and rows are to stand where people and their scripts know them. Sorts in place.
 */
export function goSort<T>(items: T[], less: (a: T, b: T) => boolean): T[] {
  new PatternDefeatingQuicksort(items, less).sort(0, items.length, bitLength(items.length));
  return items;
}

const MAX_INSERTION = 12;
/** From this length on, a pivot is the median of three medians. */
const NINTHER = 50;
/** Swaps while choosing a pivot that show a descending order: all of four medians of three. */
const MAX_SWAPS = 12;
const SHORTEST_SHIFTING = 50;
const MAX_REPAIRS = 5;

type Hint = 'unknown' | 'increasing' | 'decreasing';

class PatternDefeatingQuicksort<T> {
  readonly #items: T[];
  readonly #lessItem: (a: T, b: T) => boolean;

  constructor(items: T[], less: (a: T, b: T) => boolean) {
    this.#items = items;
    this.#lessItem = less;
  }

  /** Sorts from `low` up to but not including `high`; after `limit` bad pivots it is done by heaps. */
  sort(low: number, high: number, limit: number): void {
    let [from, to, left] = [low, high, limit];
    let wasBalanced = true;
    let wasPartitioned = true;
    for (;;) {
      const length = to - from;
      if (length <= MAX_INSERTION) {
        this.#insertionSort(from, to);
        return;
      }
      if (left === 0) {
        this.#heapSort(from, to);
        return;
      }
      if (!wasBalanced) {
        this.#breakPatterns(from, to);
        left--;
      }
      let [pivot, hint] = this.#choosePivot(from, to);
      if (hint === 'decreasing') {
        this.#reverse(from, to);
        pivot = to - 1 - (pivot - from);
        hint = 'increasing';
      }
      if (wasBalanced && wasPartitioned && hint === 'increasing' && this.#repairSorted(from, to)) return;
      // Nothing here is less than what stands before: if the pivot equals that, everything equal to it is in place.
      if (from > 0 && !this.#less(from - 1, pivot)) {
        from = this.#partitionEqual(from, to, pivot);
        continue;
      }
      const [middle, alreadyPartitioned] = this.#partition(from, to, pivot);
      wasPartitioned = alreadyPartitioned;
      const [leftLength, rightLength] = [middle - from, to - middle];
      const balance = Math.floor(length / 8);
      if (leftLength < rightLength) {
        wasBalanced = leftLength >= balance;
        this.sort(from, middle, left);
        from = middle + 1;
      } else {
        wasBalanced = rightLength >= balance;
        this.sort(middle + 1, to, left);
        to = middle;
      }
    }
  }

  #less(i: number, j: number): boolean {
    return this.#lessItem(this.#items[i], this.#items[j]);
  }

  #swap(i: number, j: number): void {
    const item = this.#items[i];
    this.#items[i] = this.#items[j];
    this.#items[j] = item;
  }

  /** Moves an item down to where it belongs, not further than to `first`. */
  #sink(item: number, first: number): void {
    for (let i = item; i > first && this.#less(i, i - 1); i--) this.#swap(i, i - 1);
  }

  #insertionSort(from: number, to: number): void {
    for (let i = from + 1; i < to; i++) this.#sink(i, from);
  }

  #heapSort(from: number, to: number): void {
    const size = to - from;
    for (let root = Math.floor((size - 1) / 2); root >= 0; root--) this.#siftDown(root, size, from);
    for (let last = size - 1; last >= 0; last--) {
      this.#swap(from, from + last);
      this.#siftDown(0, last, from);
    }
  }

  #siftDown(start: number, size: number, first: number): void {
    let root = start;
    for (;;) {
      let child = 2 * root + 1;
      if (child >= size) return;
      if (child + 1 < size && this.#less(first + child, first + child + 1)) child++;
      if (!this.#less(first + root, first + child)) return;
      this.#swap(first + root, first + child);
      root = child;
    }
  }

  /** Splits into what is less than the pivot and what is not; tells where the pivot stands and whether nothing moved. */
  #partition(from: number, to: number, pivot: number): [middle: number, alreadyPartitioned: boolean] {
    this.#swap(from, pivot);
    let [i, j] = [from + 1, to - 1];
    let moved = false;
    for (;;) {
      while (i <= j && this.#less(i, from)) i++;
      while (i <= j && !this.#less(j, from)) j--;
      if (i > j) break;
      this.#swap(i++, j--);
      moved = true;
    }
    this.#swap(j, from);
    return [j, !moved];
  }

  /** Splits into what equals the pivot and what is greater, where nothing is less; tells where the greater start. */
  #partitionEqual(from: number, to: number, pivot: number): number {
    this.#swap(from, pivot);
    let [i, j] = [from + 1, to - 1];
    for (;;) {
      while (i <= j && !this.#less(from, i)) i++;
      while (i <= j && this.#less(from, j)) j--;
      if (i > j) return i;
      this.#swap(i++, j--);
    }
  }

  /** Sorts what is nearly sorted; false if it is not, after some repairs. */
  #repairSorted(from: number, to: number): boolean {
    let i = from + 1;
    for (let repairs = 0; repairs < MAX_REPAIRS; repairs++) {
      while (i < to && !this.#less(i, i - 1)) i++;
      if (i === to) return true;
      if (to - from < SHORTEST_SHIFTING) return false;
      this.#swap(i, i - 1);
      // The first shift goes down to the second item of all, not of the range.
      if (i - from >= 2) this.#sink(i - 1, 0);
      if (to - i >= 2) for (let j = i + 1; j < to && this.#less(j, j - 1); j++) this.#swap(j, j - 1);
    }
    return false;
  }

  /** Scatters three items around the middle; where to, depends on the length alone. */
  #breakPatterns(from: number, to: number): void {
    const length = to - from;
    if (length < 8) return;
    const modulus = 1n << BigInt(bitLength(length));
    const middle = from + Math.floor(length / 4) * 2 - 1;
    let random = BigInt(length);
    for (let i = 0; i < 3; i++) {
      random ^= BigInt.asUintN(64, random << 13n);
      random ^= random >> 7n;
      random ^= BigInt.asUintN(64, random << 17n);
      const other = Number(random & (modulus - 1n));
      this.#swap(middle + i, from + (other >= length ? other - length : other));
    }
  }

  #choosePivot(from: number, to: number): [pivot: number, hint: Hint] {
    const length = to - from;
    const quarter = Math.floor(length / 4);
    let [i, j, k] = [from + quarter, from + quarter * 2, from + quarter * 3];
    let swaps = 0;
    const median = (x: number, y: number, z: number): number => {
      let [a, b, c] = [x, y, z];
      const order = (p: number, q: number): [number, number] => {
        if (!this.#less(q, p)) return [p, q];
        swaps++;
        return [q, p];
      };
      [a, b] = order(a, b);
      [b, c] = order(b, c);
      [a, b] = order(a, b);
      return b;
    };
    if (length >= NINTHER) [i, j, k] = [i, j, k].map((at) => median(at - 1, at, at + 1));
    if (length >= 8) j = median(i, j, k);
    return [j, swaps === 0 ? 'increasing' : swaps === MAX_SWAPS ? 'decreasing' : 'unknown'];
  }

  #reverse(from: number, to: number): void {
    for (let i = from, j = to - 1; i < j; i++, j--) this.#swap(i, j);
  }
}

function bitLength(n: number): number {
  return n === 0 ? 0 : 32 - Math.clz32(n);
}
