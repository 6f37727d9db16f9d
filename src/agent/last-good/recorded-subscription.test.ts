import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RawResource, Rejection } from '../../xds/client/config-source.ts';
import { RecordedSubscription } from './recorded-subscription.ts';

const resource = (name: string, version = 'kept'): RawResource => ({
  name,
  version,
  typeUrl: 'T',
  bytes: Buffer.from(name),
});

/** A subscriber that settles when the test says so, or at once where `prompt`. */
function setUp(names: readonly string[] | undefined, prompt = true) {
  const log: string[] = [];
  const settles: ((rejections: readonly Rejection[]) => void)[] = [];
  let live = false;
  const subscription = new RecordedSubscription(
    'T',
    names,
    {
      onUpdate(resources, removed, settle) {
        log.push(
          `update ${resources.map((r) => `${r.name}@${r.version}`)}${removed.map((name) => ` -${name}`).join('')}`,
        );
        if (prompt) settle([]);
        else settles.push(settle);
      },
      onMissing: (missing) => void log.push(`missing ${missing}`),
    },
    {
      live: () => (live = true),
      isLive: () => live,
      settled: (taken, removed, rejected) =>
        log.push(`settled ${taken.map((r) => r.name)}${removed.map((name) => ` -${name}`).join('')} ${rejected}`),
      closed: () => log.push('closed'),
    },
  );
  const inner = { setNames: (next: readonly string[]) => log.push(`names ${next}`), close: () => log.push('end') };
  const update = (resources: readonly RawResource[], removed: readonly string[] = []) =>
    subscription.onUpdate(resources, removed, (rejections) => log.push(`ack ${rejections.map((r) => r.reason)}`));
  return { log, settles, subscription, inner, update, keep: (...kept: string[]) => standIn(subscription, kept) };
}

/** Lets what was kept stand in, and waits until the subscriber has heard of it. */
async function standIn(subscription: RecordedSubscription, kept: readonly string[]): Promise<void> {
  subscription.standIn(new Map(kept.map((name) => [name, resource(name)])));
  await Promise.resolve();
}

test('of what was kept, what is followed stands in, and is not told from within the call', async () => {
  const { log, subscription } = setUp(['a', 'b']);
  const standing = standIn(subscription, ['a', 'c']);
  assert.deepEqual(log, []);
  await standing;
  assert.deepEqual(log, ['update a@kept', 'settled a false']);
});

test('names that are added later are stood in for, those that go are not', async () => {
  const { log, subscription, inner, keep } = setUp(['a']);
  subscription.open(inner);
  await keep('a', 'b');
  log.length = 0;
  subscription.setNames(['b']);
  await Promise.resolve();
  assert.deepEqual(log.splice(0), ['names b', 'update b@kept', 'settled b false']);
  subscription.onMissing(['a']);
  assert.deepEqual(log, ['missing a']);
});

test('nothing stands in once the stream has said anything', async () => {
  const { log, update, keep } = setUp(undefined);
  update([resource('x', 'new')]);
  log.length = 0;
  await keep('a');
  assert.deepEqual(log, []);
});

test('the first answer to a subscription to everything takes away what it does not have', async () => {
  const { log, update, keep } = setUp(undefined);
  await keep('a', 'b');
  log.length = 0;
  update([resource('b', 'new')]);
  assert.deepEqual(log.splice(0), ['update b@new -a', 'settled b -a false', 'ack ']);
  update([], ['b']);
  assert.deepEqual(log, ['update  -b', 'settled  -b false', 'ack ']);
});

test('names that are missing are told only when nothing stands in for them', async () => {
  const { log, subscription, update, keep } = setUp(['a', 'b', 'c']);
  await keep('a');
  log.length = 0;
  // Nothing has come from the control plane: what stands in stays.
  subscription.onMissing(['a', 'b']);
  assert.deepEqual(log.splice(0), ['missing b']);
  update([resource('c', 'new')]);
  log.length = 0;
  subscription.onMissing(['a']);
  assert.deepEqual(log, ['update  -a', 'settled  -a false']);
});

test('that there is nothing at all is told, unless something stands in', async () => {
  const empty = setUp(undefined);
  empty.subscription.onMissing([]);
  assert.deepEqual(empty.log, ['missing ']);
  const kept = setUp(undefined);
  await kept.keep('a');
  kept.log.length = 0;
  kept.subscription.onMissing([]);
  assert.deepEqual(kept.log, []);
});

test('an update waits for the one before, and settles once', () => {
  const { log, settles, update } = setUp(undefined, false);
  update([resource('a', '1')]);
  update([resource('a', '2')]);
  assert.deepEqual(log.splice(0), ['update a@1']);
  settles[0]([{ name: 'a', reason: 'no' }]);
  assert.deepEqual(log.splice(0), ['settled  true', 'ack no', 'update a@2']);
  settles[0]([]);
  assert.deepEqual(log, []);
});

test('updates that wait are settled when the subscription ends, and nobody hears of them', () => {
  const { log, subscription, inner, update } = setUp(undefined, false);
  subscription.open(inner);
  update([resource('a', '1')]);
  update([resource('a', '2')]);
  log.length = 0;
  subscription.close();
  subscription.close();
  assert.deepEqual(log.splice(0), ['end', 'closed', 'ack ']);
  update([resource('a', '3')]);
  assert.deepEqual(log, ['ack ']);
});

test('a stream that opens after the end is ended', () => {
  const { log, subscription, inner } = setUp(undefined);
  subscription.close();
  subscription.open(inner);
  assert.deepEqual(log, ['closed', 'end']);
});
