import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stubConnection } from '../../../../test/support/filter-callbacks.ts';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import { Headers } from '../../../wire/headers.ts';
import { type OutgoingStream, ResetReason } from '../../../wire/http.ts';
import { compileFormat } from '../../observe/format/format.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import { StreamInfo, type UpstreamConnectionInfo } from '../../observe/stream-info.ts';
import { HttpTunnel, type TunnelConfig, tunnelRequest } from './tunnel.ts';

const CONFIG: TunnelConfig = {
  hostname: compileFormat('%DOWNSTREAM_LOCAL_PORT%.test:443'),
  postPath: undefined,
  edits: undefined,
  propagateHeaders: true,
  propagateTrailers: false,
};

function tunnelOf(protocol: UpstreamConnectionInfo['protocol'] = 'HTTP/2') {
  const timers = new ManualTimers();
  const events: string[] = [];
  const info = new StreamInfo(stubConnection(), 0, 0);
  const owner = {
    connected: () => events.push('connected'),
    connectFailed: (reason: string) => events.push(`failed ${reason}`),
    upstreamData: (bytes: Uint8Array, start: number, end: number) =>
      events.push(Buffer.from(bytes.subarray(start, end)).toString()),
    upstreamEnded: () => events.push('ended'),
    upstreamBackpressure: (high: boolean) => events.push(high ? 'high' : 'low'),
    upstreamClosed: (reason: string) => events.push(`closed ${reason}`),
  };
  const stream = {
    sendHeaders: (headers: Headers) => events.push(`> ${headers.method} ${headers.authority}`),
    sendData: (chunk: Uint8Array, end: boolean) =>
      events.push(`> ${Buffer.from(chunk).toString()}${end ? ' end' : ''}`),
    reset: () => events.push('> reset'),
  } as unknown as OutgoingStream;
  const tunnel = new HttpTunnel(owner as never, tunnelRequest(CONFIG, info, false), CONFIG, info, timers);
  tunnel.onReady(stream, { protocol } as UpstreamConnectionInfo);
  return { tunnel, events, info, timers };
}

test('a tunnel stands when it has been answered, and carries both ways', () => {
  const { tunnel, events, info } = tunnelOf();
  tunnel.onHeaders(Headers.response(200, 'x-a', 'b'), false);
  tunnel.write(Buffer.from('ping'));
  tunnel.onData(Buffer.from('pong'), false);
  tunnel.end();
  tunnel.onData(Buffer.from('bye'), true);
  assert.deepEqual(events, ['> CONNECT 8080.test:443', 'connected', '> ping', 'pong', '>  end', 'bye', 'ended']);
  assert.equal((info.getFilterState('envoy.tcp_proxy.propagate_response_headers') as Headers).get('x-a'), 'b');
  assert.equal(tunnel.closed, true);
});

for (const [name, status, end] of [
  ['a refusal', 403, false],
  ['an answer without a body', 200, true],
] as const) {
  test(`${name} is no tunnel`, () => {
    const { tunnel, events } = tunnelOf();
    tunnel.onHeaders(Headers.response(status), end);
    assert.equal(events.at(-1), 'failed connection-failure');
  });
}

test('a reset is told, and whose it was', () => {
  const { tunnel, events, info } = tunnelOf();
  tunnel.onHeaders(Headers.response(200), false);
  tunnel.onReset(ResetReason.RemoteReset, '');
  assert.equal(events.at(-1), 'closed reset');
  assert.equal(info.flags, ResponseFlag.UpstreamRemoteReset);
});

test('CONNECT of HTTP/1.1 does not outlive its client for long', () => {
  const { tunnel, events, timers } = tunnelOf('HTTP/1.1');
  tunnel.onHeaders(Headers.response(200), false);
  tunnel.end();
  timers.advance(900);
  tunnel.onData(Buffer.from('late'), false);
  timers.advance(900);
  assert.deepEqual(events.slice(2), ['>  end', 'late']);
  timers.advance(100);
  assert.deepEqual(events.slice(4), ['> reset', 'ended']);
  assert.equal(timers.waiting, 0);
});

test('POST has a path and a scheme', () => {
  const info = new StreamInfo(stubConnection(), 0, 0);
  const headers = tunnelRequest({ ...CONFIG, postPath: '/p' }, info, true);
  assert.deepEqual([headers.method, headers.path, headers.scheme], ['POST', '/p', 'https']);
});
