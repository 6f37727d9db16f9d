import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { cluster, HTTP2, httpListener, named } from '../support/envoy-config.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { type Library, libraryServers } from '../support/transcoding/library.ts';
import { observe, type RequestSpec, type Twin, twinProxies } from '../support/twin-proxies.ts';

const frame = (message: Buffer): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
};
/** A book called `a`, and one that makes a call fail with status 5 and the message `a b`. */
const BOOK = frame(Buffer.from([0x12, 1, 0x61]));
const FAIL = frame(Buffer.from([0x12, 3, 0x61, 0x20, 0x62, 0x18, 5]));
const LARGE = frame(Buffer.concat([Buffer.from([0x12, 0xa0, 0x8d, 0x06]), Buffer.alloc(100_000, 120)]));
const base64 = (...parts: readonly Buffer[]) => parts.map((part) => part.toString('base64')).join('');

const call = (
  method: string,
  type: string,
  body: string | Buffer,
  more: readonly (readonly [string, string])[] = [],
): RequestSpec => ({
  method: 'POST',
  path: method.startsWith('/') ? method : `/library.v1.Library/${method}`,
  headers: [['host', 'example.com'], ['content-type', type], ...more],
  body,
});

const TYPES = ['', '+proto', '-text', '-text+proto'].map((suffix) => `application/grpc-web${suffix}`);
const CASES: readonly RequestSpec[] = [
  ...TYPES.flatMap((type) => {
    const wire = (body: Buffer) => (type.includes('text') ? base64(body) : body);
    return [
      ...TYPES.map((accept) => call('Talk', type, wire(BOOK), [['accept', accept]])),
      call('Talk', type, wire(BOOK)),
      call('Fail', type, wire(FAIL)),
      call('Talk', type, wire(LARGE), [['accept', type]]),
      call('Talk', type, wire(Buffer.concat([BOOK, BOOK, LARGE])), [['accept', type]]),
      call('None', type, wire(BOOK)),
      call('/plain', type, wire(BOOK)),
      call('/refused', type, wire(BOOK)),
      call('/dead', type, wire(BOOK)),
    ];
  }),
  call('Talk', 'application/grpc', BOOK),
  call('Talk', 'application/json', BOOK),
  call('Talk', 'application/grpc-web-other', BOOK),
  call('Talk', 'application/grpc-web-text', base64(BOOK, BOOK)),
  call('Talk', 'application/grpc-web-text', '!!!!'),
  call('Talk', 'application/grpc-web-text', base64(BOOK).slice(0, -1)),
  call('Talk', 'application/grpc-web-text', '===='),
];

async function start(t: TestContext) {
  const libraries = new Map<number, Library>();
  const twins = await twinProxies(t, {
    listeners: ['main'],
    backends: () => ({
      backend: ({ startLine }) =>
        startLine.includes('refused')
          ? encodeMessage('HTTP/1.1 403 Forbidden', [['content-type', 'text/plain']], 'not for you é\n')
          : encodeMessage('HTTP/1.1 200 OK', [['content-type', 'text/html']], '<p>'),
    }),
    servers: libraryServers(libraries),
    bootstrap: (env) => ({
      static_resources: {
        clusters: [
          cluster('library', env.backend('library'), HTTP2),
          cluster('backend', env.backend('backend')),
          { name: 'dead', type: 'STATIC' },
        ],
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            filters: [named('envoy.filters.http.grpc_web', 'http.grpc_web.v3.GrpcWeb')],
            routes: [
              { match: { prefix: '/plain' }, route: { cluster: 'backend' } },
              { match: { prefix: '/refused' }, route: { cluster: 'backend' } },
              { match: { prefix: '/dead' }, route: { cluster: 'dead' } },
              { match: { prefix: '/' }, route: { cluster: 'library' } },
            ],
          }),
        ],
      },
    }),
  });
  const see = async (twin: Twin, send: RequestSpec) => {
    const library = libraries.get(twin.env.backend('library'))!;
    library.take();
    const seen = await observe(twin, { name: '', send }, 'main');
    const calls = library.take().map(({ path, messages, headers }) => {
      return [path, ...messages, ...headers.filter((h) => /^(?:content|grpc|te:|accept)/.test(h)).sort()].join('\n');
    });
    return { ...seen, calls: seen.status === 400 ? [] : calls };
  };
  return { twins, see };
}

test('gRPC-Web, ours and Envoy', { skip: withoutReference }, async (t) => {
  const { twins, see } = await start(t);
  for (const one of CASES) {
    const accept = one.headers?.find(([name]) => name === 'accept')?.[1] ?? '';
    await t.test(`${one.path} ${one.headers?.[1][1]} -> ${accept} ${one.body?.length}`, async () => {
      const [envoy, isthmus] = await Promise.all([see(twins.envoy, one), see(twins.isthmus, one)]);
      assert.deepEqual(isthmus, envoy);
    });
  }
});
