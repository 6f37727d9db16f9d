import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../../../wire/headers.ts';
import { type OutgoingStream, ResetReason } from '../../../wire/http.ts';
import type {
  Cluster,
  UpstreamConnectionHandler,
  UpstreamOptions,
  UpstreamStreamHandler,
} from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import { CloseReason, type Connection } from '../../net/connection.ts';
import { openTunnel } from './connect-tunnel.ts';

/** A tunnel between a recorder of what the client's side hears and one of what the host's connection is told. */
function setUp() {
  const log: string[] = [];
  let upstream: UpstreamConnectionHandler | undefined;
  let stream: OutgoingStream | undefined;
  const handler: UpstreamStreamHandler = {
    onReady: (ready) => {
      stream = ready;
      log.push('ready');
    },
    onFailure: (reason, details) => log.push(`failure ${reason} ${details}`),
    onHeaders: (headers, end) => log.push(`headers ${headers.status} ${end}`),
    onData: (chunk, end) => log.push(`data ${Buffer.from(chunk).toString()} ${end}`),
    onTrailers: () => log.push('trailers'),
    onReset: (reason) => log.push(`reset ${reason}`),
    onError: () => log.push('error'),
    onWriteBackpressure: (high) => log.push(`backpressure ${high}`),
  };
  const told = (what: string) => () => void log.push(`host: ${what}`);
  const connection = {
    id: 1,
    start: told('start'),
    end: told('end'),
    close: told('close'),
    closeAfterFlush: told('close after flush'),
    reset: told('reset'),
    write: (chunk: Uint8Array) => void log.push(`host: write ${Buffer.from(chunk).toString()}`),
    pauseReading: (pause: boolean) => void log.push(`host: pause ${pause}`),
  } as unknown as Connection;
  const cluster = {
    openTcp: (_host: Host, _options: UpstreamOptions, tunnel: UpstreamConnectionHandler) => {
      upstream = tunnel;
      return { cancel() {} };
    },
  } as unknown as Cluster;
  openTunnel(cluster, {} as Host, {} as UpstreamOptions, handler);
  const bytes = (text: string) => upstream!.onData(Buffer.from(`x${text}x`), 1, text.length + 1);
  const open = () => {
    upstream!.onReady(connection);
    stream!.sendHeaders(Headers.request('CONNECT', '', 'a:1'), false);
  };
  return { log, open, bytes, upstream: upstream!, stream: () => stream! };
}

test('bytes pass both ways, and each side may end its own', () => {
  const { log, open, bytes, upstream, stream } = setUp();
  open();
  stream().sendData(Buffer.from('ping'), false);
  bytes('pong');
  stream().sendData(Buffer.from(''), true);
  bytes('more');
  upstream.onEnd();
  upstream.onClose(CloseReason.Remote, '');
  assert.deepEqual(log, [
    'ready',
    'headers 200 false',
    'host: start',
    'host: write ping',
    'data pong false',
    'host: end',
    'data more false',
    'data  true',
    'host: close after flush',
  ]);
});

test('a host that ends its side is not left waiting for a client that has not', () => {
  const { log, open, upstream, stream } = setUp();
  open();
  upstream.onEnd();
  stream().sendData(Buffer.from('late'), true);
  assert.deepEqual(log.slice(3), ['data  true', 'host: close after flush']);
});

test('what breaks is told as it broke, once', () => {
  const refused = setUp();
  refused.upstream.onFailure(ResetReason.ConnectionFailure, 'refused');
  assert.deepEqual(refused.log, ['failure connection-failure refused']);

  const cut = setUp();
  cut.open();
  cut.upstream.onClose(CloseReason.Reset, 'ECONNRESET');
  cut.upstream.onClose(CloseReason.Reset, 'ECONNRESET');
  cut.stream().sendData(Buffer.from('late'), true);
  assert.deepEqual(cut.log.slice(3), ['reset connection-termination']);

  const given = setUp();
  given.open();
  given.stream().reset(ResetReason.LocalReset);
  given.bytes('late');
  assert.deepEqual(given.log.slice(3), ['host: reset']);
});

test('who reads slowly slows the other side down', () => {
  const { log, open, upstream, stream } = setUp();
  open();
  stream().pauseReading(true);
  stream().pauseReading(true);
  stream().pauseReading(false);
  stream().pauseReading(false);
  upstream.onBackpressure(true);
  assert.deepEqual(log.slice(3), ['host: pause true', 'host: pause false', 'backpressure true']);
});
