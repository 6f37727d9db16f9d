import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allocateAddresses } from './allocate.ts';
import type { Service } from './service.ts';

const service = (hostname: string) => ({ hostname, namespace: 'shop' }) as Service;
const all = () => true;
const names = (count: number) => Array.from({ length: count }, (_, i) => service(`s${i}.example.com`));

test('an address follows from the name: the same in every run, whoever else is there', () => {
  const alone = allocateAddresses([service('db.example.com')], all);
  const [[key, address]] = [...alone] as [[string, { ipv4: string; ipv6: string }]];
  assert.deepEqual(address, { ipv4: '240.240.72.214', ipv6: '2001:2::f0f0:48d6' });
  const among = allocateAddresses([...names(50), service('db.example.com'), service('new.example.com')], all);
  assert.deepEqual(among.get(key), address);
});

test('no two have the same, none ends in 0 or 255, and who wants none gets none', () => {
  const some = names(2000);
  const found = allocateAddresses(some, ({ hostname }) => hostname !== 's7.example.com');
  assert.equal(found.size, 1999);
  const ips = [...found.values()].map(({ ipv4 }) => ipv4);
  assert.equal(new Set(ips).size, ips.length);
  for (const ip of ips) assert.match(ip, /^240\.240\.(?!0|255)\d{1,3}\.(?!(0|255)$)\d{1,3}$/);
});
