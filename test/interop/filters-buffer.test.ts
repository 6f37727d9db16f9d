import { test } from 'node:test';
import { any, cluster, httpListener, named, TO_BACKEND } from '../support/envoy-config.ts';
import { chunked } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

const NAME = 'envoy.filters.http.buffer';
const route = (prefix: string, fields: Parameters<typeof any>[1]) => ({
  match: { prefix },
  route: { cluster: 'backend' },
  typed_per_filter_config: { [NAME]: any('http.buffer.v3.BufferPerRoute', fields) },
});
const pieces = (path: string, ...rest: readonly string[]) => [
  `POST ${path} HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n`,
  ...rest,
];

const CASES: readonly TwinCase[] = [
  { name: 'no body', send: {}, want: { status: 200, upstream: 1 } },
  { name: 'as much as there may be', send: { method: 'POST', body: '0123456789' }, want: { status: 200 } },
  { name: 'one more', send: { method: 'POST', body: '0123456789a' }, want: { status: 413, upstream: 0 } },
  { name: 'off for the route', send: { method: 'POST', path: '/off', body: '0123456789a' }, want: { status: 200 } },
  { name: 'more for the route', send: { method: 'POST', path: '/more', body: '0123456789a' }, want: { status: 200 } },
  { name: 'much more', send: { method: 'POST', path: '/more', body: 'x'.repeat(200_001) }, want: { status: 413 } },
  {
    name: 'pieces get a length',
    send: pieces('/', '3\r\nabc\r\n', '2\r\nde\r\n', '0\r\n\r\n'),
    want: { status: 200, upstream: 1 },
  },
  {
    name: 'pieces and trailers',
    send: pieces('/', '3\r\nabc\r\n', chunked(['de'], [['x-t', '1']])),
    want: { status: 200 },
  },
  {
    name: 'too many pieces',
    send: pieces('/', '3\r\nabc\r\n', chunked(['123456789'])),
    want: { status: 413, upstream: 0 },
  },
];

test('buffer, ours and Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    bootstrap: (env) => ({
      static_resources: {
        clusters: [cluster('backend', env.backend('backend'))],
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            filters: [named(NAME, 'http.buffer.v3.Buffer', { max_request_bytes: 10 })],
            routes: [
              route('/off', { disabled: true }),
              route('/more', { buffer: { max_request_bytes: 200_000 } }),
              TO_BACKEND,
            ],
          }),
        ],
      },
    }),
  });
  await compare(t, twins, CASES);
});
