import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import type { RequestAuthenticationSpec } from '../../config/kinds/request-authentication/schema.ts';
import { KeySets } from './key-sets.ts';

const rules = (...jwtRules: NonNullable<RequestAuthenticationSpec['jwtRules']>): RequestAuthenticationSpec[] => [
  { jwtRules },
];

/** Lets what was fetched arrive. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

function setup() {
  const clock = new ManualClock();
  const server = new Map<string, string>();
  const asked: string[] = [];
  const said: string[] = [];
  const changes: ReadonlyMap<string, string>[] = [];
  const keySets = new KeySets({
    clock,
    random: () => 1 - Number.EPSILON,
    log: { ...silentLogger, warn: (text) => said.push(text), info: (text) => said.push(text) },
    fetcher: {
      keySet: async (uri) => {
        asked.push(uri);
        const keys = server.get(uri);
        if (keys === undefined) throw new Error('refused');
        return keys;
      },
      discover: async (issuer) => `${issuer}/found`,
    },
    onChange: (known) => changes.push(known),
  });
  return { clock, server, asked, said, changes, keySets };
}

test('fetches by URI, or by issuer where there is none, and not what a rule carries', async () => {
  const { server, asked, changes, keySets } = setup();
  server.set('https://a/keys', 'A').set('https://b/found', 'B');
  keySets.update(
    rules(
      { issuer: 'a', jwksUri: 'https://a/keys' },
      { issuer: 'https://b' },
      { issuer: 'c', jwks: '{}', jwksUri: 'https://c' },
    ),
  );
  await settled();
  assert.deepEqual(asked, ['https://a/keys', 'https://b/found']);
  assert.deepEqual(
    [...changes.at(-1)!],
    [
      ['https://a/keys', 'A'],
      ['https://b', 'B'],
    ],
  );
});

test('tries again with back-off, says a problem once, and keeps the last keys', async () => {
  const { clock, server, asked, said, changes, keySets } = setup();
  keySets.update(rules({ issuer: 'a', jwksUri: 'u' }));
  await settled();
  assert.equal(clock.next! - clock.now(), 500);
  clock.advance(500);
  await settled();
  assert.equal(clock.next! - clock.now(), 1000);
  assert.deepEqual(said, ['the keys of u cannot be had: refused; until then every token is refused']);
  server.set('u', '1');
  clock.advance(1000);
  await settled();
  assert.deepEqual([...changes.at(-1)!], [['u', '1']]);
  assert.equal(clock.next! - clock.now(), 20 * 60_000);
  clock.advance(20 * 60_000);
  await settled();
  assert.equal(changes.length, 1, 'the same keys are no change');
  server.delete('u');
  clock.advance(20 * 60_000);
  await settled();
  assert.equal(changes.length, 1);
  assert.equal(said.at(-1), 'the keys of u cannot be had: refused; the last ones stay in force');
  assert.equal(asked.length, 5);
});

test('forgets what no rule asks for any more, also while it is fetched', async () => {
  const { clock, server, changes, keySets } = setup();
  server.set('u', '1').set('v', '2');
  keySets.update(rules({ issuer: 'a', jwksUri: 'u' }));
  await settled();
  keySets.update(rules({ issuer: 'a', jwksUri: 'v' }));
  keySets.update([]);
  await settled();
  assert.deepEqual([...changes.at(-1)!], []);
  assert.equal(clock.pending, 0);
});
