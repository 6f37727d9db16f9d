import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileLogPattern } from './log-pattern.ts';

const line = {
  time: new Date(2026, 0, 5, 14, 3, 9, 7),
  pid: 42,
  scope: 'config',
  level: 'warning',
  message: 'say "hi"\nto all',
};

test('patterns in the syntax of spdlog', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['', ''],
    ['plain', 'plain'],
    ['[%Y-%m-%d %T.%e][%t][%l][%n] %v', '[2026-01-05 14:03:09.007][42][warning][config] say "hi"\nto all'],
    ['%Y-%m-%dT%T.%fZ|%L|%P', '2026-01-05T14:03:09.007000Z|W|42'],
    ['{"m":"%j"}', '{"m":"say \\"hi\\"\\nto all"}'],
    ['%_', 'say "hi"\\nto all'],
    ['%a %A %b %B %C', 'Mon Monday Jan January 26'],
    ['%D %I:%M:%S %p %R %r', '01/05/26 02:03:09 PM 14:03 02:03:09 PM'],
    ['%c', 'Mon Jan 5 14:03:09 2026'],
    ['%g:%#|%s|%@', ':||'],
    ['%^%l%$', 'warning'],
    ['100%% %q %', '100% %q %'],
    ['<%10l><%-10l><%=11l>', '<   warning><warning   ><  warning  >'],
    ['<%3l><%3!l>', '<warning><war>'],
  ];
  for (const [pattern, expected] of rows) assert.equal(compileLogPattern(pattern)(line), expected, pattern);
});
