import { test } from 'node:test';
import { cluster, httpListener, TO_BACKEND } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

/** What `Connection` may name, what paths with parameters become, and who is asked to go on: found by requests at random. */

const names = (count: number) => Array.from({ length: count }, (_, i) => `x-${i}`).join(', ');
const asked = (headers: [string, string][], path = '/'): TwinCase => ({
  name: `${path} ${JSON.stringify(headers).slice(0, 120)}`,
  send: { path, headers },
});

const NOMINATED = ['cookie', 'te', 'x-request-id', 'via', 'x-envoy-foo', 'x-forwarded-port', 'keep-alive', 'upgrade'];
const REFUSED = ['x-forwarded-for', 'x-forwarded-host', 'X-Forwarded-Proto, close', ':path', ':authority', 'host'];
const PATHS = [
  '/a/..;x/b',
  '/a/..;x\\y/b',
  '/a/..;\\/b',
  '/a\\..;/b',
  '/a\\..;x\\y/b',
  '/a/.;x\\y/b',
  '/a\\.;x/b',
  '/a/b/..;',
  '/a/b/..;x?..;/b',
  '/a/%2e%2e;x/b',
  '/..;/..;/a',
  '/a\\..;\\../b',
];

const CASES: readonly TwinCase[] = [
  ...NOMINATED.map((name) =>
    asked([
      ['connection', name],
      [name, 'v'],
    ]),
  ),
  ...REFUSED.map((name) => asked([['connection', name]])),
  asked([['connection', 'host, close']]),
  asked([['connection', 'host,:path']]),
  asked([['connection', names(9)]]),
  asked([['connection', names(10)]]),
  asked([['connection', `close,${names(9)}`]]),
  asked([['connection', ',,,,,,,,,,,,']]),
  asked([
    ['connection', 'a,a,a,a,a'],
    ['connection', 'a,a,a,a,a'],
  ]),
  asked([
    ['connection', 'upgrade, x-forwarded-for'],
    ['upgrade', 'websocket'],
  ]),
  ...[255, 256].flatMap((length) => [
    asked([
      ['connection', 'te'],
      ['te', 'x'.repeat(length)],
    ]),
    asked([['te', 'x'.repeat(length)]]),
  ]),
  asked([
    ['connection', 'te'],
    ['te', 'a,trailers;q=1, trailers'],
  ]),
  ...PATHS.map((path) => asked([], path)),
  asked([['expect', '100-continue']], '/a%2fb'),
  asked([
    ['expect', '100-continue'],
    ['expect', '100-continue'],
  ]),
];

test('nominated headers and odd paths as with Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            manager: {
              normalize_path: true,
              path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT',
              delayed_close_timeout: '0.02s',
            },
            routes: [TO_BACKEND],
          }),
        ],
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  await compare(t, twins, CASES);
});
