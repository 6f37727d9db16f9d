import assert from 'node:assert/strict';
import { test } from 'node:test';
import { discoveryOf } from './discovery.ts';

test('discovery is proven by certificates, unless it is in clear', () => {
  const table: [string, string | undefined, string | undefined, object | string][] = [
    ['istiod:15012', undefined, undefined, { host: 'istiod', port: 15012, serverName: 'istiod' }],
    ['10.0.0.1:15012', 'MUTUAL_TLS', 'istiod', { host: '10.0.0.1', port: 15012, serverName: 'istiod' }],
    ['istiod:15010', 'MUTUAL_TLS', undefined, { host: 'istiod', port: 15010, serverName: undefined }],
    ['istiod:9', 'NONE', undefined, { host: 'istiod', port: 9, serverName: undefined }],
    ['istiod', undefined, undefined, 'discoveryAddress must be of the form host:port, not "istiod".'],
  ];
  for (const [address, policy, san, expected] of table) {
    const read = () => discoveryOf(address, 'discoveryAddress', policy, san);
    if (typeof expected === 'string') assert.throws(read, { name: 'UserError', message: expected });
    else assert.deepEqual(read(), expected);
  }
});
