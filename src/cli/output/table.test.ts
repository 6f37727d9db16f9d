import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable } from './table.ts';

test('columns are as wide as their widest cell and the padding; the last is not padded', () => {
  assert.equal(
    formatTable(
      [
        ['A', 'B'],
        ['long', 'x'],
        ['', 'yy'],
      ],
      2,
    ),
    'A     B\nlong  x\n      yy\n',
  );
});

test('a row with fewer cells ends a column', () => {
  assert.equal(formatTable([['aaa', 'b'], ['c'], ['d', 'e']], 1), 'aaa b\nc\nd e\n');
});

test('characters count, not bytes, and what would steer a terminal is shown', () => {
  assert.equal(
    formatTable(
      [
        ['é', 'x'],
        ['😀', 'y'],
      ],
      1,
    ),
    'é x\n😀 y\n',
  );
  assert.equal(formatTable([['a\u001b[31m\n', 'b']], 1), 'a\\x1b[31m\\x0a b\n');
});

test('no rows are no text', () => assert.equal(formatTable([]), ''));
