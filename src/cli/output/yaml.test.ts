import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FreeForm, type Printable } from './json.ts';
import { compareKeys, formatYaml } from './yaml.ts';

/** Strings as istioctl prints them in YAML, in the list of a document. */
const TEXTS: readonly (readonly [text: string, yaml: string])[] = [
  ['plain text', 'plain text'],
  ['', '""'],
  ['true', '"true"'],
  ['yes', '"yes"'],
  ['y', '"y"'],
  ['yesterday', 'yesterday'],
  ['~', '"~"'],
  ['0x1f', '"0x1f"'],
  ['0xg', '0xg'],
  ['1_000', '"1_000"'],
  ['1.5e3', '"1.5e3"'],
  ['1.2.3', '1.2.3'],
  ['12:30:45', '"12:30:45"'],
  ['2020-01-01', '"2020-01-01"'],
  ['2020-13-01', '2020-13-01'],
  ['- a', "'- a'"],
  ['-a', '-a'],
  ['a: b', "'a: b'"],
  ['a:b', 'a:b'],
  ['a #b', "'a #b'"],
  ['a#b', 'a#b'],
  ["it's", "it's"],
  ["'quoted'", "'''quoted'''"],
  ['"quoted"', `'"quoted"'`],
  ['@at', "'@at'"],
  ['*', "'*'"],
  [' padded ', "' padded '"],
  ['tab\there', '"tab\\there"'],
  ['\u0001', '"\\x01"'],
  ['é', 'é'],
  ['😀', '"\\U0001F600"'],
  ['two\nlines', '|-\n  two\n  lines'],
  ['ends\n', '|\n  ends'],
  ['ends twice\n\n', '|+\n  ends twice\n'],
  [' indented\n', '|2\n   indented'],
];

for (const [text, yaml] of TEXTS) {
  test(`text ${JSON.stringify(text)}`, () => assert.equal(formatYaml([text]), `- ${yaml}\n`));
}

test('numbers as Go prints them', () => {
  const numbers = [0, -0, 1.5, 1e6, 123456.789, 1234567.5, 1e-7, 1e19, 1e21];
  const expected = [0, 0, 1.5, 1000000, 123456.789, '1.2345675e+06', '1e-07', '10000000000000000000', '1e+21'];
  assert.equal(formatYaml(numbers), expected.map((n) => `- ${n}\n`).join(''));
});

test('a long text is folded at spaces, after the eightieth column', () => {
  const words = 'word '.repeat(30).trim();
  assert.equal(formatYaml({ key: words }), `key: ${'word '.repeat(16).trim()}\n  ${'word '.repeat(14).trim()}\n`);
});

test('lists stand below their keys, maps further in; keys are sorted as people would', () => {
  const value: Printable = {
    b: [{ y: 1, x: [] }, [1, [2]]],
    a10: {},
    a2: null,
    A: new Map<string, Printable>([['two words', true]]),
    free: new FreeForm(new Map([['list', ['x']]])),
  };
  assert.equal(
    formatYaml(value),
    `A:
  two words: true
a2: null
a10: {}
b:
- x: []
  "y": 1
- - 1
  - - 2
free:
  list:
  - x
`,
  );
});

test('keys: digits count as numbers, letters come last', () => {
  const ordered = ['', '*', '_', '1', '2', '10', 'A', 'a', 'a-b', 'a1', 'a02', 'a10', 'ab'];
  for (const [i, a] of ordered.entries()) {
    for (const [j, b] of ordered.entries()) assert.equal(Math.sign(compareKeys(a, b)), Math.sign(i - j), `${a} ${b}`);
  }
});
