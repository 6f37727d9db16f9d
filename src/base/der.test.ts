import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  contextTag,
  DerError,
  DerReader,
  encode,
  encodeBitString,
  encodeBoolean,
  encodeInteger,
  encodeOid,
  encodeTime,
  readBitString,
  readBoolean,
  readOid,
  readOnly,
  readSmallInteger,
  readTime,
  sequence,
  Tag,
} from './der.ts';

const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex');

test('what is written, byte for byte', () => {
  const table: [Buffer, string][] = [
    [encode(Tag.Null), '0500'],
    [sequence(), '3000'],
    [sequence(encodeBoolean(true), encodeBoolean(false)), '3006 0101ff 010100'],
    [encode(contextTag(3, true), encode(Tag.Null)), 'a302 0500'],
    [encode(contextTag(6, false), Buffer.from('a')), '8601 61'],
    [encodeInteger(0), '020100'],
    [encodeInteger(127), '02017f'],
    [encodeInteger(128), '02020080'],
    [encodeInteger(hex('00000102')), '02020102'],
    [encodeInteger(hex('0000')), '020100'],
    [encodeInteger(hex('ff')), '020200ff'],
    [encodeOid('1.2.840.113549.1.1.11'), '06092a864886f70d01010b'],
    [encodeOid('2.5.29.17'), '0603551d11'],
    [encodeOid('2.999.3'), '0603883703'],
    [encodeOid('0.9.2342.19200300.100.1.25'), '060a0992268993f22c640119'],
    [encodeBitString(hex('a0'), 5), '030205a0'],
    [encodeTime(Date.UTC(2049, 11, 31, 23, 59, 59, 999)), `170d${Buffer.from('491231235959Z').toString('hex')}`],
    [encodeTime(Date.UTC(2050, 0, 1)), `180f${Buffer.from('20500101000000Z').toString('hex')}`],
    [encode(Tag.OctetString, Buffer.alloc(127)).subarray(0, 3), '047f00'],
    [encode(Tag.OctetString, Buffer.alloc(128)).subarray(0, 4), '04818000'],
    [encode(Tag.OctetString, Buffer.alloc(256)).subarray(0, 5), '0482010000'],
    [encode(Tag.OctetString, Buffer.alloc(65536)).subarray(0, 6), '048301000000'],
  ];
  for (const [bytes, expected] of table) assert.equal(bytes.toString('hex'), expected.replace(/\s/g, ''));
});

test('values there and back', () => {
  for (const oid of ['1.2.840.113549.1.1.11', '2.5.29.17', '2.999.3', '0.9.2342.19200300.100.1.25', '1.39.0', '2.0.1'])
    assert.equal(readOid(readOnly(encodeOid(oid), Tag.ObjectIdentifier, 'oid'), 'oid'), oid);
  for (const n of [0, 1, 127, 128])
    assert.equal(readSmallInteger(readOnly(encodeInteger(n), Tag.Integer, 'n'), 'n'), n);
  for (const time of [
    0,
    Date.UTC(1950, 0, 1),
    Date.UTC(2000, 1, 29, 12, 30, 1),
    Date.UTC(2049, 11, 31),
    Date.UTC(9999, 11, 31, 23, 59, 59),
  ])
    assert.equal(readTime(new DerReader(encodeTime(time)).any('time'), 'time'), time);
});

test('a reader walks over elements and knows where it ends', () => {
  const reader = new DerReader(hex('0201 05 3003 0101ff 0500'));
  assert.equal(reader.optional(Tag.Boolean, 'x'), undefined);
  assert.deepEqual([...reader.next(Tag.Integer, 'x').content], [5]);
  const inner = reader.enter(Tag.Sequence, 'y');
  assert.equal(readBoolean(inner.next(Tag.Boolean, 'z'), 'z'), true);
  inner.end('y');
  assert.throws(() => reader.end('all'), /all has bytes after its end/);
  assert.equal(reader.any('null').bytes.length, 2);
  assert.ok(reader.done);
  assert.equal(reader.optional(Tag.Null, 'x'), undefined);
  assert.throws(() => reader.any('more'), /more is missing/);
});

test('what is not DER is refused', () => {
  const table: [string, RegExp][] = [
    ['', /missing or cut short/],
    ['30', /missing or cut short/],
    ['3001', /length beyond the input/],
    ['3080 0000', /indefinite length/],
    ['308100', /shortest form/],
    ['30817f', /shortest form/],
    ['3082007f', /shortest form/],
    ['30820080', /shortest form/],
    ['3081', /beyond the input/],
    ['308500000000', /beyond the input/],
    ['3084ffffffff', /beyond the input/],
    ['1f8100', /tag of more than one byte/],
    ['3000 00', /after its end/],
    ['0500', /tag 0x5 where 0x30/],
  ];
  for (const [bytes, problem] of table) {
    assert.throws(() => readOnly(hex(bytes), Tag.Sequence, 'it'), problem, bytes);
    assert.throws(() => readOnly(hex(bytes), Tag.Sequence, 'it'), DerError);
  }
});

test('every prefix of a structure is an error, never a crash', () => {
  const whole = sequence(encodeOid('2.5.29.17'), encodeBoolean(true), encode(Tag.OctetString, Buffer.alloc(300)));
  for (let cut = 0; cut < whole.length; cut++)
    assert.throws(() => readOnly(whole.subarray(0, cut), Tag.Sequence, 'it'), DerError);
});

test('values that are malformed are refused', () => {
  const element = (bytes: string) => new DerReader(hex(bytes)).any('it');
  for (const bytes of ['0200', '020180', '0203000001', '02020001', '02050100000000'])
    assert.throws(() => readSmallInteger(element(bytes), 'it'), DerError, bytes);
  for (const bytes of ['0100', '010101', '0102ffff'])
    assert.throws(() => readBoolean(element(bytes), 'it'), DerError, bytes);
  for (const bytes of ['0600', '060180', `060b2a${'ff'.repeat(9)}7f`])
    assert.throws(() => readOid(element(bytes), 'it'), DerError, bytes);
  for (const bytes of ['0300', '030101', '03020780'])
    assert.throws(() => readBitString(element(bytes), 'it'), DerError, bytes);
});

test('times that are none are refused', () => {
  const time = (tag: number, text: string) =>
    readTime({ tag, bytes: Buffer.alloc(0), content: Buffer.from(text) }, 'it');
  for (const text of [
    '300101000000',
    '3001010000Z',
    '301301000000Z',
    '300230000000Z',
    '300101240000Z',
    '300101006000Z',
    '300101000000+0000',
    '290229000000Z',
    '',
  ])
    assert.throws(() => time(Tag.UtcTime, text), DerError, text);
  assert.throws(() => time(Tag.GeneralizedTime, '20300101000000.5Z'), DerError);
  assert.throws(() => time(Tag.Utf8String, '300101000000Z'), DerError);
  assert.equal(time(Tag.UtcTime, '490101000000Z'), Date.UTC(2049, 0, 1));
  assert.equal(time(Tag.UtcTime, '500101000000Z'), Date.UTC(1950, 0, 1));
});
