/** Changes beyond which two texts count as wholly different from their first difference to their last. */
const MAX_CHANGES = 1000;

/**
 * What makes one list of lines into another, as `diff -u` prints it; empty if they are the same. `context` is how many
 * equal lines stand around a change.
 */
export function unifiedDiff(
  from: { readonly name: string; readonly lines: readonly string[] },
  to: { readonly name: string; readonly lines: readonly string[] },
  context: number,
): string {
  const edits = editScript(from.lines, to.lines);
  if (edits.every(({ kind }) => kind === ' ')) return '';
  const hunks = hunksOf(edits, context).map((hunk) => formatHunk(hunk));
  return `--- ${from.name}\n+++ ${to.name}\n${hunks.join('')}`;
}

interface Edit {
  readonly kind: ' ' | '-' | '+';
  readonly line: string;
  /** Lines of both sides before this one. */
  readonly from: number;
  readonly to: number;
}

function hunksOf(edits: readonly Edit[], context: number): Edit[][] {
  const hunks: Edit[][] = [];
  let end = 0;
  for (const [i, { kind }] of edits.entries()) {
    if (kind === ' ') continue;
    const start = Math.max(i - context, 0);
    const stop = Math.min(i + context + 1, edits.length);
    if (hunks.length > 0 && start <= end) hunks.at(-1)!.push(...edits.slice(end, stop));
    else hunks.push(edits.slice(start, stop));
    end = stop;
  }
  return hunks;
}

function formatHunk(hunk: readonly Edit[]): string {
  const first = hunk[0]!;
  const side = (start: number, other: '-' | '+') => {
    const length = hunk.filter(({ kind }) => kind !== other).length;
    if (length === 1) return String(start + 1);
    return `${length === 0 ? start : start + 1},${length}`;
  };
  const lines = hunk.map(({ kind, line }) => `${kind}${line}\n`).join('');
  return `@@ -${side(first.from, '+')} +${side(first.to, '-')} @@\n${lines}`;
}

function editScript(a: readonly string[], b: readonly string[]): Edit[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const kinds = [
    ...Array<' '>(head).fill(' '),
    ...shortestScript(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...Array<' '>(tail).fill(' '),
  ];
  let [from, to] = [0, 0];
  return kinds.map((kind) => {
    const edit = { kind, line: kind === '+' ? b[to]! : a[from]!, from, to };
    if (kind !== '+') from++;
    if (kind !== '-') to++;
    return edit;
  });
}

/** Myers, An O(ND) Difference Algorithm and Its Variations (1986), figure 2. */
function shortestScript(a: readonly string[], b: readonly string[]): Edit['kind'][] {
  const reached: Map<number, number>[] = [];
  let best = new Map([[1, 0]]);
  for (let changes = 0; changes <= MAX_CHANGES; changes++) {
    reached.push(best);
    const next = new Map(best);
    for (let diagonal = -changes; diagonal <= changes; diagonal += 2) {
      let x = goesDown(best, diagonal, changes) ? best.get(diagonal + 1)! : best.get(diagonal - 1)! + 1;
      while (x < a.length && x - diagonal < b.length && a[x] === b[x - diagonal]) x++;
      next.set(diagonal, x);
      if (x >= a.length && x - diagonal >= b.length) return traceBack(reached, a.length, b.length);
    }
    best = next;
  }
  return [...Array<'-'>(a.length).fill('-'), ...Array<'+'>(b.length).fill('+')];
}

function goesDown(best: ReadonlyMap<number, number>, diagonal: number, changes: number): boolean {
  if (diagonal === -changes) return true;
  return diagonal !== changes && best.get(diagonal - 1)! < best.get(diagonal + 1)!;
}

function traceBack(reached: readonly ReadonlyMap<number, number>[], endX: number, endY: number): Edit['kind'][] {
  const script: Edit['kind'][] = [];
  let [x, y] = [endX, endY];
  for (let changes = reached.length - 1; changes >= 0; changes--) {
    const best = reached[changes]!;
    const diagonal = x - y;
    const down = goesDown(best, diagonal, changes);
    const previous = down ? diagonal + 1 : diagonal - 1;
    const fromX = best.get(previous)!;
    const startX = changes === 0 ? 0 : down ? fromX : fromX + 1;
    for (; x > startX; x--) script.push(' ');
    if (changes === 0) break;
    script.push(down ? '+' : '-');
    [x, y] = [fromX, fromX - previous];
  }
  return script.reverse();
}
