import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unifiedDiff } from './unified-diff.ts';

function diff(from: string, to: string, context = 1): string {
  return unifiedDiff({ name: 'a', lines: [...from] }, { name: 'b', lines: [...to] }, context);
}

test('changes with equal lines around them, as diff -u prints them', () => {
  const table: readonly [from: string, to: string, hunks: string][] = [
    ['', '', ''],
    ['abc', 'abc', ''],
    ['abc', 'adc', '@@ -1,3 +1,3 @@\n a\n-b\n+d\n c\n'],
    ['', 'a', '@@ -0,0 +1 @@\n+a\n'],
    ['a', '', '@@ -1 +0,0 @@\n-a\n'],
    ['abcdefg', 'Xbcdefg', '@@ -1,2 +1,2 @@\n-a\n+X\n b\n'],
    ['abcdefg', 'abcdefX', '@@ -6,2 +6,2 @@\n f\n-g\n+X\n'],
    ['abcdefg', 'XbcdefX', '@@ -1,2 +1,2 @@\n-a\n+X\n b\n@@ -6,2 +6,2 @@\n f\n-g\n+X\n'],
    ['abcde', 'XbcdX', '@@ -1,2 +1,2 @@\n-a\n+X\n b\n@@ -4,2 +4,2 @@\n d\n-e\n+X\n'],
    ['abcd', 'XbcX', '@@ -1,4 +1,4 @@\n-a\n+X\n b\n c\n-d\n+X\n'],
    ['abcabba', 'cbabac', '@@ -1,7 +1,6 @@\n-a\n-b\n c\n+b\n a\n b\n-b\n a\n+c\n'],
  ];
  for (const [from, to, hunks] of table) {
    assert.equal(diff(from, to), hunks && `--- a\n+++ b\n${hunks}`, `${from} -> ${to}`);
  }
});

test('texts that have next to nothing in common cost no more than that', () => {
  const numbers = (from: number) => Array.from({ length: 5000 }, (_, i) => String(from + i));
  const text = unifiedDiff({ name: 'a', lines: numbers(0) }, { name: 'b', lines: numbers(10_000) }, 7);
  assert.match(text, /^--- a\n\+\+\+ b\n@@ -1,5000 \+1,5000 @@\n-0\n/);
});
