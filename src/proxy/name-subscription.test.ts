import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SubscribeOptions, SubscriptionSink } from '../xds/client/config-source.ts';
import type { ConfigSourceSpec } from './config/source-spec.ts';
import { NameSubscription, PerSource } from './name-subscription.ts';

const SINK: SubscriptionSink = { onUpdate() {}, onMissing() {} };

function subscription(source: ConfigSourceSpec = { kind: 'ads' }) {
  const names = new Set<string>();
  const asked: string[] = [];
  let options: SubscribeOptions | undefined;
  const worker = {
    configSource: (spec: ConfigSourceSpec) => ({
      subscribe(type: string, given: readonly string[] | undefined, _sink: SubscriptionSink, more?: SubscribeOptions) {
        asked.push(`${spec.kind} ${type}: ${given}`);
        options = more;
        return { setNames: (next: readonly string[]) => asked.push(`names: ${next}`), close() {} };
      },
    }),
  };
  const one = new NameSubscription(worker as never, { source, typeUrl: 'T', names: () => names, sink: SINK });
  const change = async (...next: string[]) => {
    names.clear();
    for (const name of next) {
      names.add(name);
      one.namesChanged();
    }
    one.namesChanged();
    await Promise.resolve();
  };
  return { change, asked, options: () => options };
}

test('begins with the first name; changes of one turn are asked for together', async () => {
  const { change, asked } = subscription();
  await change();
  assert.deepEqual(asked, []);
  await change('a', 'b');
  assert.deepEqual(asked.splice(0), ['ads T: a,b']);
  await change('b', 'c');
  assert.deepEqual(asked.splice(0), ['names: b,c']);
  await change();
  assert.deepEqual(asked, ['names: ']);
});

for (const initialFetchTimeoutMs of [0, 2500, undefined]) {
  test(`initial_fetch_timeout of the source is that of the subscription: ${initialFetchTimeoutMs}`, async () => {
    const { change, options } = subscription({ kind: 'ads', initialFetchTimeoutMs });
    await change('a');
    assert.equal(options()?.initialFetchTimeoutMs, initialFetchTimeoutMs);
  });
}

test('sources that say the same are one', () => {
  const made: string[] = [];
  const all = new PerSource(({ kind }) => made.push(kind));
  assert.equal(all.of({ kind: 'ads' }), all.of({ kind: 'ads' }));
  all.of({ kind: 'path', path: '/x' });
  assert.deepEqual(made, ['ads', 'path']);
  assert.equal(all.size, 2);
  assert.deepEqual([...all.values()], [1, 2]);
});
