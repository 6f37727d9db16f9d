import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { MetadataMatcherSchema } from '../../api/gen/envoy/type/matcher/v3/metadata_pb.ts';
import { ConfigErrors } from '../config/errors.ts';
import { metadataTest } from './metadata-match.ts';

const METADATA = new Map([
  [
    'jwt',
    {
      payload: { iss: 'https://a', aud: ['x', 'y'], n: 7, yes: true, nothing: null, umlaut: 'ä', 'a.b': 'dotted' },
      text: 'plain',
    },
  ],
]);

/** Path, value matcher, whether it matches. */
const TABLE: [string, JsonObject, boolean][] = [
  ['payload iss', { stringMatch: { exact: 'https://a' } }, true],
  ['payload iss', { stringMatch: { prefix: 'http://' } }, false],
  ['payload umlaut', { stringMatch: { exact: 'ä' } }, true],
  ['payload umlaut', { stringMatch: { safeRegex: { regex: '.' } } }, true],
  ['payload a.b', { stringMatch: { exact: 'dotted' } }, true],
  ['payload n', { stringMatch: { exact: '7' } }, false],
  ['payload n', { doubleMatch: { exact: 7 } }, true],
  ['payload n', { doubleMatch: { range: { start: 7, end: 8 } } }, true],
  ['payload n', { doubleMatch: { range: { start: 6, end: 7 } } }, false],
  ['payload yes', { boolMatch: true }, true],
  ['payload yes', { boolMatch: false }, false],
  ['payload nothing', { nullMatch: {} }, true],
  ['payload iss', { nullMatch: {} }, false],
  ['payload missing', { nullMatch: {} }, false],
  ['payload iss', { presentMatch: true }, true],
  ['payload nothing', { presentMatch: true }, true],
  ['payload missing', { presentMatch: true }, false],
  ['payload iss', { presentMatch: false }, false],
  ['payload aud', { listMatch: { oneOf: { stringMatch: { exact: 'y' } } } }, true],
  ['payload aud', { listMatch: { oneOf: { stringMatch: { exact: 'z' } } } }, false],
  ['payload aud', { stringMatch: { exact: 'x' } }, false],
  ['payload iss', { listMatch: { oneOf: { stringMatch: { prefix: '' } } } }, false],
  ['payload iss', { orMatch: { valueMatchers: [{ boolMatch: true }, { stringMatch: { prefix: 'https' } }] } }, true],
  ['payload toString', { presentMatch: true }, false],
  ['payload aud length', { presentMatch: true }, false],
  ['text iss', { presentMatch: true }, false],
];

function compile(json: JsonObject) {
  const errors = new ConfigErrors();
  return { matches: metadataTest(fromJson(MetadataMatcherSchema, json), errors), errors: errors.list };
}

for (const [path, value, wanted] of TABLE) {
  test(`${path} ${JSON.stringify(value)}`, () => {
    const json = { filter: 'jwt', path: path.split(' ').map((key) => ({ key })), value };
    assert.equal(compile(json).matches(METADATA), wanted);
    assert.equal(compile({ ...json, invert: true }).matches(METADATA), !wanted);
    assert.equal(compile(json).matches(undefined), false);
    assert.equal(compile({ ...json, filter: 'other' }).matches(METADATA), false);
  });
}

test('what is wrong is told with its path', () => {
  const value = { boolMatch: true };
  const path = [{ key: 'a' }];
  const table: [JsonObject, string][] = [
    [{ path, value }, 'filter'],
    [{ filter: 'a', value }, 'path'],
    [{ filter: 'a', path }, 'value'],
    [{ filter: 'a', path, value: {} }, 'value'],
    [{ filter: 'a', path, value: { listMatch: {} } }, 'value.list_match'],
    [{ filter: 'a', path, value: { doubleMatch: {} } }, 'value.double_match'],
    [{ filter: 'a', path, value: { stringMatch: {} } }, 'value.string_match'],
  ];
  for (const [json, where] of table) assert.equal(compile(json).errors[0]?.path, where, JSON.stringify(json));
});
