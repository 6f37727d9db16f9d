import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, httpListener, named, socketAddress } from '../support/envoy-config.ts';
import { encodeMessage, exchange, headerOf, type RawResponse } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { requestBytes, type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

const BACKENDS = ['one', 'two', 'three'];
const FILTER = 'envoy.filters.http.stateful_session';

const cookie = (fields: JsonObject): JsonObject =>
  named(
    'envoy.http.stateful_session.cookie',
    'envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState',
    {
      cookie: { name: 'session', ...fields },
    },
  );
const HEADER = named(
  'envoy.http.stateful_session.header',
  'envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState',
  {
    name: 'X-Session',
  },
);

const perRoute = (fields: JsonObject): JsonObject => ({
  typed_per_filter_config: { [FILTER]: any('http.stateful_session.v3.StatefulSessionPerRoute', fields) },
});
const of = (session_state: JsonObject, more: JsonObject = {}) =>
  perRoute({ stateful_session: { session_state, ...more } });

const ROUTES: readonly (readonly [path: string, fields: JsonObject])[] = [
  ['/cookie', of(cookie({ path: '/cookie', ttl: '120s' }))],
  ['/session', of(cookie({}))],
  ['/elsewhere', of(cookie({ path: '/cookie' }))],
  ['/header', of(HEADER)],
  ['/strict', of(HEADER, { strict: true })],
  ['/off', perRoute({ disabled: true })],
  ['/', {}],
];

const bootstrap = (env: TwinEnv): JsonObject => ({
  static_resources: {
    listeners: [
      httpListener('main', {
        port: env.port('main'),
        log: env.log('main'),
        logFormat: '%REQ(x-case)%',
        filters: [named(FILTER, 'http.stateful_session.v3.StatefulSession', { session_state: HEADER })],
        routes: ROUTES.map(([prefix, fields]) => ({ match: { prefix }, route: { cluster: 'backends' }, ...fields })),
      }),
    ],
    clusters: [
      {
        name: 'backends',
        type: 'STATIC',
        connect_timeout: '5s',
        load_assignment: {
          cluster_name: 'backends',
          endpoints: [
            {
              lb_endpoints: BACKENDS.map((name) => ({
                endpoint: { address: socketAddress(env.backend(name)) },
              })),
            },
          ],
        },
      },
    ],
  },
});

test('clients stay with their hosts as with Envoy', { skip: withoutReference }, async (t) => {
  const backends = () =>
    Object.fromEntries(BACKENDS.map((name) => [name, () => encodeMessage('HTTP/1.1 200 OK', [], name)]));
  const twins = await twinProxies(t, { listeners: ['main'], backends, bootstrap });
  const both = [twins.envoy, twins.isthmus];

  const ask = (twin: Twin, path: string, headers: readonly (readonly [string, string])[] = []) =>
    exchange(twin.env.port('main'), [requestBytes({ path, headers })]);
  /** The form of what a client is told: the address is another one each time. */
  const told = (response: RawResponse) => [
    headerOf(response, 'set-cookie')?.replace(/"[^"]*"/, '<value>'),
    headerOf(response, 'x-session') !== undefined,
  ];
  const back = (response: RawResponse): (readonly [string, string])[] => {
    const setCookie = headerOf(response, 'set-cookie');
    const header = headerOf(response, 'x-session');
    return [
      ...(setCookie === undefined ? [] : [['cookie', setCookie.split(';')[0]] as const]),
      ...(header === undefined ? [] : [['x-session', header] as const]),
    ];
  };

  for (const path of ['/cookie', '/session', '/elsewhere', '/header', '/strict', '/off', '/']) {
    await t.test(`sessions of ${path}`, async () => {
      const seen = await Promise.all(
        both.map(async (twin) => {
          const first = await ask(twin, path);
          const sent = back(first);
          const again = await Promise.all(Array.from({ length: 5 }, () => ask(twin, path, sent)));
          return {
            first: told(first),
            again: again.map(told),
            stays: sent.length > 0 && again.every(({ body }) => body.equals(first.body)),
          };
        }),
      );
      assert.deepEqual(seen[1], seen[0]);
    });
  }

  await t.test('each takes the sessions that the other has made', async () => {
    for (const [from, to] of [both, [...both].reverse()]) {
      const value = headerOf(await ask(from, '/cookie'), 'set-cookie')!.split(';')[0];
      const address = Buffer.from(/"(.*)"/.exec(value)![1], 'base64').toString('latin1');
      const port = Number(/127\.0\.0\.1:(\d+)/.exec(address)![1]);
      const index = BACKENDS.findIndex((name) => from.env.backend(name) === port);
      // The same host of the other: its port is another one.
      const moved = headerFor(to.env.backend(BACKENDS[index]));
      const { body } = await ask(to, '/header', [['x-session', moved]]);
      assert.equal(body.toString(), BACKENDS[index], to.program);
    }
  });

  for (const [name, path, value] of [
    ['a host that is gone', '/header', headerFor(1)],
    ['a host that is gone, strictly', '/strict', headerFor(1)],
    ['what is no address', '/header', '!!!'],
    ['what is no address, strictly', '/strict', 'bm8='],
  ] as const) {
    await t.test(name, async () => {
      const [envoy, isthmus] = await Promise.all(
        both.map(async (twin) => {
          const mark = name.replaceAll(' ', '-');
          const response = await ask(twin, path, [
            ['x-session', value],
            ['x-case', mark],
          ]);
          // Lines of the requests before it may come first.
          const line = await until(`${twin.program}: ${name}`, async () =>
            (await twin.logLines('main', 0)).find((text) => text.endsWith(` ${mark}`)),
          );
          return [response.status, told(response), line];
        }),
      );
      assert.deepEqual(isthmus, envoy);
    });
  }
});

function headerFor(port: number): string {
  return Buffer.from(`127.0.0.1:${port}`).toString('base64');
}
