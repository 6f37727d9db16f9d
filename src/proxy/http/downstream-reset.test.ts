import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stubConnection } from '../../../test/support/filter-callbacks.ts';
import { ResetReason } from '../../wire/http.ts';
import { ResponseFlag } from '../observe/response-flags.ts';
import { StreamInfo } from '../observe/stream-info.ts';
import { noteDownstreamReset } from './downstream-reset.ts';

test('how a client gave up', () => {
  const cases: [ResetReason, string, number, string][] = [
    [ResetReason.RemoteReset, '', ResponseFlag.DownstreamRemoteReset, 'http2.remote_reset'],
    [ResetReason.ProtocolError, 'http2.x', ResponseFlag.DownstreamProtocolError, 'http2.x'],
    [ResetReason.Overflow, 'http2.too_many_headers', ResponseFlag.DownstreamRemoteReset, 'http2.too_many_headers'],
    [
      ResetReason.ConnectionTermination,
      '',
      ResponseFlag.DownstreamConnectionTermination,
      'downstream_remote_disconnect',
    ],
  ];
  for (const [reason, given, flag, details] of cases) {
    const info = new StreamInfo(stubConnection(), 0, 0);
    noteDownstreamReset(info, reason, given);
    assert.deepEqual([info.flags, info.responseCodeDetails], [flag, details]);
  }
});

test('what is known already stays only where a stream was reset', () => {
  const info = new StreamInfo(stubConnection(), 0, 0);
  info.responseCodeDetails = 'via_upstream';
  noteDownstreamReset(info, ResetReason.RemoteReset, '');
  assert.equal(info.responseCodeDetails, 'via_upstream');
  noteDownstreamReset(info, ResetReason.ConnectionTermination, '');
  assert.equal(info.responseCodeDetails, 'downstream_remote_disconnect');
  noteDownstreamReset(info, ResetReason.ProtocolError, 'http2.x');
  assert.equal(info.responseCodeDetails, 'http2.x');
});
