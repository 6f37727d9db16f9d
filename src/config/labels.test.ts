import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesLabelSelector, matchesLabels } from './labels.ts';

test('labels', () => {
  assert.equal(matchesLabels(undefined, {}), true);
  assert.equal(matchesLabels({ a: 'b' }, { a: 'b', c: 'd' }), true);
  assert.equal(matchesLabels({ a: 'b', c: 'e' }, { a: 'b', c: 'd' }), false);
  assert.equal(matchesLabels({ toString: 'x' }, {}), false);
});

test('expressions', () => {
  const labels = { a: 'b' };
  const table: readonly (readonly [string, string, readonly string[], boolean])[] = [
    ['a', 'In', ['b', 'c'], true],
    ['a', 'In', ['c'], false],
    ['z', 'In', ['b'], false],
    ['a', 'NotIn', ['b'], false],
    ['z', 'NotIn', ['b'], true],
    ['a', 'Exists', [], true],
    ['z', 'Exists', [], false],
    ['a', 'DoesNotExist', [], false],
    ['z', 'DoesNotExist', [], true],
    ['a', 'Near', ['b'], false],
  ];
  for (const [key, operator, values, expected] of table) {
    assert.equal(
      matchesLabelSelector({ matchExpressions: [{ key, operator, values }] }, labels),
      expected,
      `${key} ${operator} ${values}`,
    );
  }
  assert.equal(
    matchesLabelSelector({ matchLabels: { a: 'c' }, matchExpressions: [{ key: 'a', operator: 'Exists' }] }, labels),
    false,
  );
});
