import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from './parse.ts';
import { writeYaml } from './write.ts';

const STRINGS = [
  '',
  ' ',
  'yes',
  'No',
  'on',
  'OFF',
  'y',
  'n',
  'true',
  'Null',
  '~',
  'null',
  '0400',
  '010',
  '08',
  '0o17',
  '0x10',
  '0b11',
  '1_000',
  '1e3',
  '.5',
  '5.',
  '+1',
  '-',
  '=',
  '<<',
  '1:30',
  '12:30:45',
  '2020-01-01',
  '.inf',
  '.nan',
  '- a',
  'a: b',
  'a #b',
  '# a',
  '*a',
  '&a',
  '!a',
  '%a',
  '@a',
  '`a`',
  '{a}',
  '[a]',
  '"a"',
  "'a'",
  'a\nb',
  'a\n',
  '\n',
  'a\n\nb\n',
  '\ta',
  'a\tb',
  ' lead',
  'trail ',
  'a\\b',
  'é',
  '\u0007',
  '\u2028',
  '\ufeff',
  '---',
  '...',
  '? a',
  '| a',
  '> a',
  '{{ x }}',
  'x'.repeat(200),
  `${'word '.repeat(60)}end`,
];

test('every string reads back as the string that it is', () => {
  for (const text of STRINGS) {
    const value = { key: text, [text || 'empty']: [text, { nested: text }] };
    const { documents, problems } = parseYaml(writeYaml(value), 'f.yaml');
    assert.deepEqual(problems, [], JSON.stringify(text));
    assert.deepEqual(documents[0]?.value, value, JSON.stringify(text));
  }
});

test('other values, and shared ones without aliases', () => {
  const shared = { a: 1 };
  const value = { zero: 0, minus: -1.5, yes: true, nothing: null, list: [], object: {}, one: shared, two: shared };
  const text = writeYaml(value);
  assert.ok(!text.includes('&') && !text.includes('*'), text);
  assert.deepEqual(parseYaml(text, 'f.yaml').documents[0]?.value, value);
});

test('is what a person would write', () => {
  assert.equal(
    writeYaml({ apiVersion: 'v1', metadata: { name: 'web' }, list: [{ a: 1 }] }),
    'apiVersion: v1\nmetadata:\n  name: web\nlist:\n  - a: 1\n',
  );
});
