import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { Headers } from '../../src/wire/headers.ts';
import type { OutgoingStream, ServerCallbacks, StreamHandler } from '../../src/wire/http.ts';
import { DEFAULT_OPTIONS, type Http2Options } from '../../src/wire/http2/options.ts';
import { Http2ServerCodec } from '../../src/wire/http2/server.ts';
import { attach, listen, SocketOutput } from '../support/codec-socket.ts';

const BODY = Buffer.from('hello, h2spec');

/** Answers when the request is complete, as h2spec expects of a server. */
function answer(stream: OutgoingStream): StreamHandler {
  const respond = () => {
    stream.sendHeaders(Headers.response(200, 'content-type', 'text/plain'), false);
    stream.sendData(BODY, true);
  };
  return {
    onHeaders: (_headers, end) => end && respond(),
    onData: (_chunk, end) => end && respond(),
    onTrailers: respond,
    onReset() {},
    onError() {},
    onWriteBackpressure() {},
  };
}

function server(options: Http2Options): net.Server {
  return net.createServer((socket) => {
    const output = new SocketOutput(socket);
    const callbacks: ServerCallbacks = {
      newStream: answer,
      onConnectionError: () => output.end(),
      onConnectionDone: () => output.end(),
    };
    attach(socket, new Http2ServerCodec(output, callbacks, options));
  });
}

const bin = process.env.REFERENCE_BIN;
const skip = bin === undefined ? 'REFERENCE_BIN is not set: h2spec is looked for there' : false;

for (const streamErrors of [false, true]) {
  const victim = streamErrors ? 'stream' : 'connection';
  test(`h2spec, strict, where a malformed message ends its ${victim}`, { skip }, async (t) => {
    const listener = server({ ...DEFAULT_OPTIONS, streamErrorOnInvalidMessage: streamErrors });
    t.after(() => listener.close());
    const port = await listen(listener);
    const args = ['-h', '127.0.0.1', '-p', String(port), '-o', '5', '-S'];
    const output = await new Promise<string>((resolve) => {
      execFile(path.join(bin ?? '', 'h2spec'), args, (error, stdout, stderr) => {
        resolve(stdout + stderr + (error && 'code' in error && typeof error.code === 'string' ? error.message : ''));
      });
    });
    const totals = /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(output);
    assert.ok(totals, output);
    const [, tests, passed, skipped, failed] = totals.map(Number);
    t.diagnostic(totals[0]);
    assert.equal(failed, 0, output.slice(output.indexOf('Failures:')));
    assert.equal(skipped, 0);
    assert.equal(passed, tests);
    assert.ok(tests >= 145);
  });
}
