import assert from 'node:assert/strict';
import { test } from 'node:test';
import { customTags } from './custom-tags.ts';

test('a tag with a formatter is the field `value` of CustomTag', () => {
  const [fixed, line] = customTags({
    fixed: { literal: { value: 'v' } },
    line: { formatter: { value: '%PROTOCOL%' } },
  });
  assert.deepEqual(fixed?.type, { case: 'literal', value: { value: 'v' } });
  assert.deepEqual(line, { tag: 'line', type: { case: 'value', value: '%PROTOCOL%' } });
});
