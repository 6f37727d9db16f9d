import assert from 'node:assert/strict';
import { test } from 'node:test';
import { within } from './within.ts';

test('a command behind the words that lead to where it runs', () => {
  assert.deepEqual(within([], 'curl', ['-s']), { command: 'curl', args: ['-s'] });
  assert.deepEqual(within(['nsenter', '--net=x'], 'curl', ['-s']), {
    command: 'nsenter',
    args: ['--net=x', '--', 'curl', '-s'],
  });
});
