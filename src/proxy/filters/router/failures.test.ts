import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../../../wire/headers.ts';
import { ResetReason } from '../../../wire/http.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import { brokenOffDetails, failureReply } from './failures.ts';

const BEFORE = 'upstream connect error or disconnect/reset before headers.';

test('what a client is told of the last attempt', () => {
  const cases: [Partial<{ reason: ResetReason; transportFailure: string }>, string, string][] = [
    [
      { reason: ResetReason.ConnectionTermination },
      `503 ${BEFORE} reset reason: connection termination`,
      'upstream_reset_before_response_started{connection_termination}',
    ],
    [
      { reason: ResetReason.ConnectionFailure, transportFailure: 'delayed connect error: 111' },
      `503 ${BEFORE} reset reason: remote connection failure`,
      'upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_111}',
    ],
    [
      { reason: ResetReason.ConnectionFailure, transportFailure: 'connection timeout' },
      `503 ${BEFORE} reset reason: connection timeout`,
      'upstream_reset_before_response_started{connection_timeout}',
    ],
    [
      { reason: ResetReason.ProtocolError },
      `502 ${BEFORE} reset reason: protocol error`,
      'upstream_reset_before_response_started{protocol_error}',
    ],
    [
      { reason: ResetReason.RemoteReset, transportFailure: 'ignored' },
      `503 ${BEFORE} reset reason: remote reset`,
      'upstream_reset_before_response_started{remote_reset}',
    ],
  ];
  for (const [end, said, details] of cases) {
    const all = { reason: ResetReason.LocalReset, transportFailure: '', ...end };
    const reply = failureReply(all, 1, false);
    assert.equal(`${reply.status} ${reply.body}`, said);
    assert.equal(reply.details, details);
    assert.equal(reply.edit, undefined);
  }
});

test('says that there was a retry', () => {
  const end = { reason: ResetReason.RemoteRefused, transportFailure: '' };
  const text = `${BEFORE} retried and the latest reset reason: remote refused stream reset`;
  assert.equal(failureReply(end, 2, false).body, text);
});

test('a circuit breaker that is open says so in a header, unless those are suppressed', () => {
  const end = { reason: ResetReason.Overflow, transportFailure: '' };
  const reply = failureReply(end, 1, false);
  const headers = Headers.response(503);
  reply.edit?.(headers);
  assert.equal(headers.get('x-envoy-overloaded'), 'true');
  assert.equal(reply.flags, ResponseFlag.UpstreamOverflow);
  assert.equal(failureReply(end, 1, true).edit, undefined);
});

test('a response that broke off', () => {
  const details = brokenOffDetails(ResetReason.ConnectionTermination, '');
  assert.equal(details, 'upstream_reset_after_response_started{connection_termination}');
});
