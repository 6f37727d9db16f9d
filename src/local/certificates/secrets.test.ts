import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usedSecrets, waitingSecrets } from './secrets.ts';

test('secrets that have been asked for and have not come, by name', () => {
  const dump = {
    configs: [
      { name: 'kubernetes://shop', version_info: 'uninitialized', secret: { name: 'kubernetes://shop' } },
      { secret: { name: 'file-root:/ca.pem' } },
      {},
    ],
  };
  assert.deepEqual(waitingSecrets(dump), ['kubernetes://shop', 'file-root:/ca.pem']);
  assert.deepEqual(waitingSecrets({}), []);
  assert.deepEqual(usedSecrets(dump), [], 'there is nothing in them');
});
