import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLevels } from './log.ts';

const ANSWER = 'active loggers:\n  admin: info\n  http: warning\n  rbac: info\n';

test('levels for all loggers come before those for one', () => {
  const table: readonly [string | undefined, string[]][] = [
    [undefined, []],
    ['debug', ['level=debug']],
    ['warn', ['level=warning']],
    ['http:debug,rbac=trace', ['http=debug', 'rbac=trace']],
    ['http:debug,level:error', ['level=error', 'http=debug']],
    ['http:debug,off', ['level=off']],
    ['off,http:debug', ['level=off', 'http=debug']],
    ['http:debug,http:info', ['http=info']],
  ];
  for (const [text, changes] of table) assert.deepEqual(parseLevels(text, [ANSWER]), changes, String(text));
});

test('what no proxy has is refused before anything is set', () => {
  assert.throws(() => parseLevels('loud', [ANSWER]), /^UserError: unrecognized logging level: loud$/);
  assert.throws(() => parseLevels('http:loud', [ANSWER]), /unrecognized logging level: loud/);
  assert.throws(() => parseLevels('htt:info', [ANSWER]), /unrecognized logger name: htt$/);
  assert.throws(() => parseLevels('http:info', [ANSWER, 'active loggers:\n']), /unrecognized logger name: http/);
});
