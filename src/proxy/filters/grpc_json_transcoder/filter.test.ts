import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { GrpcJsonTranscoderSchema } from '../../../api/gen/envoy/extensions/filters/http/grpc_json_transcoder/v3/transcoder_pb.ts';
import { encodeMessage } from '../../../wire/grpc/framing.ts';
import { Headers } from '../../../wire/headers.ts';
import { ConfigErrors } from '../../config/errors.ts';
import { DataStatus, HeadersStatus, TrailersStatus } from '../../http/filter.ts';
import { TranscoderFilter } from './filter.ts';
import { compileTranscoder } from './transcoder.ts';

const PB = fs.readFileSync(new URL('../../../../test/support/transcoding/library.pb', import.meta.url));

function compile(json: JsonObject) {
  const errors = new ConfigErrors();
  const readData = () => PB;
  const transcoder = compileTranscoder(fromJson(GrpcJsonTranscoderSchema, json), { readData } as never, errors);
  return { transcoder, errors: errors.toString() };
}

function start(options: JsonObject = {}, limit = 1000) {
  const { transcoder, errors } = compile({
    protoDescriptor: 'library.pb',
    services: ['library.v1.Library'],
    ...options,
  });
  assert.equal(errors, '');
  const callbacks = new StubCallbacks();
  const filter = new TranscoderFilter(transcoder!, limit, callbacks);
  return { callbacks, filter };
}

/** A book with a title of one letter, as gRPC sends it. */
const book = (letter: string) => encodeMessage(Buffer.from([0x12, 1, letter.charCodeAt(0)]));
const grpc = () => Headers.response(200, 'content-type', 'application/grpc');
const status = (code: string, message = '') =>
  Headers.response(0, 'grpc-status', code, ...(message ? ['grpc-message', message] : []));

describe('requests', () => {
  test('headers become those of the call', () => {
    const { callbacks, filter } = start();
    const headers = Headers.request('GET', '/v1/books/a?pages=3', 'x');
    assert.equal(filter.requestHeaders(headers, true), HeadersStatus.Continue);
    const names = ['content-type', 'te', 'x-envoy-original-path', 'x-envoy-original-method'];
    assert.deepEqual(
      [headers.method, headers.path, ...names.map((name) => headers.get(name))],
      ['POST', '/library.v1.Library/GetBook', 'application/grpc', 'trailers', '/v1/books/a?pages=3', 'GET'],
    );
    assert.deepEqual(callbacks.calls, [
      'clearRouteCache',
      `addRequest ${encodeMessage(Buffer.from('\n\x01a\x18\x03'))}`,
    ]);
  });

  test('a body is one message when it is whole', () => {
    const { callbacks, filter } = start({ matchIncomingRequestRoute: true });
    filter.requestHeaders(Headers.request('POST', '/v1/books', 'x'), false);
    assert.equal(filter.requestData(Buffer.from('{"title":'), false), DataStatus.StopNoBuffer);
    filter.requestData(Buffer.from('"a"}'), true);
    assert.deepEqual(callbacks.calls, [`injectRequest ${book('a')} true`]);
  });

  test('a list is a message for each element, as they come', () => {
    const { callbacks, filter } = start({ matchIncomingRequestRoute: true });
    filter.requestHeaders(Headers.request('POST', '/v1/talk', 'x'), false);
    filter.requestData(Buffer.from('[{"title":"a"},{"ti'), false);
    filter.requestData(Buffer.from('tle":"b"}]'), true);
    assert.deepEqual(callbacks.calls, [`injectRequest ${book('a')} false`, `injectRequest ${book('b')} true`]);
  });

  test('what is no method, and what is gRPC already, passes', () => {
    for (const headers of [
      Headers.request('GET', '/none', 'x'),
      Headers.request('GET', '/v1/books/1?nope=1', 'x'),
      Headers.request('GET', '/v1/books/1', 'x', 'content-type', 'application/grpc+proto'),
    ]) {
      const { callbacks, filter } = start();
      assert.equal(filter.requestHeaders(headers, false), HeadersStatus.Continue);
      assert.equal(filter.requestData(Buffer.from('x'), true), DataStatus.Continue);
      assert.deepEqual(callbacks.calls, []);
    }
  });

  test('or is refused, if that is asked for', () => {
    const strict = { requestValidationOptions: { rejectUnknownMethod: true, rejectUnknownQueryParameters: true } };
    for (const [path, code] of [
      ['/none', 404],
      ['/v1/books/1?nope=1', 400],
    ] as const) {
      const { callbacks, filter } = start(strict);
      assert.equal(filter.requestHeaders(Headers.request('GET', path, 'x'), true), HeadersStatus.StopAll);
      assert.equal(callbacks.replies[0].status, code);
    }
  });

  test('JSON that is wrong, and more than may be kept', () => {
    const wrong = start();
    wrong.filter.requestHeaders(Headers.request('POST', '/v1/books', 'x'), false);
    wrong.filter.requestData(Buffer.from('{"pages":"x"}'), true);
    assert.deepEqual(
      [wrong.callbacks.replies[0].status, wrong.callbacks.replies[0].body],
      [400, 'pages: invalid value "x" for type TYPE_INT32'],
    );
    const large = start({ maxRequestBodySize: 100 });
    large.filter.requestHeaders(Headers.request('POST', '/v1/books', 'x'), false);
    large.filter.requestData(Buffer.alloc(101), false);
    assert.equal(large.callbacks.replies[0].status, 413);
  });
});

describe('responses', () => {
  const called = (path: string, options: JsonObject = {}, limit = 1000) => {
    const { callbacks, filter } = start({ matchIncomingRequestRoute: true, ...options }, limit);
    filter.requestHeaders(Headers.request('GET', path, 'x'), true);
    callbacks.calls.length = 0;
    return { callbacks, filter };
  };

  test('one message is sent when its status is known', () => {
    const { callbacks, filter } = called('/v1/books/1');
    const headers = grpc();
    assert.equal(filter.responseHeaders(headers, false), HeadersStatus.StopIteration);
    assert.equal(filter.responseData(book('a'), false), DataStatus.StopNoBuffer);
    assert.equal(filter.responseTrailers(status('0')), TrailersStatus.Continue);
    assert.deepEqual(callbacks.calls, ['addResponse {"title":"a"}']);
    assert.deepEqual([headers.get('content-type'), headers.get('content-length')], ['application/json', '13']);
  });

  test('a stream goes on as it comes', () => {
    const { callbacks, filter } = called('/v1/list');
    assert.equal(filter.responseHeaders(grpc(), false), HeadersStatus.Continue);
    const two = Buffer.concat([book('a'), book('b')]);
    filter.responseData(two.subarray(0, 10), false);
    filter.responseData(two.subarray(10), false);
    filter.responseTrailers(status('0'));
    assert.deepEqual(callbacks.calls, [
      'injectResponse [{"title":"a"} false',
      'injectResponse ,{"title":"b"} false',
      'addResponse ]',
    ]);
  });

  test('a status without a body', () => {
    const plain = called('/v1/books/1');
    const headers = grpc();
    headers.add('grpc-status', '5');
    plain.filter.responseHeaders(headers, true);
    assert.deepEqual([headers.status, headers.get('content-length')], [404, '0']);

    const converted = called('/v1/books/1', { convertGrpcStatus: true });
    const only = grpc();
    only.add('grpc-status', '5');
    only.add('grpc-message', 'not%20there');
    converted.filter.responseHeaders(only, true);
    assert.deepEqual([only.status, only.get('grpc-status')], [404, undefined]);
    assert.deepEqual(converted.callbacks.calls, ['addResponse {"code":5,"message":"not there"}']);
  });

  test('what is no gRPC passes, what is no message or too long does not', () => {
    const foreign = called('/v1/books/1');
    foreign.filter.responseHeaders(Headers.response(503, 'content-type', 'text/plain'), false);
    assert.equal(foreign.filter.responseData(Buffer.from('no'), true), DataStatus.Continue);

    const broken = called('/v1/books/1');
    broken.filter.responseHeaders(grpc(), false);
    broken.filter.responseData(encodeMessage(Buffer.from([0x12, 9])), false);
    assert.equal(broken.callbacks.replies[0].status, 502);

    const long = called('/v1/books/1', {}, 20);
    long.filter.responseHeaders(grpc(), false);
    long.filter.responseData(encodeMessage(Buffer.alloc(21)), false);
    assert.equal(long.callbacks.replies[0].status, 500);
  });
});

test('configurations that cannot be', () => {
  const wrong: readonly (readonly [JsonObject, RegExp])[] = [
    [{ services: ['library.v1.Library'] }, /proto_descriptor or proto_descriptor_bin is needed/],
    [{ protoDescriptorBin: 'AAAA', services: ['x.Y'] }, /proto_descriptor_bin: cannot be read as a FileDescriptorSet/],
    [{ protoDescriptor: 'x', services: ['x.Y'] }, /services\[0\]: the descriptors have no service "x\.Y"/],
    [{ protoDescriptor: 'x', services: ['library.v1.Library', 'library.v1.Library'] }, /is taken already/],
  ];
  for (const [json, message] of wrong) assert.match(compile(json).errors, message);
  assert.deepEqual(compile({ protoDescriptor: '' }), { transcoder: undefined, errors: '' });
});
