import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { HeaderValueOptionSchema } from '../../../api/gen/envoy/config/core/v3/base_pb.ts';
import { Headers } from '../../../wire/headers.ts';
import { applyChanges, changeQuery, isValidChange, removeHeaders, requestChange, responseChange } from './changes.ts';

const option = (key: string, more: JsonObject = {}, header: JsonObject = { value: '1' }) =>
  fromJson(HeaderValueOptionSchema, { header: { key, ...header }, ...more });

test('how a header changes', () => {
  const table: [ReturnType<typeof requestChange>, string][] = [
    [requestChange(option('X')), 'set'],
    [requestChange(option('X', { append: false })), 'set'],
    [requestChange(option('X', { append: true })), 'append'],
    [requestChange(option('X', { appendAction: 'ADD_IF_ABSENT' })), 'set'],
    [responseChange(option('X')), 'add'],
    [responseChange(option('X', { append: false })), 'set'],
    [responseChange(option('X', { append: true })), 'add'],
    [responseChange(option('X', { appendAction: 'ADD_IF_ABSENT' })), 'add-if-absent'],
    [responseChange(option('X', { appendAction: 'OVERWRITE_IF_EXISTS' })), 'overwrite-if-exists'],
    [responseChange(option('X', { appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' })), 'set'],
  ];
  for (const [change, how] of table) assert.deepEqual(change, { name: 'x', value: '1', how });
});

test('values are bytes on the wire', () => {
  assert.equal(requestChange(option('x', {}, { value: 'ü' })).value, 'Ã¼');
  assert.equal(requestChange(option('x', {}, { rawValue: '/w==' })).value, '\xff');
});

test('changes on a message', () => {
  const headers = Headers.request('GET', '/', 'a', 'x', '1', 'y', '1');
  applyChanges(
    [
      { name: 'x', value: '2', how: 'append' },
      { name: 'z', value: '2', how: 'append' },
      { name: 'x', value: '3', how: 'add' },
      { name: 'y', value: '2', how: 'add-if-absent' },
      { name: 'n', value: '2', how: 'add-if-absent' },
      { name: 'y', value: '3', how: 'overwrite-if-exists' },
      { name: 'm', value: '3', how: 'overwrite-if-exists' },
      { name: ':path', value: '/b', how: 'set' },
      { name: ':authority', value: 'b', how: 'set' },
    ],
    headers,
  );
  removeHeaders(['Host', ':method', 'N'], headers);
  assert.deepEqual(
    [...headers],
    [
      [':method', 'GET'],
      [':path', '/b'],
      [':authority', 'b'],
      ['x', '1,2'],
      ['y', '3'],
      ['x', '3'],
    ],
  );
});

test('what must not come onto a wire', () => {
  const valid = (name: string, value: string) => isValidChange({ name, value, how: 'set' });
  for (const [name, value] of [
    ['x', 'a\r\nb: c'],
    ['x', 'a\0'],
    ['x y', 'a'],
    ['', 'a'],
    ['x:', 'a'],
    [':status', '200'],
    ['x\n', 'a'],
  ]) {
    assert.equal(valid(name, value), false, JSON.stringify([name, value]));
  }
  for (const [name, value] of [
    ['x-a', ''],
    [':path', '/'],
    ['x', '\xff\t '],
  ]) {
    assert.equal(valid(name, value), true, JSON.stringify([name, value]));
  }
});

test('parameters of a query', () => {
  const table: [string, [string, string][], string[], string][] = [
    ['/a', [], ['x'], '/a'],
    ['/a', [['x', '1']], [], '/a?x=1'],
    ['/a?c=1&b=2&b=3&x', [['a', '0']], ['c'], '/a?a=0&b=2&b=3&x='],
    ['/a?b=2&b=3', [['b', '1']], [], '/a?b=1'],
    ['/a?b=2', [], ['b'], '/a'],
  ];
  for (const [path, set, remove, want] of table) assert.equal(changeQuery(path, set, remove), want);
});
