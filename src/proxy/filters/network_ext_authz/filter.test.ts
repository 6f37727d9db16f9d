import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { stubConnection } from '../../../../test/support/filter-callbacks.ts';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import { CheckResponseSchema } from '../../../api/gen/envoy/service/auth/v3/external_auth_pb.ts';
import type { GrpcStatus } from '../../../wire/grpc/transport.ts';
import { type NetworkFilterCallbacks, NetworkStatus } from '../../net/network-filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import { type NetworkExtAuthzConfig, NetworkExtAuthzFilter, NetworkExtAuthzStats } from './filter.ts';

const ALLOWED = toBinary(CheckResponseSchema, create(CheckResponseSchema, { status: {} }));
const DENIED = toBinary(CheckResponseSchema, create(CheckResponseSchema, { status: { code: 7 } }));
const GONE: GrpcStatus = { code: 14, message: '' };

type Result = Uint8Array | GrpcStatus;

function start(more: Partial<NetworkExtAuthzConfig> = {}, at?: Result) {
  const calls: string[] = [];
  let answer: (result: Result) => void = () => {};
  const connection = stubConnection({ close: (details = '') => void calls.push(`close ${details}`) });
  const info = new StreamInfo(connection, 0, 0);
  const stats = new NetworkExtAuthzStats();
  const filter = new NetworkExtAuthzFilter(
    {
      stats,
      service: {
        unary(_path, _message, _info, done) {
          answer = done;
          if (at !== undefined) done(at);
          return { cancel: () => void calls.push('cancel') };
        },
      },
      contents: { includePeerCertificate: false, includeTlsSession: false, destinationLabels: {}, metadata: [] },
      failureModeAllow: false,
      shadowMode: false,
      enabledFor: undefined,
      ...more,
    },
    {
      connection,
      info,
      worker: { timers: new ManualTimers() },
      continueReading: () => void calls.push('continue'),
    } as unknown as NetworkFilterCallbacks,
  );
  const status = filter.onData?.();
  return { filter, info, stats, status, calls, answer: (result: Result) => answer(result) };
}

test('a connection waits for its verdict', () => {
  const { status, calls, answer, stats } = start();
  assert.equal(status, NetworkStatus.Stop);
  assert.equal(stats.active, 1);
  answer(ALLOWED);
  assert.deepEqual([calls, stats.active, stats.ok], [['continue'], 0, 1]);
  assert.equal(start({}, ALLOWED).status, NetworkStatus.Continue);
});

test('who is denied, or not answered about, is closed', () => {
  for (const [result, details] of [
    [DENIED, 'ext_authz_denied'],
    [GONE, 'ext_authz_error'],
    [Buffer.from([255]), 'ext_authz_error'],
  ] as const) {
    const { calls, answer, info, stats } = start();
    answer(result);
    assert.deepEqual(calls, ['close ext_authz_close']);
    assert.equal(info.responseCodeDetails, details);
    assert.equal(info.flags, ResponseFlag.UnauthorizedExternalService);
    assert.equal(stats.cx_closed, 1);
  }
});

test('failures that do not matter', () => {
  const { calls, answer, stats } = start({ failureModeAllow: true });
  answer(GONE);
  assert.deepEqual([calls, stats.failure_mode_allowed], [['continue'], 1]);
  const denied = start({ failureModeAllow: true });
  denied.answer(DENIED);
  assert.deepEqual(denied.calls, ['close ext_authz_close']);
});

test('in shadow mode everybody passes', () => {
  for (const result of [DENIED, GONE]) {
    const { calls, answer, stats } = start({ shadowMode: true });
    answer(result);
    assert.deepEqual([calls, stats.cx_closed], [['continue'], 0]);
  }
});

test('a connection that goes takes its question back', () => {
  const { filter, calls, stats } = start();
  filter.onClose();
  assert.deepEqual([calls, stats.active], [['cancel'], 0]);
});

test('others are not asked about', () => {
  const { status, stats } = start({ enabledFor: () => false });
  assert.deepEqual([status, stats.disabled, stats.total], [NetworkStatus.Continue, 1, 0]);
});
