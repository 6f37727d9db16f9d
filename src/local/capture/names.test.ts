import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bridgeName, linkName, namespaceName, slotOf } from './names.ts';

const IFNAMSIZ = 16;

test('names tell the mesh, and its slot can be read back', () => {
  assert.equal(bridgeName(7), 'isth7');
  assert.equal(linkName(7, '100.71.1.2'), 'isth7-258');
  assert.equal(namespaceName(7, 'shop', 'default/web-1'), 'isthmus-7.shop.default.web-1');
  for (const name of [bridgeName(7), linkName(7, '100.71.1.2'), namespaceName(7, 'shop', 'default/web-1')])
    assert.equal(slotOf(name), 7);
});

test('the longest are no longer than Linux allows', () => {
  assert.ok(linkName(59, '100.123.249.250').length < IFNAMSIZ);
  const pods = ['a', 'b'].map((end) => `${'n'.repeat(63)}/${'p'.repeat(252)}${end}`);
  const [one, other] = pods.map((pod) => namespaceName(59, 'm'.repeat(32), pod));
  assert.ok(one!.length <= 200);
  assert.notEqual(one, other);
  assert.equal(slotOf(one!), 59);
});

test("other people's names", () => {
  for (const name of ['eth0', 'isth', 'isth7x', 'isth123', 'isthmus', 'isthmus-7', 'isthmus-x.shop', 'xisth7'])
    assert.equal(slotOf(name), undefined, name);
});
