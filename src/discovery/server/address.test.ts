import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UserError } from '../../base/errors.ts';
import { formatAddress, parseAddress } from './address.ts';

test('addresses as Go takes them', () => {
  const table: [string, object | undefined][] = [
    ['', undefined],
    [':15010', { port: 15010 }],
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['localhost:80', { host: 'localhost', port: 80 }],
    ['[::1]:8080', { host: '::1', port: 8080 }],
  ];
  for (const [text, options] of table) assert.deepEqual(parseAddress('grpcAddr', text), options, text);
});

test('what is no address is named with its flag', () => {
  for (const text of ['15010', 'host', 'a:b', '127.0.0.1:70000', '::1:80', '[localhost]:80', ':80:90'])
    assert.throws(
      () => parseAddress('grpcAddr', text),
      (e) => e instanceof UserError && /--grpcAddr/.test(e.message),
      text,
    );
});

test('addresses as they stand in a URL', () => {
  assert.equal(formatAddress({ address: '127.0.0.1', port: 1 }), '127.0.0.1:1');
  assert.equal(formatAddress({ address: '::', port: 1 }), '[::]:1');
  assert.equal(formatAddress('/run/socket'), '/run/socket');
});
