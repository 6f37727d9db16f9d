import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasEscapedSlashes, mergeSlashes, normalizePath, unescapeSlashes } from './path-normalization.ts';

// Each pair was observed with Envoy 1.40 and normalize_path.
const observed: readonly (readonly [string, string | undefined])[] = [
  ['/', '/'],
  ['/a/b?x=../y', '/a/b?x=../y'],
  ['/a/../b', '/b'],
  ['/a/./b', '/a/b'],
  ['/a//b', '/a//b'],
  ['/a/%2e%2e/b', '/b'],
  ['/a/%2E/b', '/a/b'],
  ['/%61bc', '/abc'],
  ['/a%2fb', '/a%2fb'],
  ['/a%5cb', '/a%5cb'],
  ['/a\\b', '/a/b'],
  ['/a\\..\\admin', '/admin'],
  ['/a/..', '/'],
  ['/a/.', '/a/'],
  ['/../x', '/x'],
  ['/a/../../b', '/b'],
  ['/a;b/../c', '/c'],
  ['/a/..;/b', '/b'],
  ['/a/..;x=1/b', '/b'],
  ['/a/.;x/b', '/a/b'],
  ['/a/..;', '/'],
  ['/a/...;/b', '/a/...;/b'],
  ['/a/%2e%2e;/b', '/a/..;/b'],
  ['/a/..;/../b', '/b'],
  ['/%zz', '/%zz'],
  ['/a%', '/a%'],
  ['/%00', undefined],
  ['/a%3fb', '/a%3fb'],
  ['/%7Eu', '/~u'],
  ['/{a}|"<>^`', '/%7Ba%7D%7C%22%3C%3E%5E%60'],
  ['/%c3%a4', '/%c3%a4'],
  ['/%25', '/%25'],
  ['/a/%2e%2e%2fb', '/a/..%2fb'],
  ['/a%2e%2e/b', '/a../b'],
];

test('paths become what Envoy makes of them', () => {
  for (const [path, expected] of observed) assert.equal(normalizePath(path), expected, path);
});

test('slashes', () => {
  assert.equal(mergeSlashes('//a///b?x=//y'), '/a/b?x=//y');
  assert.equal(mergeSlashes('/a/b'), '/a/b');
  assert.equal(unescapeSlashes('/a%2fb%5Cc?%2f'), '/a/b\\c?%2f');
  assert.equal(hasEscapedSlashes('/a?%2f'), false);
  assert.equal(hasEscapedSlashes('/a%2F'), true);
});
