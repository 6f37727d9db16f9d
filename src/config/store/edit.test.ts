import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editText } from './edit.ts';

const whole = (document: number) => ({ document, path: [] });

test('a document is replaced, its leading comments stay, the others are untouched', () => {
  const text = '# licence\n---\n# first\na: 1   # one\n---\n# second\nb: {x: 1}\n# end\n';
  assert.equal(
    editText(text, 'f.yaml', [{ place: whole(0), value: { a: 2, c: [1] } }]),
    '# licence\n---\n# first\na: 2\nc:\n  - 1\n---\n# second\nb: {x: 1}\n# end\n',
  );
  assert.equal(
    editText(text, 'f.yaml', [{ place: whole(1), value: { b: 5 } }]),
    '# licence\n---\n# first\na: 1   # one\n---\n# second\nb: 5\n# end\n',
  );
});

test('documents are taken out, and of the last one nothing remains', () => {
  const text = 'a: 1\n---\nb: 2\n---\nc: 3\n';
  assert.equal(editText(text, 'f.yaml', [{ place: whole(1), value: undefined }]), 'a: 1\n---\nc: 3\n');
  assert.equal(editText(text, 'f.yaml', [{ place: whole(0), value: undefined }]), '---\nb: 2\n---\nc: 3\n');
  const all = [0, 1, 2].map((d) => ({ place: whole(d), value: undefined }));
  assert.equal(editText(text, 'f.yaml', all), undefined);
});

test('an end without a newline, and content on the line of the marker', () => {
  assert.equal(editText('a: 1', 'f.yaml', [{ place: whole(0), value: { a: 2 } }]), 'a: 2\n');
  assert.equal(
    editText('--- {a: 1}\n--- {b: 1}\n', 'f.yaml', [{ place: whole(0), value: { a: 2 } }]),
    '---\na: 2\n--- {b: 1}\n',
  );
});

test('items of a list are changed and taken out; a list without items goes', () => {
  const text = 'kind: List\nitems:\n- {m: a}\n- {m: b}\n- {m: c}\n';
  const item = (index: number, value: Record<string, unknown> | undefined) => ({
    place: { document: 0, path: ['items', index] },
    value,
  });
  assert.equal(
    editText(text, 'f.yaml', [item(0, undefined), item(2, { m: 'z' })]),
    'kind: List\nitems:\n  - m: b\n  - m: z\n',
  );
  assert.equal(
    editText(
      text,
      'f.yaml',
      [0, 1, 2].map((i) => item(i, undefined)),
    ),
    undefined,
  );
});

test('a JSON file stays JSON', () => {
  assert.equal(
    editText('{"a": 1}\n', 'f.json', [{ place: whole(0), value: { a: [2] } }]),
    '{\n  "a": [\n    2\n  ]\n}\n',
  );
});

test('a file that does not read back as intended is left to its owner', () => {
  assert.equal(editText('a: 1\n---\nb: c: d\n', 'f.yaml', [{ place: whole(0), value: { a: 2 } }]), null);
});
