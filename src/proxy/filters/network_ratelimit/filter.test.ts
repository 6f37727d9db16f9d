import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { stubConnection } from '../../../../test/support/filter-callbacks.ts';
import {
  RateLimitResponse_Code as Code,
  type RateLimitResponse,
  RateLimitResponseSchema,
} from '../../../api/gen/envoy/service/ratelimit/v3/rls_pb.ts';
import { type NetworkFilterCallbacks, NetworkStatus } from '../../net/network-filter.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import { NetworkRateLimitFilter, NetworkRateLimitStats } from './filter.ts';

const answerOf = (overallCode: Code) => create(RateLimitResponseSchema, { overallCode });

function start(failureModeDeny = false) {
  const calls: string[] = [];
  let answer: (response: RateLimitResponse | undefined) => void = () => {};
  const service = {
    ask(...[, , , done]: [unknown, unknown, unknown, typeof answer]) {
      answer = done;
      return { cancel: () => void calls.push('cancel') };
    },
  };
  const connection = stubConnection({ close: (details = '') => void calls.push(`close ${details}`) });
  const stats = new NetworkRateLimitStats();
  const filter = new NetworkRateLimitFilter(
    { stats, service: service as never, domain: 'd', descriptors: [], failureModeDeny },
    {
      connection,
      info: new StreamInfo(connection, 0, 0),
      continueReading: () => void calls.push('continue'),
    } as unknown as NetworkFilterCallbacks,
  );
  assert.equal(filter.onNewConnection(), NetworkStatus.Stop);
  return { filter, calls, stats, answer: (response: RateLimitResponse | undefined) => answer(response) };
}

test('what becomes of a connection', () => {
  for (const [response, deny, call, stat] of [
    [answerOf(Code.OK), false, 'continue', 'ok'],
    [answerOf(Code.OVER_LIMIT), false, 'close ratelimit_close', 'over_limit'],
    [undefined, false, 'continue', 'failure_mode_allowed'],
    [undefined, true, 'close ratelimit_close', 'error'],
  ] as const) {
    const { calls, stats, answer } = start(deny);
    assert.equal(stats.active, 1);
    answer(response);
    assert.deepEqual([calls, stats[stat], stats.active], [[call], 1, 0]);
  }
});

test('a connection that goes takes its question back', () => {
  const { filter, calls, stats } = start();
  filter.onClose();
  assert.deepEqual([calls, stats.active], [['cancel'], 0]);
});
