import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, named, TO_BACKEND } from '../support/envoy-config.ts';
import { rsaKey, token } from '../support/jwt.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

/**
 * Two issuers in the form of requirement that istiod makes of RequestAuthentication: a request may have a token of
 * either, of both or none, and must not have a bad one.
 */

const KEY = rsaKey('rsa');
const local = { local_jwks: { inline_string: JSON.stringify({ keys: [KEY.jwk()] }) } };
const claims = (iss: string, more: object = {}) => token(KEY, { iss, sub: 'alice', exp: 4_000_000_000, ...more });

const PROVIDERS: JsonObject = {
  a: {
    ...local,
    issuer: 'https://a.example',
    from_headers: [
      { name: 'x-token' },
      { name: 'x-pre', value_prefix: 'Tok ' },
      { name: 'Authorization', value_prefix: 'Bearer ' },
    ],
    from_params: ['tok'],
    from_cookies: ['session'],
    payload_in_metadata: 'payload',
    clear_route_cache: true,
  },
  b: { ...local, issuer: 'https://b.example', forward: true, payload_in_metadata: 'payload', clear_route_cache: true },
};

const MISSING: JsonObject = { allow_missing: {} };
const provider = (name: string): JsonObject => ({ provider_name: name });
const oneOf = (...requirements: JsonObject[]): JsonObject => ({ requires_any: { requirements } });
const allOf = (...requirements: JsonObject[]): JsonObject => ({ requires_all: { requirements } });

const REQUIREMENTS: Readonly<Record<string, JsonObject>> = {
  istio: oneOf(provider('a'), provider('b'), allOf(oneOf(provider('a'), MISSING), oneOf(provider('b'), MISSING))),
  'a-or-missing': oneOf(provider('a'), MISSING),
  'b-or-missing': oneOf(provider('b'), MISSING),
  missing: MISSING,
  'both-or-missing': allOf(oneOf(provider('a'), MISSING), oneOf(provider('b'), MISSING)),
};

const TOKENS: Readonly<Record<string, string | undefined>> = {
  none: undefined,
  a: claims('https://a.example'),
  b: claims('https://b.example'),
  foreign: claims('https://c.example'),
  expired: claims('https://a.example', { exp: 1 }),
  garbage: 'zz',
};

type Place = (value: string) => { readonly headers?: readonly [string, string][]; readonly query?: string };
const PLACES: Readonly<Record<string, Place>> = {
  'x-token': (value) => ({ headers: [['x-token', value]] }),
  'x-pre': (value) => ({ headers: [['x-pre', `Tok ${value}`]] }),
  cookie: (value) => ({ headers: [['cookie', `session=${value}`]] }),
  tok: (value) => ({ query: `?tok=${value}` }),
  access_token: (value) => ({ query: `?access_token=${value}` }),
};

function* cases(): Generator<TwinCase> {
  for (const requirement of Object.keys(REQUIREMENTS)) {
    for (const [place, put] of Object.entries(PLACES)) {
      for (const [kind, value] of Object.entries(TOKENS)) {
        for (const [bearer, text] of Object.entries(TOKENS)) {
          const first = value === undefined ? {} : put(value);
          yield {
            name: `${requirement}: ${kind} in ${place}, ${bearer} as bearer`,
            send: {
              path: `/${requirement}/${first.query ?? ''}`,
              headers: [
                ...(first.headers ?? []),
                ...(text === undefined ? [] : [['authorization', `Bearer ${text}`] as [string, string]]),
              ],
            },
          };
        }
      }
    }
  }
}

test('tokens of two issuers, as Istio asks for them', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            logFormat: '%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:payload:iss)% %ROUTE_NAME%',
            filters: [
              named('envoy.filters.http.jwt_authn', 'http.jwt_authn.v3.JwtAuthentication', {
                providers: PROVIDERS,
                rules: Object.entries(REQUIREMENTS).map(([name, requires]) => ({
                  match: { prefix: `/${name}/` },
                  requires,
                })),
              }),
            ],
            routes: [
              {
                name: 'by-claim',
                match: {
                  prefix: '/',
                  dynamic_metadata: [
                    {
                      filter: 'envoy.filters.http.jwt_authn',
                      path: [{ key: 'payload' }, { key: 'iss' }],
                      value: { string_match: { exact: 'https://b.example' } },
                    },
                  ],
                },
                decorator: { operation: 'of-b' },
                route: { cluster: 'backend' },
              },
              { ...TO_BACKEND, name: 'other', decorator: { operation: 'other' } },
            ],
            manager: { tracing: {} },
          }),
        ],
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  await compare(t, twins, [...cases()]);
});
