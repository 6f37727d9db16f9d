import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareText, FreeForm, formatJson, formatJsonpb } from './json.ts';

const MAP = new Map([
  ['b', 1],
  ['a', 2],
]);

test('messages keep the order of their fields, maps are sorted, and nothing stands in for empty ones', () => {
  const value = { z: [], y: {}, x: new Map(), map: MAP, list: [1, 'two'], not: null, zero: -0 };
  assert.equal(
    formatJson(value, '  '),
    `{
  "z": [],
  "y": {},
  "x": {},
  "map": {
    "a": 2,
    "b": 1
  },
  "list": [
    1,
    "two"
  ],
  "not": null,
  "zero": -0
}`,
  );
});

test('what is special in HTML is escaped, and half of a pair replaced', () => {
  assert.equal(formatJson('<a href="x">&\u2028\ud800'), '"\\u003ca href=\\"x\\"\\u003e\\u0026\\u2028\ufffd"');
});

test('jsonpb puts free-form values further in, and does not fold up what is empty', () => {
  assert.equal(
    formatJsonpb({ list: [{ a: 1 }], map: MAP, free: new FreeForm(new Map([['k', [true]]])), empty: {} }, ' '),
    `{
 "list": [
  {
   "a": 1
  }
 ],
 "map": {
  "a": 2,
  "b": 1
 },
 "free": {
   "k": [
      true
     ]
  },
 "empty": {

 }
}`,
  );
});

test('text in the order of code points, not of code units', () => {
  assert.deepEqual(['😀', '\uffff', 'a', 'ab', ''].sort(compareText), ['', 'a', 'ab', '\uffff', '😀']);
});
