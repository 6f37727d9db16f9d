import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectState, StateResponse, WatchEvent } from '../config/control/api.ts';
import { type ConfigurationEvent, ConfigurationReports, type Trouble } from './configuration-reports.ts';

const at = { file: 'web.yaml', line: 3, column: 5 };
const KEY = 'VirtualService/default/web';
const REFUSED = { key: KEY, messages: [{ key: KEY, at, field: 'spec.hosts', message: 'is required' }], lastGood: true };
const WARNING = { key: KEY, at, message: 'has no effect' };
const NACK = { proxy: 'web.default', message: 'web.default rejected LDS a: no' };
const FOUND: Trouble = { id: 'x', summary: 'nothing is there', text: 'nothing is there. Make it.', isError: false };

const NOTHING: StateResponse = { snapshot: 1, objects: 0, rejected: [], warnings: [], proxies: [], nacks: [] };

/** Reports about a control plane that says what the test says. */
function reports() {
  const told: string[] = [];
  const says = { state: NOTHING, found: [] as Trouble[] | Error, isSettled: true };
  let change: (event: WatchEvent) => void = () => {};
  const answers: (() => void)[] = [];
  const subject = new ConfigurationReports({
    control: {
      state: async () => says.state,
      objects: async () => ({ snapshot: 1, objects: [] as ObjectState[] }),
      watch: (_query, onEvent) => {
        change = onEvent;
        onEvent({ snapshot: 1, objects: [], removed: [], complete: true });
        return () => (change = () => {});
      },
      wait: (snapshot) =>
        new Promise((resolve) =>
          answers.push(() => resolve({ snapshot, converged: true, affected: [], synced: [], laggards: [] })),
        ),
    },
    examine: async () => {
      if (says.found instanceof Error) throw says.found;
      return says.found;
    },
    isSettled: () => says.isSettled,
    onEvent: ({ kind, text }: ConfigurationEvent) => void told.push(`${kind}: ${text}`),
  });
  subject.start();
  const after = async (next: Partial<typeof says>) => {
    Object.assign(says, next);
    change({ snapshot: 1, objects: [], removed: [], complete: false });
    await subject.done();
    return told.splice(0);
  };
  /** Has every proxy answer. */
  const answer = async (state: StateResponse) => {
    says.state = state;
    for (const settle of answers.splice(0)) settle();
    for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
    return told.splice(0);
  };
  return { after, answer, subject };
}

test('each thing is told once for as long as it lasts, and when it is over', async () => {
  const { after } = reports();
  assert.deepEqual(await after({}), []);
  const bad = { ...NOTHING, rejected: [REFUSED], warnings: [WARNING] };
  assert.deepEqual(await after({ state: bad }), [
    'problem: web.yaml:3:5: VirtualService/default/web: spec.hosts is required (its last good version stays in force)',
    'warning: web.yaml:3:5: VirtualService/default/web: has no effect',
  ]);
  assert.deepEqual(await after({}), []);
  const moved = { ...WARNING, at: { ...at, line: 9 } };
  assert.deepEqual(await after({ state: { ...bad, warnings: [moved] } }), []);
  assert.deepEqual(await after({ state: NOTHING }), [
    'resolved: web.yaml:3:5: VirtualService/default/web: spec.hosts is required',
    'resolved: web.yaml:9:5: VirtualService/default/web: has no effect',
  ]);
  assert.equal((await after({ state: bad })).length, 2);
});

test('what analysis finds counts when everything has started', async () => {
  const { after } = reports();
  assert.deepEqual(await after({ found: [FOUND], isSettled: false }), []);
  assert.deepEqual(await after({ isSettled: true }), ['warning: nothing is there. Make it.']);
  assert.deepEqual(await after({ found: [], isSettled: false }), []);
  assert.deepEqual(await after({ isSettled: true }), ['resolved: nothing is there']);
});

test('an analysis that fails is told of, and the mesh goes on', async () => {
  const { after } = reports();
  const failed = 'problem: the configuration cannot be examined: no such thing';
  assert.deepEqual(await after({ found: new Error('no such thing') }), [failed]);
  assert.deepEqual(await after({ found: [FOUND] }), [
    failed.replace('problem', 'resolved'),
    'warning: nothing is there. Make it.',
  ]);
});

test('what proxies refuse is told when they have answered', async () => {
  const { after, answer } = reports();
  assert.deepEqual(await after({}), []);
  assert.deepEqual(await answer({ ...NOTHING, nacks: [NACK] }), [`problem: ${NACK.message}`]);
  assert.deepEqual(await after({}), []);
  assert.deepEqual(await after({ state: NOTHING }), [`resolved: ${NACK.message}`]);
});

test('nothing is told any more when it is closed', async () => {
  const { after, subject } = reports();
  subject.close();
  assert.deepEqual(await after({ state: { ...NOTHING, warnings: [WARNING] } }), []);
});
