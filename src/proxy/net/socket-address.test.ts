import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { AddressSchema } from '../../api/gen/envoy/config/core/v3/address_pb.ts';
import { ConfigErrors } from '../config/errors.ts';
import { socketAddress } from './socket-address.ts';

function read(address: string, ipv4Compat = false) {
  const errors = new ConfigErrors();
  const value = { address, ipv4Compat, portSpecifier: { case: 'portValue' as const, value: 80 } };
  const found = socketAddress(create(AddressSchema, { address: { case: 'socketAddress', value } }), errors);
  return found ?? errors.toString();
}

test('addresses of both families; who listens on :: takes IPv4 only where asked to', () => {
  assert.deepEqual(read('0.0.0.0'), { address: '0.0.0.0', port: 80, family: 4 });
  assert.deepEqual(read('::'), { address: '::', port: 80, family: 6 });
  assert.deepEqual(read('::', true), { address: '::', port: 80, family: 6, ipv4Compat: true });
  assert.deepEqual(read('2001:DB8:0:0:0:0:0:5'), { address: '2001:db8::5', port: 80, family: 6 });
  assert.match(read('localhost') as string, /"localhost" is not an IP address/);
});
