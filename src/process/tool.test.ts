import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runTool } from './tool.ts';

test('what a tool prints, and what it reads', async () => {
  assert.equal(await runTool('cat', ['-'], 'a\nb'), 'a\nb');
  // No shell reads the arguments.
  assert.equal(await runTool('printf', ['%s', '$(id); `id` *']), '$(id); `id` *');
});

test('a tool that fails is quoted, one that is missing is named', async () => {
  await assert.rejects(runTool('cat', ['/nowhere/at/all']), {
    message: /^cat \/nowhere\/at\/all: cat: .*No such file or directory$/,
    missing: false,
  });
  await assert.rejects(runTool('false', []), { message: 'false: exit code 1' });
  await assert.rejects(runTool('no-such-tool', ['x']), { message: 'there is no program no-such-tool', missing: true });
});
