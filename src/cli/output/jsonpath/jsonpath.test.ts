import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UserError } from '../../../base/errors.ts';
import { formatJsonPath, valuesAt } from './evaluate.ts';

const LIST = {
  kind: 'List',
  apiVersion: 'v1',
  items: [
    { kind: 'ConfigMap', metadata: { name: 'a', labels: { 'x.y/z': '1', app: 'foo' } }, data: { n: '5', 'k.1': 'v1' } },
    { kind: 'ConfigMap', metadata: { name: 'b' }, data: { n: '7' }, size: 3 },
  ],
};

// As kubectl 1.34 answers for the same objects.
const ANSWERS: readonly (readonly [template: string, text: string])[] = [
  ['{.items[*].metadata.name}', 'a b'],
  ['{.items[0,1].metadata.name}', 'a b'],
  ['{.items[-1].metadata.name}', 'b'],
  ['{.items[0:1].metadata.name}', 'a'],
  ['{.items[:2].metadata.name}', 'a b'],
  ['{.items[0:2:2].metadata.name}', 'a'],
  ["{.items[*]['metadata.name']}", 'a b'],
  ["{.items[0]['metadata.name','kind']}", 'a ConfigMap'],
  ['{.items[*].data.k\\.1}', 'v1'],
  ["{.items[0].data['k\\.1']}", 'v1'],
  ["{.items[0].metadata.labels['x\\.y/z']}", '1'],
  ['{.items[0].metadata.labels.x\\.y/z}', '1'],
  ['{.items[?(@.data.n=="5")].metadata.name}', 'a'],
  ['{.items[?(@.data.n!="5")].metadata.name}', 'b'],
  ['{.items[?(@.data.n>"5")].metadata.name}', 'b'],
  ['{.items[?(@.data.n<="5")].metadata.name}', 'a'],
  ['{.items[?(@.metadata.labels)].metadata.name}', 'a'],
  ['{.items[?("a"==@.metadata.name)].kind}', 'ConfigMap'],
  ['{.items[?(@.kind=="ConfigMap")]..n}', '5 7'],
  ['{.items[?(@.size>=3)].metadata.name}', 'b'],
  ['{$.items[0].kind}', 'ConfigMap'],
  ['{@.kind}', 'List'],
  ['{.items[0].data}', '{"k.1":"v1","n":"5"}'],
  ['{.items[0].nope.x}', ''],
  ['{..n}', '5 7'],
  ['{.items.*.metadata.name}', 'a b'],
  ['{.items[0].metadata.labels.*}', 'foo 1'],
  ['{.items[0].metadata..app}', 'foo'],
  ['{range .items[*]}[{.metadata.name}]{end}', '[a][b]'],
  ['{range .items[*]}{.metadata.name}{range .data.*}{@},{end};{end}', 'av1,5,;b7,;'],
  ['{"a\\tb"}x', 'a\tbx'],
  ["{'q'}", 'q'],
  ['{.kind} and {.apiVersion}', 'List and v1'],
  ['abc{.kind}def', 'abcListdef'],
  ['{true}{5}', 'true5'],
  ['.kind', '.kind'],
];

const REFUSED: readonly (readonly [template: string, reason: RegExp])[] = [
  ['{.items[*].metadata.name', /unclosed action$/],
  ['{.items[0', /unclosed action$/],
  ['{.items[0}', /unclosed action$/],
  ['{items[0].kind}', /unrecognized identifier items\[0\]\.kind$/],
  ['{.items[0]data}', /unrecognized identifier data$/],
  ['{.items[a]}', /invalid array index a$/],
  ['{.items[0].metadata["name"]}', /invalid array index "name"$/],
  ['{.items[0:2:0]}', /step must be > 0$/],
  ['{end}', /not in range, nothing to end$/],
  ['{range .items[*]}x', /range has no end$/],
  ['{.items[?(@.data.n=~"5")]}', /unrecognized identifier =~"5"$/],
  ['{.items[?(@.data.n=="5" && @.kind=="x")]}', /unterminated quoted string|unrecognized/],
  ['{.items[5].data}', /^array index out of bounds: index 5, length 2$/],
  ['{.items[*].data[*]}', /^\{"k\.1":"v1","n":"5"\} is not a list$/],
  ['{.items[?(@.data.n==5)].metadata.name}', /^incompatible types for comparison$/],
  [`${'{range .items[*]}'.repeat(40)}${'{end}'.repeat(40)}`, /ranges stand more than 32 deep$/],
];

describe('jsonpath', () => {
  for (const [template, text] of ANSWERS) {
    it(`prints ${template}`, () => assert.equal(formatJsonPath(template, LIST), text));
  }

  for (const [template, reason] of REFUSED) {
    it(`refuses ${template.slice(0, 60)}`, () =>
      assert.throws(
        () => formatJsonPath(template, LIST),
        (error) => error instanceof UserError && reason.test(error.message),
      ));
  }

  it('gives the values of a path with and without braces and dot', () => {
    for (const path of ['items[*].metadata.name', '.items[*].metadata.name', '{.items[*].metadata.name}'])
      assert.deepEqual(valuesAt(path, LIST), ['a', 'b']);
    assert.throws(() => valuesAt('{.a}{.b}', LIST), /not a path/);
  });

  it("does not see what is not the object's own", () => {
    assert.equal(formatJsonPath('{.constructor}{.__proto__}', {}), '');
  });
});
