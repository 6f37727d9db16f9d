import assert from 'node:assert/strict';

import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { TypedExtensionConfigSchema } from '../../../api/gen/envoy/config/core/v3/extension_pb.ts';
import { GzipSchema } from '../../../api/gen/envoy/extensions/compression/gzip/compressor/v3/gzip_pb.ts';
import { packAny } from '../../../api/registry.ts';
import { Headers } from '../../../wire/headers.ts';
import { ConfigErrors } from '../../config/errors.ts';
import { DataStatus, HeadersStatus, TrailersStatus } from '../../http/filter.ts';
import { FlushQueue } from '../../net/flush-queue.ts';
import { type CompressorConfig, CompressorFilter, type Direction } from './filter.ts';
import { compressorLibrary } from './libraries.ts';
import { CompressorHeaderStats, CompressorStats } from './stats.ts';

/** Notes what comes out, and says when it has ended. */
class Callbacks extends StubCallbacks {
  readonly events = new EventEmitter();
  readonly out: Uint8Array[] = [];

  override injectResponseData(chunk: Uint8Array, end: boolean): void {
    this.out.push(chunk);
    if (end) this.events.emit('end');
    else this.events.emit('data');
  }

  override continueResponse(): void {
    this.events.emit('trailers');
  }
}

function start(acceptEncoding: string) {
  const extension = create(TypedExtensionConfigSchema, {
    name: 'gzip',
    typedConfig: packAny(GzipSchema, toBinary(GzipSchema, create(GzipSchema))),
  });
  const errors = new ConfigErrors();
  const library = compressorLibrary(extension, errors)!;
  assert.equal(errors.toString(), '');
  const direction = (): Direction => ({
    enabled: true,
    minBytes: 10,
    contentTypes: new Set(['text/plain']),
    stats: new CompressorStats(),
  });
  const config: CompressorConfig = {
    library,
    offer: { coding: 'gzip', first: false, takes: () => true },
    request: direction(),
    response: direction(),
    disableOnEtag: false,
    removeAcceptEncoding: true,
    headerStats: new CompressorHeaderStats(),
    flushQueue: new FlushQueue(),
  };
  const callbacks = new Callbacks();
  const filter = new CompressorFilter(config, undefined, callbacks);
  const request = Headers.request('GET', '/', 'a', 'accept-encoding', acceptEncoding);
  assert.equal(filter.requestHeaders(request, true), HeadersStatus.Continue);
  assert.equal(request.has('accept-encoding'), false);
  return { filter, callbacks, config };
}

const response = () => Headers.response(200, 'content-type', 'text/plain', 'content-length', '20', 'etag', '"1"');

test('each piece comes out by itself, and all of it is one gzip stream', async () => {
  const { filter, callbacks, config } = start('gzip');
  const headers = response();
  filter.responseHeaders(headers, false);
  assert.deepEqual(
    ['content-encoding', 'content-length', 'etag', 'vary'].map((name) => headers.get(name)),
    ['gzip', undefined, undefined, 'Accept-Encoding'],
  );
  assert.equal(filter.responseData(Buffer.from('first'), false), DataStatus.StopNoBuffer);
  const soFar = () => zlib.gunzipSync(Buffer.concat(callbacks.out), { finishFlush: zlib.constants.Z_SYNC_FLUSH });
  while (callbacks.out.length === 0 || soFar().toString() !== 'first') await once(callbacks.events, 'data');
  filter.responseData(Buffer.from(' and last'), true);
  await once(callbacks.events, 'end');
  assert.equal(zlib.gunzipSync(Buffer.concat(callbacks.out)).toString(), 'first and last');
  assert.equal(config.response.stats.compressed, 1);
  assert.equal(config.response.stats.total_uncompressed_bytes, 14);
});

test('trailers wait for the body', async () => {
  const { filter, callbacks } = start('gzip');
  filter.responseHeaders(response(), false);
  filter.responseData(Buffer.from('body'), false);
  assert.equal(filter.responseTrailers(), TrailersStatus.Stop);
  await once(callbacks.events, 'trailers');
  assert.equal(zlib.gunzipSync(Buffer.concat(callbacks.out)).toString(), 'body');
});

test('nothing comes out of a stream that is gone', async () => {
  const { filter, callbacks } = start('gzip');
  filter.responseHeaders(response(), false);
  filter.responseData(Buffer.from('body'), false);
  filter.destroy();
  await new Promise((resolve) => zlib.gzip('other', resolve));
  assert.equal(callbacks.out.length, 0);
});

test('what is not wanted or too short passes', () => {
  for (const [accept, length] of [
    ['br', '20'],
    ['gzip', '9'],
  ]) {
    const { filter } = start(accept);
    const headers = Headers.response(200, 'content-type', 'text/plain', 'content-length', length);
    filter.responseHeaders(headers, false);
    assert.equal(headers.has('content-encoding'), false);
    assert.equal(filter.responseData(Buffer.from('x'), true), DataStatus.Continue);
  }
});
