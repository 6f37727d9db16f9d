import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flagByName, formatFlags, formatFlagsLong, ResponseFlag } from './response-flags.ts';

const ROWS: readonly (readonly [flags: number, short: string, long: string])[] = [
  [0, '-', '-'],
  [ResponseFlag.DownstreamRemoteReset, 'DR', 'DownstreamRemoteReset'],
  [
    ResponseFlag.UpstreamConnectionFailure | ResponseFlag.UpstreamRetryLimitExceeded,
    'URX,UF',
    'UpstreamRetryLimitExceeded,UpstreamConnectionFailure',
  ],
  [ResponseFlag.NoHealthyUpstream | ResponseFlag.DelayInjected, 'DI,UH', 'DelayInjected,NoHealthyUpstream'],
];

for (const [flags, short, long] of ROWS) {
  test(`flags are told as they came: ${short}`, () => {
    assert.equal(formatFlags(flags), short);
    assert.equal(formatFlagsLong(flags), long);
  });
}

test('flags are found by name', () => {
  assert.equal(flagByName('URX'), ResponseFlag.UpstreamRetryLimitExceeded);
  assert.equal(flagByName('NONE'), undefined);
});
