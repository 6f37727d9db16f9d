/**
 * Aligns columns as Go's `text/tabwriter` does for istioctl and kubectl: every cell but the last of its row is padded to
 * the widest of its column plus `padding` spaces. A column goes on as long as consecutive rows have it, so a row with
 * fewer cells ends it. Widths count code points. Ends with a newline, if there is a row.
 */
export function formatTable(rows: readonly (readonly string[])[], padding = 5): string {
  const cells = rows.map((row) => row.map((cell) => cell.replace(CONTROL, visible)));
  const padded = cells.map((row) => [...row]);
  const columns = Math.max(0, ...rows.map((row) => row.length - 1));
  for (let column = 0; column < columns; column++) {
    let first = 0;
    while (first < cells.length) {
      if (cells[first].length - 1 <= column) {
        first++;
        continue;
      }
      let end = first;
      let width = 0;
      for (; end < cells.length && cells[end].length - 1 > column; end++) {
        width = Math.max(width, length(cells[end][column]));
      }
      for (; first < end; first++) {
        const cell = cells[first][column];
        padded[first][column] = cell + ' '.repeat(width - length(cell) + padding);
      }
    }
  }
  return padded.map((row) => `${row.join('')}\n`).join('');
}

/** A cell is one line, and what a proxy calls its things must not steer a terminal. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

function visible(char: string): string {
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

function length(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
