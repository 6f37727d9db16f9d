import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, httpListener, named, TO_BACKEND } from '../support/envoy-config.ts';
import { chunked, encodeMessage, exchange, headerOf, type RawMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { type RequestSpec, requestBytes, type Twin, twinProxies } from '../support/twin-proxies.ts';

const NAME = 'envoy.filters.http.compressor';
const library = (kind: string, message: string, fields: JsonObject = {}) =>
  named(kind, `envoy.extensions.compression.${kind}.compressor.v3.${message}`, fields);
const GZIP = library('gzip', 'Gzip', { compression_level: 'BEST_SPEED', window_bits: 15, memory_level: 9 });
const BROTLI = library('brotli', 'Brotli', { quality: 1 });
const ZSTD = library('zstd', 'Zstd');
const compressor = (compressor_library: JsonObject, fields: JsonObject = {}) =>
  named(NAME, 'http.compressor.v3.Compressor', { compressor_library, ...fields });
const ON = { default_value: true, runtime_key: 'compressor' };

const FILTERS: Readonly<Record<string, readonly JsonObject[]>> = {
  plain: [compressor(GZIP)],
  older: [
    compressor(GZIP, {
      content_length: 500,
      content_type: ['text/odd'],
      disable_on_etag_header: true,
      remove_accept_encoding_header: true,
    }),
  ],
  both: [
    compressor(GZIP, {
      response_direction_config: {
        common_config: { min_content_length: 10, content_type: ['text/plain', 'TEXT/X'] },
        remove_accept_encoding_header: true,
      },
      request_direction_config: { common_config: { enabled: ON, min_content_length: 10 } },
    }),
  ],
  off: [
    compressor(GZIP, { response_direction_config: { common_config: { enabled: { ...ON, default_value: false } } } }),
  ],
  three: [compressor(GZIP), compressor(BROTLI), compressor(ZSTD)],
  first: [compressor(GZIP), compressor(BROTLI, { choose_first: true })],
};

const TEXT = 'All happy families are alike; every unhappy family is unhappy in its own way. '.repeat(40);
type Header = readonly [string, string];
const PLAIN: Header = ['content-type', 'text/plain; charset=utf-8'];
const answer = (headers: readonly Header[], body = TEXT) => encodeMessage('HTTP/1.1 200 OK', headers, body);
const accepting = (value: string, path = '/'): RequestSpec => ({
  path,
  headers: [
    ['host', 'example.com'],
    ['accept-encoding', value],
  ],
});

interface Case {
  readonly listener?: string;
  readonly send: RequestSpec;
  readonly answer?: string | Uint8Array;
}

const CASES: readonly Case[] = [
  { send: {}, answer: answer([PLAIN]) },
  ...[
    'gzip',
    'GZIP',
    'gzip;q=0',
    'gzip;q=0.5, identity',
    'identity, gzip',
    '*',
    'br',
    'br, *;q=0.1',
    '',
    'gzip;q=x',
    ' deflate , gzip ;q=0.2',
    'identity;q=0, gzip;q=0',
  ].map((value) => ({ send: accepting(value), answer: answer([PLAIN]) })),
  ...(
    [
      [['content-type', 'image/png']],
      [['content-type', 'application/JSON']],
      [],
      [PLAIN, ['content-encoding', 'br']],
      [PLAIN, ['cache-control', 'max-age=1, no-transform']],
      [PLAIN, ['etag', '"strong"']],
      [PLAIN, ['etag', 'W/"weak"']],
      [PLAIN, ['vary', 'origin']],
      [PLAIN, ['vary', 'Accept-Encoding, origin']],
      [PLAIN, ['vary', '*']],
    ] as Header[][]
  ).map((headers) => ({ send: accepting('gzip'), answer: answer(headers) })),
  { send: accepting('gzip'), answer: answer([PLAIN], 'x'.repeat(29)) },
  { send: accepting('gzip'), answer: answer([PLAIN], 'x'.repeat(30)) },
  { send: accepting('gzip'), answer: answer([PLAIN], 'x'.repeat(300_000)) },
  { send: accepting('gzip'), answer: answer([PLAIN, ['transfer-encoding', 'chunked']], chunked(['tiny'])) },
  {
    send: accepting('gzip'),
    answer: answer([PLAIN, ['transfer-encoding', 'chunked']], chunked(['one', 'two'], [['x-t', '1']])),
  },
  { send: accepting('gzip'), answer: encodeMessage('HTTP/1.1 204 No Content', [PLAIN]) },
  {
    send: { ...accepting('gzip'), method: 'HEAD' },
    answer: encodeMessage('HTTP/1.1 200 OK', [PLAIN, ['content-length', '1000']]),
  },
  { send: accepting('gzip', '/disabled'), answer: answer([PLAIN]) },
  { listener: 'older', send: accepting('gzip'), answer: answer([PLAIN]) },
  { listener: 'older', send: accepting('gzip'), answer: answer([['content-type', 'text/odd']]) },
  {
    listener: 'older',
    send: accepting('gzip'),
    answer: answer([
      ['content-type', 'text/odd'],
      ['etag', 'W/"x"'],
    ]),
  },
  { listener: 'both', send: accepting('gzip'), answer: answer([['content-type', 'text/x']], 'x'.repeat(12)) },
  { listener: 'both', send: { ...accepting('gzip'), method: 'POST', body: TEXT } },
  { listener: 'both', send: { ...accepting('gzip'), method: 'POST', body: 'x'.repeat(9) } },
  { listener: 'off', send: accepting('gzip'), answer: answer([PLAIN]) },
  { listener: 'off', send: accepting('gzip', '/overrides'), answer: answer([PLAIN]) },
  ...['three', 'first'].flatMap((listener) =>
    ['gzip', 'br', 'zstd', 'gzip, br, zstd', 'zstd;q=0.9, br;q=1.0', 'br;q=0.5, gzip;q=0.5', '*'].map((value) => ({
      listener,
      send: accepting(value),
      answer: answer([PLAIN]),
    })),
  ),
];

/** Compressed bytes differ, what is in them does not. */
function opened(message: RawMessage): string {
  const coding = headerOf(message, 'content-encoding');
  if (message.body.length === 0) return '';
  switch (coding) {
    case 'gzip':
      return zlib.gunzipSync(message.body).toString();
    case 'br':
      // What the backend calls compressed, and is not, stays as it is.
      return message.body.equals(Buffer.from(TEXT)) ? TEXT : zlib.brotliDecompressSync(message.body).toString();
    case 'zstd':
      return zlib.zstdDecompressSync(message.body).toString();
    default:
      return message.body.toString('latin1');
  }
}

const IGNORED = /^(?:date|server|x-request-id|x-envoy-.*)$/i;
const headersOf = ({ headers }: RawMessage) =>
  headers
    .filter(([name]) => !IGNORED.test(name))
    .map((h) => h.join(': '))
    .sort();

async function see(twin: Twin, one: Case) {
  const backend = twin.backends.get('backend')!;
  backend.take();
  const { handler } = backend;
  if (one.answer !== undefined) backend.handler = () => one.answer;
  const bodyless = one.send.method === 'HEAD';
  const response = await exchange(twin.env.port(one.listener ?? 'plain'), [requestBytes(one.send)], { bodyless });
  backend.handler = handler;
  return {
    status: response.status,
    headers: headersOf(response),
    body: opened(response).replace(/content-length: \d+/, ''),
    trailers: response.trailers,
    upstream: backend.take().map((request) => [request.startLine, ...headersOf(request), opened(request)]),
  };
}

test('compressor, ours and Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: Object.keys(FILTERS),
    backends: () => ({ backend: () => answer([PLAIN], 'the answer to a request with a body') }),
    bootstrap: (env) => ({
      static_resources: {
        clusters: [cluster('backend', env.backend('backend'))],
        listeners: Object.entries(FILTERS).map(([name, filters]) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            filters,
            routes: [
              {
                match: { prefix: '/disabled' },
                route: { cluster: 'backend' },
                typed_per_filter_config: { [NAME]: any('http.compressor.v3.CompressorPerRoute', { disabled: true }) },
              },
              {
                match: { prefix: '/overrides' },
                route: { cluster: 'backend' },
                typed_per_filter_config: {
                  [NAME]: any('http.compressor.v3.CompressorPerRoute', {
                    overrides: { response_direction_config: { remove_accept_encoding_header: true } },
                  }),
                },
              },
              TO_BACKEND,
            ],
          }),
        ),
      },
    }),
  });
  for (const one of CASES) {
    const accept = one.send.headers?.find(([name]) => name === 'accept-encoding')?.[1] ?? 'nothing';
    const head = Buffer.from(one.answer ?? '')
      .toString('latin1', 17, 100)
      .split('\r\n\r\n')[0]
      .replaceAll('\r\n', ', ');
    await t.test(`${one.listener ?? 'plain'}: ${one.send.method ?? 'GET'} ${accept}: ${head}`, async () => {
      const [envoy, isthmus] = await Promise.all([see(twins.envoy, one), see(twins.isthmus, one)]);
      assert.deepEqual(isthmus, envoy);
    });
  }
  const stats = async (twin: Twin) =>
    (await twin.admin('/stats?filter=compressor')).replaceAll(/compressed_bytes: [1-9]\d*/g, 'compressed_bytes: some');
  assert.equal(await stats(twins.isthmus), await stats(twins.envoy));
});
