import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isReferer } from './referer.ts';

test('what is passed on', () => {
  const values = [
    'http://a/b?c',
    'HTTP://A',
    'http://[::1]:80/{x}',
    'chrome-extension://a/',
    'http://a/?b#',
    '/a:b',
    'a/b',
    '',
  ];
  for (const value of values) assert.ok(isReferer(value), value);
});

test('what is not', () => {
  const values = [
    'http://a/#b',
    'http://u@a/',
    'http://',
    'http://a_b/',
    'http://a:65536/',
    'about:blank',
    'a:b/c',
    '/a#b',
    '/a b',
    '/{',
  ];
  for (const value of values) assert.ok(!isReferer(value), value);
});
