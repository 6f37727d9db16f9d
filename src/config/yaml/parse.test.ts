import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatLocation } from '../../base/errors.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { parseYaml } from './parse.ts';

const values = (text: string): unknown[] => {
  const { documents, problems } = parseYaml(text, 'f.yaml');
  assert.deepEqual(problems, []);
  return documents.map((d) => d.value);
};
const problems = (text: string, limits = DEFAULT_LIMITS): string[] =>
  parseYaml(text, 'f.yaml', limits).problems.map((p) => `${formatLocation(p.at)}: ${p.message}`);

describe('documents', () => {
  const table: readonly (readonly [string, string, readonly unknown[]])[] = [
    ['several', 'a: 1\n---\nb: 2\n...\n---\nc: 3\n', [{ a: 1 }, { b: 2 }, { c: 3 }]],
    ['empty ones are left out', '---\n# nothing\n---\na: 1\n---\n---\n', [{ a: 1 }]],
    ['nothing at all', '', []],
    ['on the line of the marker', '--- {a: 1}\n--- [b]\n', [{ a: 1 }, ['b']]],
    ['a directive', '%YAML 1.2\n---\na: 1\n', [{ a: 1 }]],
    ['a byte order mark and CRLF', '\ufeffa: 1\r\nb: |\r\n  x\r\n', [{ a: 1, b: 'x\n' }]],
    ['JSON with tabs', '{\n\t"a": 1,\n\t"b": [1,\n\t2]\n}', [{ a: 1, b: [1, 2] }]],
    ['quoted is text', 'a: "5"\nb: \'yes\'\nc: "\\u00e9"\n', [{ a: '5', b: 'yes', c: 'é' }]],
    [
      'tags',
      'a: !!str 5\nb: !!int "5"\nc: !!binary aGk=\nd: !!bool "yes"\ne: ! x\n',
      [{ a: '5', b: 5, c: 'hi', d: true, e: 'x' }],
    ],
    ['aliases', 'a: &x {p: 1}\nb: *x\n', [{ a: { p: 1 }, b: { p: 1 } }]],
    ['an anchor that is set again', 'a: &x 1\nb: *x\nc: &x 2\nd: *x\n', [{ a: 1, b: 1, c: 2, d: 2 }]],
    ['merges', 'a: &x {p: 1, q: 1}\nb: {<<: *x, q: 2}\n', [{ a: { p: 1, q: 1 }, b: { q: 2, p: 1 } }]],
    [
      'merges of several',
      'a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc: {<<: [*x, *y]}\n',
      [{ a: { p: 1 }, b: { p: 2, q: 2 }, c: { p: 1, q: 2 } }],
    ],
    ['keys that are not text', '1: a\ntrue: b\n~: c\n', [{ 1: 'a', true: 'b', null: 'c' }]],
  ];
  for (const [name, text, expected] of table) test(name, () => assert.deepEqual(values(text), expected));

  test('a key __proto__ is a key', () => {
    const [value] = values('__proto__: {polluted: 1}\n') as [Record<string, unknown>];
    assert.deepEqual(Object.keys(value), ['__proto__']);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal((value as { polluted?: number }).polluted, undefined);
  });
});

describe('problems', () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ['a: b: c\n', /^f\.yaml:1:4: is not valid YAML: Nested mappings/],
    ['a:\n\t- b\n', /^f\.yaml:2:1: is not valid YAML: .*spaces, YAML does not allow tabs$/],
    ['a: 1\nb: 2\na: 3\n', /^f\.yaml:3:1: the document has the key "a" twice$/],
    ['{"a": 1, "a": 2}', /^f\.yaml:1:10: the document has the key "a" twice$/],
    ['a: "x\n', /^f\.yaml:2:1: is not valid YAML: Missing closing/],
    ['a: *b\n', /^f\.yaml:1:1: the document has an alias \*b without an anchor &b$/],
    ['a: &b [*b]\n', /^f\.yaml:1:8: the document has an alias to the value that it is in$/],
    ['a: &b {<<: *b}\n', /can merge \(<<\) only maps/],
    ['a: {<<: 5}\n', /can merge \(<<\) only maps/],
    ['a: {{ .Values.x }}\n', /^f\.yaml:1:5: the document has a key that is not text; a template/],
    ['a: !secret x\n', /^f\.yaml:1:1: the document has the tag !secret/],
    ['a: !!int x\n', /tag:yaml\.org,2002:int does not fit/],
    ['a: .inf\n', /has \.inf, which JSON cannot hold/],
  ];
  for (const [text, expected] of table)
    test(JSON.stringify(text), () => assert.match(problems(text).join('\n'), expected));

  test('a problem of one document leaves the others readable', () => {
    const parsed = parseYaml('a: 1\n---\nb: c: d\n---\ne: 5\n', 'f.yaml');
    assert.deepEqual(
      parsed.documents.map((d) => d.value),
      [{ a: 1 }, { e: 5 }],
    );
    assert.equal(parsed.problems.length, 1);
  });
});

describe('bounds', () => {
  test('aliases that multiply', () => {
    let text = 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n';
    for (let i = 1; i < 9; i++)
      text += `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(', ')}]\n`;
    assert.match(problems(text)[0]!, /more than 250000 values once its aliases are expanded/);
  });
  test('merges that multiply', () => {
    let text = 'm0: &m0 {a: 1, b: 2}\n';
    for (let i = 1; i < 60; i++) text += `m${i}: &m${i} {<<: [*m${i - 1}, *m${i - 1}], k${i}: 1}\n`;
    const [last] = values(`${text}---\nlast: 1\n`) as Record<string, object>[];
    assert.equal(Object.keys(last!.m59!).length, 61);
    assert.match(problems(text, { ...DEFAULT_LIMITS, values: 3000 })[0]!, /merges more than 3000 keys/);
  });
  test('merges that lead from one to the next', () => {
    let text = '90000: &m90000 {a: 1}\n';
    for (let i = 89999; i > 80000; i--) text += `${i}: &m${i} {<<: *m${i + 1}}\n`;
    assert.match(problems(text)[0]!, /merges more than 100 levels deep/);
  });
  test('depth', () => {
    for (const depth of [1000, 3000, 6000])
      assert.match(problems(`${'['.repeat(depth)}${']'.repeat(depth)}`)[0]!, /deep/);
    for (const depth of [1000, 3000])
      assert.match(problems(`${'a: {'.repeat(1)}${'b: {'.repeat(depth)}${'}'.repeat(depth + 1)}`)[0]!, /deep/);
    assert.match(problems(`${'['.repeat(150)}${']'.repeat(150)}`)[0]!, /nested more than 100 levels deep/);
    assert.match(problems('['.repeat(200_000))[0]!, /deep/);
  });
  test('size and number of documents', () => {
    assert.match(problems('a: 12345', { ...DEFAULT_LIMITS, fileSize: 5 })[0]!, /larger than 5 characters/);
    assert.match(
      problems('a: 1\n---\nb: 1\n---\nc: 1\n', { ...DEFAULT_LIMITS, documents: 2 })[0]!,
      /more than 2 documents/,
    );
  });
});

describe('locations', () => {
  const text = `# a comment
spec:
  http:
  - match:
    - uri: {exact: /x}
    10: ten
    9: nine
  - route: &r
    - a
---
other: {list: [1, 2]}
`;
  const [first, second] = parseYaml(text, 'f.yaml').documents;
  const table: readonly (readonly [readonly (string | number)[], string])[] = [
    [[], '2:1'],
    [['spec'], '2:1'],
    [['spec', 'http'], '3:3'],
    [['spec', 'http', 0], '4:5'],
    [['spec', 'http', 0, 'match', 0, 'uri', 'exact'], '5:13'],
    // JavaScript orders these before all others, the text does not.
    [['spec', 'http', 0, '9'], '7:5'],
    [['spec', 'http', 0, '10'], '6:5'],
    [['spec', 'http', 1, 'route', 0], '9:7'],
    // What is not there is where its nearest parent is.
    [['spec', 'http', 7, 'route'], '3:3'],
    [['nothing'], '2:1'],
  ];
  for (const [path, place] of table) {
    test(`${path.join('.') || 'the document'} at ${place}`, () => {
      assert.equal(formatLocation(first!.locate(path)), `f.yaml:${place}`);
    });
  }
  test('of a later document', () => {
    assert.equal(formatLocation(second!.locate(['other', 'list', 1])), 'f.yaml:11:19');
  });
  test('inside of YAML that is the text of a block', () => {
    const map = `data:
  other: x
  mesh: |-
    # the mesh
    accessLogFile: /dev/stdout
    defaultConfig:
      concurrency: 2
`;
    const [document] = parseYaml(map, 'f.yaml').documents;
    assert.equal(formatLocation(document!.locate(['data', 'mesh', 'defaultConfig', 'concurrency'])), 'f.yaml:7:7');
    assert.equal(formatLocation(document!.locate(['data', 'mesh'])), 'f.yaml:3:3');
    assert.equal(formatLocation(document!.locate(['data', 'other', 'x'])), 'f.yaml:2:3');
  });
});

test('ranges cover the text of each document, and contents leave out what is around it', () => {
  const text = '# top\na: 1\n# end of a\n---\n# before b\nb: 2\n';
  const { documents } = parseYaml(text, 'f.yaml');
  assert.deepEqual(
    documents.map((d) => text.slice(...d.range)),
    ['# top\na: 1\n# end of a\n', '---\n# before b\nb: 2\n'],
  );
  assert.deepEqual(
    documents.map((d) => text.slice(...d.content).trimEnd()),
    ['a: 1', 'b: 2'],
  );
});
