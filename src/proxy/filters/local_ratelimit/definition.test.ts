import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { compileFilter } from '../../../../test/support/compile-filter.ts';
import { StubCallbacks, stubConnection } from '../../../../test/support/filter-callbacks.ts';
import { Headers } from '../../../wire/headers.ts';
import { localRatelimit } from './definition.ts';

const BUCKET = { maxTokens: 1, fillInterval: '1s' };
const ON = { defaultValue: { numerator: 100 } };
const GOOD = { statPrefix: 'a', tokenBucket: BUCKET, filterEnabled: ON, filterEnforced: ON };
const RULE = { actions: [{ genericKey: { descriptorValue: 'a' } }] };
const entry = (value: string) => ({ entries: [{ key: 'a', value }], tokenBucket: BUCKET });

test('what is wrong is told with its path', () => {
  const table: [JsonObject, string][] = [
    [{ ...GOOD, statPrefix: '' }, 'stat_prefix: must not be empty'],
    [{ ...GOOD, tokenBucket: { ...BUCKET, maxTokens: 0 } }, 'token_bucket.max_tokens: must be greater than 0'],
    [{ ...GOOD, tokenBucket: { ...BUCKET, tokensPerFill: 0 } }, 'token_bucket.tokens_per_fill: must be greater than 0'],
    [
      { ...GOOD, tokenBucket: { maxTokens: 1, fillInterval: '0.02s' } },
      'token_bucket.fill_interval: must be at least 50 ms',
    ],
    [{ ...GOOD, descriptors: [{ tokenBucket: BUCKET }] }, 'descriptors[0].entries: must not be empty'],
    [{ ...GOOD, descriptors: [{ entries: [{ key: 'a', value: 'b' }] }] }, 'descriptors[0].token_bucket: is needed'],
    [
      { ...GOOD, descriptors: [entry('x'), entry('x')] },
      'descriptors[1].entries: are those of another descriptor already',
    ],
    [{ ...GOOD, maxDynamicDescriptors: 0 }, 'max_dynamic_descriptors: must be at least 1'],
    [{ ...GOOD, rateLimits: [{ ...RULE, stage: 1 }] }, 'rate_limits[0].stage: is only for the rules of routes'],
    [
      { ...GOOD, rateLimits: [{ ...RULE, disableKey: 'a' }] },
      'rate_limits[0].disable_key: is only for the rules of routes',
    ],
    [
      { ...GOOD, rateLimits: [{ ...RULE, hitsAddend: {} }] },
      'rate_limits[0].hits_addend: must have either a number or a format',
    ],
    [
      { ...GOOD, rateLimits: [{ ...RULE, hitsAddend: { format: '3' } }] },
      'rate_limits[0].hits_addend.format: must begin with %',
    ],
    [{ ...GOOD, localClusterRateLimit: {} }, 'local_cluster_rate_limit: is not supported'],
  ];
  for (const [json, want] of table) assert.equal(compileFilter(localRatelimit, json).errors[0], want);
});

test('each connection has a bucket, if so configured', () => {
  const answers = (json: JsonObject) => {
    const { factory } = compileFilter(localRatelimit, json);
    const connections = [stubConnection(), stubConnection()];
    return [0, 0, 1, 1].map((which) => {
      const callbacks = new StubCallbacks();
      Object.defineProperty(callbacks, 'connection', { value: connections[which] });
      factory.create(callbacks)!.requestHeaders!(Headers.request('GET', '/', 'a'), true);
      return callbacks.replies.length;
    });
  };
  assert.deepEqual(answers(GOOD), [0, 1, 1, 1]);
  assert.deepEqual(answers({ ...GOOD, localRateLimitPerDownstreamConnection: true }), [0, 1, 0, 1]);
});

test('shares of the requests', () => {
  const run = (json: JsonObject) => {
    const { factory, stats } = compileFilter(localRatelimit, { ...GOOD, ...json });
    for (let i = 0; i < 2; i++)
      factory.create(new StubCallbacks())?.requestHeaders?.(Headers.request('GET', '/', 'a'), true);
    const { enabled, ok, rate_limited, enforced } = stats('a.http_local_rate_limit.');
    return [enabled, ok, rate_limited, enforced];
  };
  const share = (numerator: number) => ({ defaultValue: { numerator } });
  assert.deepEqual(run({}), [2, 1, 1, 1]);
  assert.deepEqual(run({ filterEnforced: share(40) }), [2, 1, 1, 0]);
  assert.deepEqual(run({ filterEnabled: share(40) }), [0, 0, 0, 0]);
  assert.deepEqual(run({ filterEnabled: share(0) }), [0, 0, 0, 0]);
});
