import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { Headers } from '../../../wire/headers.ts';
import { DataStatus, HeadersStatus, TrailersStatus } from '../../http/filter.ts';
import { GrpcWebFilter } from './filter.ts';
import { Base64Decoder, FrameEncoder, trailersFrame } from './frames.ts';

const FRAME = Buffer.from([0, 0, 0, 0, 2, 104, 105]);

describe('base64 in pieces', () => {
  test('cut anywhere', () => {
    const text = FRAME.toString('base64');
    for (let i = 0; i <= text.length; i++) {
      const decoder = new Base64Decoder();
      const parts = [
        decoder.decode(Buffer.from(text.slice(0, i)), false),
        decoder.decode(Buffer.from(text.slice(i)), true),
      ];
      assert.deepEqual(Buffer.concat(parts as Buffer[]), FRAME);
    }
  });

  for (const [text, wrong] of [
    ['!!!!', 'malformed'],
    ['====', 'malformed'],
    ['AA==AAAA', 'malformed'],
    ['AAA', 'bad size'],
  ]) {
    test(`none: ${text}`, () => assert.equal(new Base64Decoder().decode(Buffer.from(text), true), wrong));
  }
});

test('frames are encoded whole, each by itself', () => {
  const encoder = new FrameEncoder();
  const two = Buffer.concat([FRAME, FRAME]);
  const texts = [...two].map((byte) => encoder.encode(Buffer.from([byte])).toString()).filter((text) => text !== '');
  assert.deepEqual(texts, [FRAME.toString('base64'), FRAME.toString('base64')]);
  assert.equal(encoder.encode(two).toString(), FRAME.toString('base64').repeat(2));
});

function start(type: string, accept = '') {
  const callbacks = new StubCallbacks();
  const filter = new GrpcWebFilter(callbacks);
  const request = Headers.request('POST', '/a/b', 'x', 'content-type', type, 'content-length', '9');
  if (accept !== '') request.set('accept', accept);
  assert.equal(filter.requestHeaders(request), HeadersStatus.Continue);
  return { callbacks, filter, request };
}

test('a request becomes one of gRPC, and trailers become the end of the body', () => {
  const { callbacks, filter, request } = start('application/grpc-web-text', 'application/grpc-web-text');
  assert.deepEqual(
    ['content-type', 'te', 'content-length'].map((name) => request.get(name)),
    ['application/grpc', 'trailers', undefined],
  );
  assert.equal(filter.requestData(Buffer.from(FRAME.toString('base64')), true), DataStatus.StopNoBuffer);
  const headers = Headers.response(200, 'content-type', 'application/grpc');
  filter.responseHeaders(headers, false);
  assert.equal(headers.get('content-type'), 'application/grpc-web-text+proto');
  filter.responseData(FRAME, false);
  const trailers = Headers.response(0, 'grpc-status', '0');
  assert.equal(filter.responseTrailers(trailers), TrailersStatus.Stop);
  const last = trailersFrame(trailers);
  assert.deepEqual([last[0], last.subarray(5).toString()], [0x80, 'grpc-status:0\r\n']);
  assert.deepEqual(callbacks.calls, [
    `injectRequest ${FRAME} true`,
    `injectResponse ${FRAME.toString('base64')} false`,
    `injectResponse ${last.toString('base64')} true`,
  ]);
});

test('an answer that is no gRPC is told as a status', () => {
  const { callbacks, filter } = start('application/grpc-web');
  const headers = Headers.response(503, 'content-type', 'text/plain');
  assert.equal(filter.responseHeaders(headers, false), HeadersStatus.StopIteration);
  filter.responseData(Buffer.from('no '), false);
  filter.responseData(Buffer.from('way'), true);
  assert.deepEqual([headers.get('grpc-status'), headers.get('grpc-message')], ['14', 'no way']);
  assert.deepEqual(callbacks.calls, ['injectResponse  true']);
});

test('other requests pass', () => {
  const { filter } = start('application/grpc');
  assert.equal(filter.requestData(FRAME, true), DataStatus.Continue);
  assert.equal(filter.responseTrailers(new Headers()), TrailersStatus.Continue);
});
