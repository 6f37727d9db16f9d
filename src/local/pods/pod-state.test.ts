import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ContainerView, type PodFindings, phaseOf, statusMessage, statusWord } from './pod-state.ts';

const container = (more: Partial<ContainerView>): ContainerView => ({
  name: 'main',
  ready: false,
  fault: undefined,
  notReadyBecause: undefined,
  init: false,
  state: 'Running',
  pid: 1,
  restarts: 0,
  startedAt: 0,
  lastEnd: undefined,
  lastExitCode: undefined,
  logFile: '',
  previousLogFile: '',
  ...more,
});
const pod = (more: Partial<PodFindings>): PodFindings => ({
  containers: [],
  phase: 'Running',
  inits: 0,
  terminating: false,
  trouble: undefined,
  ...more,
});

test('the phase that programs bring about', () => {
  assert.equal(phaseOf([], 0), undefined);
  assert.equal(phaseOf(['Running'], 2), undefined);
  assert.equal(phaseOf(['Running', 'Completed'], 2), 'Running');
  assert.equal(phaseOf(['CrashLoopBackOff'], 1), 'Running');
  assert.equal(phaseOf(['Completed', 'Completed'], 2), 'Succeeded');
  assert.equal(phaseOf(['Error', 'Completed'], 2), 'Failed');
});

const done = container({ init: true, state: 'Completed' });
const CASES: readonly [what: string, findings: Partial<PodFindings>, word: string, message: string | undefined][] = [
  ['all is well', { containers: [container({ ready: true })] }, 'Running', undefined],
  ['it ends, whatever else', { terminating: true, trouble: { word: 'X', message: 'x' } }, 'Terminating', 'x'],
  ['trouble', { trouble: { word: 'ErrImageOnly', message: 'no command' } }, 'ErrImageOnly', 'no command'],
  ['run to its end', { phase: 'Succeeded', containers: [container({ state: 'Completed' })] }, 'Completed', undefined],
  [
    'it crashes',
    { containers: [container({ state: 'CrashLoopBackOff', lastEnd: 'exit code 1' })] },
    'CrashLoopBackOff',
    'container main: exit code 1',
  ],
  [
    'it runs, and must not',
    { containers: [container({ fault: 'listens on 0.0.0.0' })] },
    'Error',
    'container main: listens on 0.0.0.0',
  ],
  ['one of two has begun the way', { phase: 'Pending', inits: 2, containers: [done] }, 'Init:1/2', undefined],
  ['all of them have', { phase: 'Pending', inits: 1, containers: [done] }, 'PodInitializing', undefined],
  [
    'it is waited for',
    { containers: [container({ ready: true }), container({ name: 'web', notReadyBecause: 'nothing listens' })] },
    'Running',
    'container web: nothing listens',
  ],
];
for (const [what, findings, word, message] of CASES)
  test(what, () => {
    assert.equal(statusWord(pod(findings)), word);
    assert.equal(statusMessage(pod(findings)), message);
  });
