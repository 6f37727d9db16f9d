import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeText, fromWireForm, keepingBytes, wireForm } from './bytes.ts';

test('texts that are UTF-8', () => {
  for (const text of ['', 'plain', 'ü', '€', '😀', 'a\u{fffd}b']) {
    const wire = Buffer.from(text, 'utf8').toString('latin1');
    assert.equal(wireForm(text), wire);
    assert.equal(fromWireForm(wire), text);
    assert.equal(keepingBytes(wire), text);
    assert.equal(encodeText(text).toString('utf8'), text);
  }
});

test('bytes that are not are kept', () => {
  for (const [wire, kept] of [
    ['\xff', '\udcff'],
    ['caf\xe9', 'caf\udce9'],
    ['\xe2\x82', '\udce2\udc82'],
    ['\xc3\xbc\xff\xf0\x9f\x98\x80', 'ü\udcff😀'],
    ['\xc0\xaf', '\udcc0\udcaf'],
    ['\xed\xa0\x80', '\udced\udca0\udc80'],
  ]) {
    assert.equal(keepingBytes(wire), kept);
    assert.equal(wireForm(kept), wire);
    assert.equal(encodeText(kept).toString('latin1'), wire);
  }
  assert.equal(fromWireForm('\xff'), '\u{fffd}');
  // Other lone surrogates are no bytes.
  assert.equal(encodeText('\ud800').toString('utf8'), '\u{fffd}');
});
