import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, named } from '../support/envoy-config.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type RequestSpec, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

const NAME = 'envoy.filters.http.decompressor';
const TEXT = 'All happy families are alike. '.repeat(20);
const library = (kind: string, message: string) =>
  named(kind, `envoy.extensions.compression.${kind}.decompressor.v3.${message}`);
const filter = (kind: string, message: string, fields: JsonObject = {}) =>
  named(NAME, 'http.decompressor.v3.Decompressor', { decompressor_library: library(kind, message), ...fields });

const FILTERS: Readonly<Record<string, JsonObject>> = {
  main: filter('gzip', 'Gzip'),
  brotli: filter('brotli', 'Brotli'),
  zstd: filter('zstd', 'Zstd'),
  quiet: filter('gzip', 'Gzip', {
    request_direction_config: { advertise_accept_encoding: false, common_config: { ignore_no_transform_header: true } },
    response_direction_config: { common_config: { enabled: { default_value: false, runtime_key: 'x' } } },
  }),
};
type Header = readonly [string, string];
const send = (headers: readonly Header[], body: string | Uint8Array = ''): RequestSpec => ({
  method: body.length > 0 ? 'POST' : 'GET',
  headers: [['host', 'example.com'], ...headers],
  body,
});
const answer = (coding: string, body: Uint8Array, more: readonly Header[] = []) =>
  encodeMessage('HTTP/1.1 200 OK', [['content-encoding', coding], ...more], body);
const GZIPPED = zlib.gzipSync(TEXT);
const NO_TRANSFORM: Header = ['cache-control', 'no-transform'];

const CASES: readonly TwinCase[] = [
  { name: 'nothing to do', send: {} },
  { name: 'accept-encoding of another coding', send: send([['accept-encoding', 'br, deflate;q=0.5']]) },
  { name: 'accept-encoding that excludes it', send: send([['accept-encoding', 'gzip;q=0, br']]) },
  { name: 'a request', send: send([['content-encoding', 'gzip']], GZIPPED) },
  { name: 'the first of two codings', send: send([['content-encoding', 'gzip, br']], GZIPPED) },
  { name: 'the second of two codings', send: send([['content-encoding', 'br, gzip']], GZIPPED) },
  { name: 'a request not to be changed', send: send([['content-encoding', 'gzip'], NO_TRANSFORM], GZIPPED) },
  { name: 'a response', send: {}, answer: answer('gzip', GZIPPED), want: { body: TEXT } },
  { name: 'a response with a tag', send: {}, answer: answer('gzip', GZIPPED, [['etag', '"a"']]) },
  { name: 'a response not to be changed', send: {}, answer: answer('gzip', GZIPPED, [NO_TRANSFORM]) },
  { name: 'a response in another coding', send: {}, answer: answer('br', zlib.brotliCompressSync(TEXT)) },
  {
    name: 'brotli',
    listener: 'brotli',
    send: {},
    answer: answer('br', zlib.brotliCompressSync(TEXT)),
    want: { body: TEXT },
  },
  {
    name: 'zstd',
    listener: 'zstd',
    send: {},
    answer: answer('zstd', zlib.zstdCompressSync(TEXT)),
    want: { body: TEXT },
  },
  {
    name: 'no advertising, in spite of no-transform',
    listener: 'quiet',
    send: send([['content-encoding', 'gzip'], NO_TRANSFORM], GZIPPED),
  },
  { name: 'responses off', listener: 'quiet', send: {}, answer: answer('gzip', GZIPPED) },
  {
    name: 'a request that is none',
    send: send([['content-encoding', 'gzip']], 'not gzip at all'),
    except: {
      parts: ['status', 'body', 'headers', 'log', 'upstream'],
      because: 'Envoy sends on what it could read as if that were all of it',
    },
  },
];

test('decompressor, ours and Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: Object.keys(FILTERS),
    bootstrap: (env) => ({
      static_resources: {
        clusters: [cluster('backend', env.backend('backend'))],
        listeners: Object.entries(FILTERS).map(([name, one]) =>
          httpListener(name, { port: env.port(name), log: env.log(name), filters: [one] }),
        ),
      },
    }),
  });
  await compare(t, twins, CASES);
  const [envoy, isthmus] = await Promise.all(
    [twins.envoy, twins.isthmus].map((twin) => twin.admin('/stats?filter=decompressor.*quest.decompressed')),
  );
  assert.equal(isthmus, envoy);
});
