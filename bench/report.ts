export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Lines of columns, each as wide as its widest cell. */
export function table(header: readonly string[], cells: readonly (readonly string[])[]): string {
  const widths = header.map((_, i) => Math.max(...[header, ...cells].map((line) => line[i]!.length)));
  return [header, ...cells]
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Those of all that are named, `a,b`; all of them if none is. Ends the program if there is no such one. */
export function chosen<T extends { readonly name: string }>(
  all: readonly T[],
  names: string | undefined,
  what: string,
): T[] {
  if (names === undefined) return [...all];
  return names.split(',').map((name) => {
    const found = all.find((one) => one.name === name);
    if (found === undefined) {
      process.stderr.write(`there is no ${what} ${name} here; there are: ${all.map((one) => one.name).join(', ')}\n`);
      process.exit(64);
    }
    return found;
  });
}
