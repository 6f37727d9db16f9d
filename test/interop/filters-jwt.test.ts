import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, httpListener, named, TO_BACKEND } from '../support/envoy-config.ts';
import { ecKey, edKey, rsaKey, secretKey, token } from '../support/jwt.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

const RSA = rsaKey('rsa');
const PSS = rsaKey('pss', 'PS256');
const EC = ecKey('ec');
const EC384 = ecKey('ec384', 'ES384');
const EC512 = ecKey('ec512', 'ES512');
const ED = edKey('ed');
const HMAC = secretKey('hmac');
const OTHER = rsaKey('rsa');
const ALL = [RSA, PSS, EC, EC384, EC512, ED, HMAC];

const jwks = (keys: readonly unknown[]) => JSON.stringify({ keys });
const LOCAL = { local_jwks: { inline_string: jwks(ALL.map((k) => k.jwk())) } };
const local = (keys: readonly unknown[]): JsonObject => ({ local_jwks: { inline_string: jwks(keys) } });
const remote = (path: string, more: JsonObject = {}): JsonObject => ({
  remote_jwks: { http_uri: { uri: `http://jwks.example${path}`, cluster: 'jwks', timeout: '5s' }, ...more },
});

const ISS = 'https://issuer.example';
const FUTURE = 4_000_000_000;

/** Provider name -> provider; the issuer is ISS unless told. */
const PROVIDERS: Readonly<Record<string, JsonObject>> = {
  plain: { ...LOCAL },
  audience: { ...LOCAL, audiences: ['web', 'https://app.example/'] },
  subject: { ...LOCAL, subjects: { prefix: 'spiffe://' } },
  expiring: { ...LOCAL, require_expiration: true },
  short: { ...LOCAL, max_lifetime: '3600s' },
  skew: { ...LOCAL, clock_skew_seconds: 1 },
  anyone: { ...LOCAL, issuer: '' },
  second: { ...LOCAL, issuer: 'https://second.example' },
  header: { ...LOCAL, from_headers: [{ name: 'X-Token' }, { name: 'x-prefixed', value_prefix: 'jwt=' }] },
  param: { ...LOCAL, from_params: ['jwt', 'token'] },
  cookie: { ...LOCAL, from_cookies: ['session'] },
  forward: { ...LOCAL, forward: true },
  payload: { ...LOCAL, forward_payload_header: 'X-Payload' },
  padded: { ...LOCAL, forward_payload_header: 'x-payload', pad_forward_payload_header: true },
  metadata: {
    ...LOCAL,
    payload_in_metadata: 'payload',
    header_in_metadata: 'header',
    failed_status_in_metadata: 'failed',
    normalize_payload_in_metadata: { space_delimited_claims: ['scope', 'absent', 'sub'] },
  },
  claims: {
    ...LOCAL,
    claim_to_headers: [
      'sub',
      'n',
      'float',
      'big',
      'neg',
      'yes',
      'no',
      'nested.team',
      'list',
      'nested',
      'null',
      'empty',
      'umlaut',
      'a.b',
    ].map((claim) => ({ claim_name: claim, header_name: `X-Claim-${claim.replace('.', '-')}` })),
  },
  rerouted: { ...LOCAL, claim_to_headers: [{ claim_name: 'sub', header_name: 'x-user' }], clear_route_cache: true },
  kept: { ...LOCAL, claim_to_headers: [{ claim_name: 'sub', header_name: 'x-user' }] },
  cached: { ...LOCAL, jwt_cache_config: {} },
  'no-kid': local([RSA.jwk({ kid: undefined, alg: undefined }), EC.jwk({ kid: undefined, alg: undefined })]),
  mixed: local([{ kty: 'weird' }, { kty: 'RSA' }, RSA.jwk()]),
  'wrong-alg': local([RSA.jwk({ alg: 'RS512' })]),
  remote: remote('/keys'),
  'remote-503': remote('/503'),
  'remote-empty': remote('/empty'),
  'remote-bad': remote('/bad'),
  'remote-retry': remote('/retry', { retry_policy: { num_retries: 3, retry_back_off: { base_interval: '0.001s' } } }),
  'remote-async': remote('/keys', { async_fetch: {} }),
  'remote-fast': remote('/keys', { async_fetch: { fast_listener: true } }),
  'remote-nowhere': {
    remote_jwks: { http_uri: { uri: 'http://a.example/keys', cluster: 'nowhere', timeout: '5s' } },
  },
};

const provider = (name: string): JsonObject => ({ provider_name: name });
const oneOf = (...requirements: JsonObject[]): JsonObject => ({ requires_any: { requirements } });
const allOf = (...requirements: JsonObject[]): JsonObject => ({ requires_all: { requirements } });
const MISSING: JsonObject = { allow_missing: {} };
const FAILED: JsonObject = { allow_missing_or_failed: {} };

/** Path prefix -> requirement, besides one per provider. */
const REQUIREMENTS: Readonly<Record<string, JsonObject>> = {
  any: oneOf(provider('plain'), provider('second')),
  'any-missing': oneOf(provider('plain'), MISSING),
  'any-failed': oneOf(provider('plain'), FAILED),
  'any-both': oneOf(MISSING, provider('plain'), FAILED),
  all: allOf(provider('plain'), provider('header')),
  'all-missing': allOf(provider('header'), MISSING),
  'own-audience': { provider_and_audiences: { provider_name: 'audience', audiences: ['special'] } },
  'no-audience': { provider_and_audiences: { provider_name: 'audience' } },
  'nested-any': oneOf(allOf(provider('plain'), provider('header')), provider('cookie')),
};

const RULES: JsonObject[] = [
  { match: { path: '/open' } },
  { match: { prefix: '/named/' }, requirement_name: 'by-name' },
  {
    match: { prefix: '/match/header', headers: [{ name: 'x-check', present_match: true }] },
    requires: provider('plain'),
  },
  {
    match: { prefix: '/match/query', query_parameters: [{ name: 'check', present_match: true }] },
    requires: provider('plain'),
  },
  { match: { safe_regex: { regex: '/match/re/[0-9]+' } }, requires: provider('plain') },
  { match: { path_separated_prefix: '/match/sep' }, requires: provider('plain') },
  { match: { prefix: '/MATCH/fold', case_sensitive: false }, requires: provider('plain') },
  ...[...Object.keys(PROVIDERS).map((name) => [name, provider(name)] as const), ...Object.entries(REQUIREMENTS)].map(
    ([name, requires]) => ({ match: { prefix: `/${name}/` }, requires }),
  ),
];

const route = (prefix: string, jwt: JsonObject): JsonObject => ({
  match: { prefix },
  route: { cluster: 'backend' },
  typed_per_filter_config: { 'envoy.filters.http.jwt_authn': any('http.jwt_authn.v3.PerRouteConfig', jwt) },
});

const ROUTES: JsonObject[] = [
  route('/plain/off', { disabled: true }),
  route('/route/named', { requirement_name: 'by-name' }),
  route('/route/unknown', { requirement_name: 'nobody' }),
  {
    match: { prefix: '/', headers: [{ name: 'x-user', string_match: { exact: 'alice' } }] },
    direct_response: { status: 200, body: { inline_string: 'rerouted' } },
  },
  TO_BACKEND,
];

const base = { iss: ISS, sub: 'alice', exp: FUTURE };
const good = token(RSA, base);
const bearer = (value: string): [string, string] => ['authorization', `Bearer ${value}`];
const now = Math.floor(Date.now() / 1000);

function get(path: string, jwt: string | undefined, status: number, body?: string | RegExp): TwinCase {
  return {
    name: '',
    send: { path, headers: jwt === undefined ? [] : [bearer(jwt)] },
    want: { status, body, upstream: status === 200 && body === undefined ? 1 : undefined },
  };
}

const name = (title: string, one: TwinCase): TwinCase => ({ ...one, name: title });
const withPayload = (more: object) => token(RSA, { ...base, ...more });
const unsigned = (header: string, payload: string, signature = 'AA') => `${header}.${payload}.${signature}`;
const b64 = (text: string) => Buffer.from(text).toString('base64url');
const [HEAD, BODY, SIGNATURE] = good.split('.');

const CASES: readonly TwinCase[] = [
  name('no token', get('/plain/', undefined, 401, 'Jwt is missing')),
  name('a good token', get('/plain/', good, 200)),
  name('it goes on where the provider says so', get('/forward/', good, 200)),
  name('no token where none is asked', get('/open', undefined, 200)),
  name('a path that no rule matches', get('/elsewhere', undefined, 200)),
  name('first rule only', get('/open?x', undefined, 200)),
  // Form.
  name('two parts', get('/plain/', `${HEAD}.${BODY}`, 401)),
  name('four parts', get('/plain/', `${good}.AA`, 401)),
  name('an empty part', get('/plain/', `${HEAD}..${SIGNATURE}`, 401)),
  name('header is no base64', get('/plain/', unsigned('a$', BODY), 401)),
  name('header of a length that cannot be', get('/plain/', unsigned('a', BODY), 401)),
  name('header with padding', get('/plain/', unsigned(`${b64('{"alg":"RS256"}')}==`, BODY), 401)),
  name('header is no JSON', get('/plain/', unsigned(b64('{'), BODY), 401)),
  name('header is no object', get('/plain/', unsigned(b64('[1]'), BODY), 401)),
  name('no alg', get('/plain/', unsigned(b64('{}'), BODY), 401)),
  name('alg is no string', get('/plain/', unsigned(b64('{"alg":1}'), BODY), 401)),
  name('alg none', get('/plain/', unsigned(b64('{"alg":"none"}'), BODY), 401)),
  name('unknown alg', get('/plain/', unsigned(b64('{"alg":"RS257"}'), BODY), 401)),
  name('kid is no string', get('/plain/', unsigned(b64('{"alg":"RS256","kid":1}'), BODY), 401)),
  name('payload is no base64', get('/plain/', unsigned(HEAD, '*'), 401)),
  name('payload is no JSON', get('/plain/', unsigned(HEAD, b64('x')), 401)),
  name('signature is no base64', get('/plain/', `${HEAD}.${BODY}.*`, 401)),
  name('iss is no string', get('/plain/', withPayload({ iss: 1 }), 401)),
  name('sub is no string', get('/plain/', withPayload({ sub: {} }), 401)),
  name('iat is no number', get('/plain/', withPayload({ iat: '1' }), 401)),
  name('iat is negative', get('/plain/', withPayload({ iat: -1 }), 401)),
  name('nbf is no number', get('/plain/', withPayload({ nbf: [] }), 401)),
  name('nbf is negative', get('/plain/', withPayload({ nbf: -1 }), 401)),
  name('exp is no number', get('/plain/', withPayload({ exp: true }), 401)),
  name('exp is negative', get('/plain/', withPayload({ exp: -1 }), 401)),
  name('exp is a fraction', get('/plain/', withPayload({ exp: FUTURE + 0.5 }), 200)),
  name('exp beyond everything', get('/plain/', withPayload({ exp: 1e30 }), 401)),
  name('jti is no string', get('/plain/', withPayload({ jti: 1 }), 401)),
  name('aud is no string', get('/plain/', withPayload({ aud: 1 }), 401)),
  name('aud is a list of something', get('/plain/', withPayload({ aud: ['a', 1] }), 401)),
  // Claims.
  name(
    'another issuer',
    get('/plain/', withPayload({ iss: 'https://evil.example' }), 401, 'Jwt issuer is not configured'),
  ),
  name('no issuer', get('/plain/', withPayload({ iss: undefined }), 401)),
  name('any issuer', get('/anyone/', withPayload({ iss: 'https://evil.example' }), 200)),
  name('expired', get('/plain/', withPayload({ exp: now - 100 }), 401, 'Jwt is expired')),
  name('expired within the skew', get('/plain/', withPayload({ exp: now - 30 }), 200)),
  name('expired beyond a smaller skew', get('/skew/', withPayload({ exp: now - 30 }), 401)),
  name('not yet valid', get('/plain/', withPayload({ nbf: now + 1000 }), 401, 'Jwt not yet valid')),
  name('not yet valid within the skew', get('/plain/', withPayload({ nbf: now + 30 }), 200)),
  name('no expiration', get('/plain/', withPayload({ exp: undefined }), 200)),
  name('no expiration where one is wanted', get('/expiring/', withPayload({ exp: undefined }), 401)),
  name('expiration where one is wanted', get('/expiring/', good, 200)),
  name('too long a life', get('/short/', good, 401)),
  name('a short life', get('/short/', withPayload({ exp: now + 1000 }), 200)),
  name('no audience', get('/audience/', good, 403, 'Audiences in Jwt are not allowed')),
  name('audience', get('/audience/', withPayload({ aud: 'web' }), 200)),
  name('audience among others', get('/audience/', withPayload({ aud: ['x', 'web'] }), 200)),
  name('audience with a scheme and a slash', get('/audience/', withPayload({ aud: 'http://web/' }), 200)),
  name('audience that is a URL', get('/audience/', withPayload({ aud: 'app.example' }), 200)),
  name('another audience', get('/audience/', withPayload({ aud: 'Web' }), 403)),
  name('audience of the requirement', get('/own-audience/', withPayload({ aud: 'special' }), 200)),
  name(
    'audience of the provider, where the requirement has its own',
    get('/own-audience/', withPayload({ aud: 'web' }), 403),
  ),
  name('requirement with audiences of none', get('/no-audience/', withPayload({ aud: 'web' }), 200)),
  name('subject', get('/subject/', withPayload({ sub: 'spiffe://a' }), 200)),
  name('another subject', get('/subject/', good, 401)),
  // Signatures.
  ...ALL.map((key) => name(`signed with ${key.alg}`, get('/plain/', token(key, base), 200))),
  ...(['RS384', 'RS512', 'PS384', 'PS512'] as const).map((alg) =>
    name(`signed with ${alg} by a key without alg`, get('/no-kid/', token(RSA, base, { alg, kid: undefined }), 200)),
  ),
  name('HS384 by a key of HS256', get('/plain/', token(HMAC, base, { alg: 'HS384' }), 401)),
  name('a signature of somebody else', get('/plain/', token(OTHER, base), 401, 'Jwt verification fails')),
  name(
    'a payload of somebody else',
    get('/plain/', `${HEAD}.${b64(JSON.stringify({ ...base, sub: 'eve' }))}.${SIGNATURE}`, 401),
  ),
  name('unknown key id', get('/plain/', token(RSA, base, { kid: 'nobody' }), 401)),
  name('no key id', get('/plain/', token(RSA, base, { kid: undefined }), 200)),
  name('no key id, EC', get('/no-kid/', token(EC, base, { kid: undefined }), 200)),
  name('key id where the keys have none', get('/no-kid/', good, 200)),
  name('alg of another key', get('/wrong-alg/', good, 401)),
  name(
    'HMAC with the public key as secret',
    get('/plain/', unsigned(b64('{"alg":"HS256","kid":"rsa"}'), BODY, SIGNATURE), 401),
  ),
  name(
    'Ed25519 signature of a wrong length',
    get('/plain/', unsigned(b64('{"alg":"EdDSA","kid":"ed"}'), BODY, 'AAAA'), 401),
  ),
  name('one usable key among others', get('/mixed/', good, 200)),
  // Places.
  name('scheme in another case', {
    name: '',
    send: { path: '/plain/', headers: [['authorization', `bearer ${good}`]] },
    want: { status: 401 },
  }),
  name('another scheme', {
    name: '',
    send: { path: '/plain/', headers: [['authorization', `Basic ${good}`]] },
    want: { status: 401 },
  }),
  name('prefix in the middle', {
    name: '',
    send: { path: '/plain/', headers: [['authorization', `x Bearer  ${good}`]] },
    want: { status: 200 },
  }),
  name('query parameter by default', {
    name: '',
    send: { path: `/plain/?a=1&access_token=${good}&b=2` },
    want: { status: 200 },
  }),
  name('header of its own', {
    name: '',
    send: { path: '/header/', headers: [['x-token', good]] },
    want: { status: 200 },
  }),
  name('header with a prefix of its own', {
    name: '',
    send: { path: '/header/', headers: [['x-prefixed', `jwt=${good}`]] },
    want: { status: 200 },
  }),
  name('header of its own only', get('/header/', good, 401, 'Jwt is missing')),
  name('query parameter of its own', { name: '', send: { path: `/param/?token=${good}&z=1` }, want: { status: 200 } }),
  name('query parameter among others that need their escapes', {
    name: '',
    send: { path: `/param/?z=%C3%A4%20&token=${good}&a=b+c` },
    want: { status: 200 },
    except: {
      parts: ['upstream', 'body', 'headers'],
      because: 'Envoy decodes the other parameters, sorts them and sends them on as they are, which breaks the request',
    },
  }),
  name('query parameter that is empty', { name: '', send: { path: '/param/?token=' }, want: { status: 401 } }),
  name('cookie', {
    name: '',
    send: { path: '/cookie/', headers: [['cookie', `a=b; session=${good}; c=d`]] },
    want: { status: 200 },
  }),
  name('cookie in quotes', {
    name: '',
    send: { path: '/cookie/', headers: [['cookie', `session="${good}"`]] },
    want: { status: 200 },
  }),
  name('cookie twice', {
    name: '',
    send: { path: '/cookie/', headers: [['cookie', `session=${good}; session=bad`]] },
    want: { status: 200 },
  }),
  name('two tokens, both good', {
    name: '',
    send: {
      path: '/header/',
      headers: [
        ['x-token', good],
        ['x-prefixed', `jwt=${good}`],
      ],
    },
  }),
  name('two tokens, the first bad', {
    name: '',
    send: {
      path: '/header/',
      headers: [
        ['x-prefixed', 'jwt=bad'],
        ['x-token', good],
      ],
    },
    want: { status: 401 },
  }),
  name('two tokens, the second bad', {
    name: '',
    send: {
      path: '/header/',
      headers: [
        ['x-prefixed', `jwt=${good}`],
        ['x-token', 'bad'],
      ],
    },
    want: { status: 401 },
  }),
  name('two headers of one name', {
    name: '',
    send: {
      path: '/header/',
      headers: [
        ['x-token', good],
        ['x-token', 'bad'],
      ],
    },
    want: { status: 401 },
  }),
  // What goes on.
  name('payload', get('/payload/', good, 200)),
  name('payload with padding', get('/padded/', withPayload({ a: 1 }), 200)),
  name('payload that the client sent', {
    name: '',
    send: { path: '/payload/', headers: [['x-payload', 'forged'], bearer(good)] },
    want: { status: 200 },
  }),
  name(
    'claims',
    get(
      '/claims/',
      withPayload({
        n: 42,
        float: 1.5,
        big: 1e15,
        neg: -3,
        yes: true,
        no: false,
        nested: { team: 'blue' },
        list: ['a', 1, '??>>~~'],
        null: null,
        empty: '',
        umlaut: 'ä',
        'a.b': 'x',
      }),
      200,
    ),
  ),
  name('claims that the client sent', {
    name: '',
    send: { path: '/claims/', headers: [['x-claim-sub', 'eve'], ['x-claim-n', '1'], bearer(good)] },
    want: { status: 200 },
  }),
  name('metadata', get('/metadata/', withPayload({ scope: 'read  write', list: [1] }), 200)),
  name('metadata of a failure', get('/metadata/', withPayload({ exp: 1 }), 401)),
  name('metadata of a missing token', get('/metadata/', undefined, 401)),
  name('metadata of another failure', get('/metadata/', token(OTHER, base), 401)),
  name('metadata of an unknown key', get('/metadata/', token(RSA, base, { kid: 'x' }), 401)),
  name('routes are looked for again', get('/rerouted/', good, 200, 'rerouted')),
  name('routes are not looked for again', get('/kept/', good, 200)),
  name('a token that was seen', get('/cached/', good, 200)),
  name('a token that was seen, again', get('/cached/', good, 200)),
  // Requirements.
  name('any: first', get('/any/', good, 200)),
  name('any: second', get('/any/', withPayload({ iss: 'https://second.example' }), 200)),
  name('any: none', get('/any/', undefined, 401)),
  name('any: unknown issuer', get('/any/', withPayload({ iss: 'x' }), 401)),
  name('any: expired', get('/any/', withPayload({ exp: 1 }), 401)),
  name('any: expired at the second', get('/any/', withPayload({ exp: 1, iss: 'https://second.example' }), 401)),
  name('any or missing: missing', get('/any-missing/', undefined, 200)),
  name('any or missing: bad', get('/any-missing/', 'bad', 401)),
  name('any or missing: expired', get('/any-missing/', withPayload({ exp: 1 }), 401)),
  name('any or missing: unknown issuer', get('/any-missing/', withPayload({ iss: 'x' }), 401)),
  name('any or missing: another provider', get('/any-missing/', withPayload({ iss: 'https://second.example' }), 401)),
  name('any or failed: bad', get('/any-failed/', 'bad', 200)),
  name('any, missing or failed: bad', get('/any-both/', 'bad', 200)),
  name('all: both', {
    name: '',
    send: { path: '/all/', headers: [bearer(good), ['x-token', good]] },
    want: { status: 200 },
  }),
  name('all: one', get('/all/', good, 401)),
  name('all: other', { name: '', send: { path: '/all/', headers: [['x-token', good]] }, want: { status: 401 } }),
  name('all or missing', {
    name: '',
    send: { path: '/all-missing/', headers: [['x-token', good]] },
    want: { status: 200 },
  }),
  name('all or missing, and another one is bad', {
    name: '',
    send: { path: '/all-missing/', headers: [['x-token', good], bearer('bad')] },
  }),
  name('missing: none', { ...get('/missing/', undefined, 200), listener: 'single' }),
  name('missing: good', { ...get('/missing/', good, 200), listener: 'single' }),
  name('missing: bad', { ...get('/missing/', 'bad', 401), listener: 'single' }),
  name('missing: expired', { ...get('/missing/', withPayload({ exp: 1 }), 401), listener: 'single' }),
  name('failed: none', { ...get('/failed/', undefined, 200), listener: 'single' }),
  name('failed: good', { ...get('/failed/', good, 200), listener: 'single' }),
  name('failed: bad', { ...get('/failed/', 'bad', 200), listener: 'single' }),
  name('nested: cookie', {
    name: '',
    send: { path: '/nested-any/', headers: [['cookie', `session=${good}`]] },
    want: { status: 200 },
  }),
  name('nested: half', get('/nested-any/', good, 401)),
  // Rules.
  name('by name', get('/named/', undefined, 401)),
  name('by header', { name: '', send: { path: '/match/header', headers: [['x-check', '1']] }, want: { status: 401 } }),
  name('by header that is not there', { name: '', send: { path: '/match/header' }, want: { status: 200 } }),
  name('by query', get('/match/query?check=1', undefined, 401)),
  name('by query that is not there', get('/match/query?other=1', undefined, 200)),
  name('by regular expression', get('/match/re/12?x', undefined, 401)),
  name('by regular expression that does not match', get('/match/re/12a', undefined, 200)),
  name('by separated prefix', get('/match/sep/x', undefined, 401)),
  name('by separated prefix and query', get('/match/sep?x', undefined, 401)),
  name('by separated prefix that goes on', get('/match/separate', undefined, 200)),
  name('in any case', get('/match/FOLD', undefined, 401)),
  name('off for the route', get('/plain/off', undefined, 200)),
  name('requirement of the route', get('/route/named', undefined, 401)),
  name('requirement that is not there', get('/route/unknown', good, 403)),
  name('preflight passes', {
    name: '',
    send: {
      method: 'OPTIONS',
      path: '/plain/',
      headers: [
        ['origin', 'a'],
        ['access-control-request-method', 'GET'],
      ],
    },
    want: { status: 200, upstream: 1 },
  }),
  name('OPTIONS that is no preflight', {
    name: '',
    send: { method: 'OPTIONS', path: '/plain/', headers: [['origin', 'a']] },
    want: { status: 401 },
  }),
  name('gRPC', {
    name: '',
    send: { method: 'POST', path: '/plain/', headers: [['content-type', 'application/grpc']] },
    want: { headers: { 'grpc-status': '16' } },
  }),
  name('a long path is cut', get(`/plain/${'x'.repeat(400)}`, undefined, 401)),
  name('the scheme that the client used', {
    name: '',
    send: { path: '/plain/', headers: [['x-forwarded-proto', 'https']] },
    want: { status: 401 },
  }),
  name('failures without a word', { ...get('/', undefined, 401, ''), listener: 'silent' }),
  name('failures without a word: bad', { ...get('/', 'bad', 401, ''), listener: 'silent' }),
  // Remote keys.
  name('remote keys', { ...get('/remote/', good, 200), want: { status: 200, upstream: 2 } }),
  name('remote keys are kept', get('/remote/', good, 200)),
  name('remote keys: body waits', {
    name: '',
    except: { parts: ['upstream'], because: 'Envoy sends its second try of a GET with an empty chunked body' },
    send: { method: 'POST', path: '/remote-retry/', headers: [bearer(good)], body: 'abc' },
    want: { status: 200 },
  }),
  name('remote keys: 503', get('/remote-503/', good, 401, 'Jwks remote fetch is failed')),
  name('remote keys: empty', get('/remote-empty/', good, 401)),
  name('remote keys: no keys', get('/remote-bad/', good, 401)),
  name('remote keys: no cluster', get('/remote-nowhere/', good, 401)),
  name('remote keys: fetched ahead', get('/remote-async/', good, 200)),
  name('remote keys: fetched ahead, nobody waits', get('/remote-fast/', good, 200)),
  name('remote keys: bad token is not worth a fetch', get('/remote-503/', 'bad', 401)),
];

test('JWT authentication as Envoy does it', { skip: withoutReference }, async (t) => {
  const providers = Object.fromEntries(
    Object.entries(PROVIDERS).map(([key, value]) => [key, { issuer: ISS, ...value }]),
  );
  const filter = (fields: JsonObject) => [
    named('envoy.filters.http.jwt_authn', 'http.jwt_authn.v3.JwtAuthentication', fields),
  ];
  const KEYS = [
    'payload:sub',
    'payload:scope',
    'payload:list',
    'header:alg',
    'header:kid',
    'failed:code',
    'failed:message',
  ];
  const logFormat = KEYS.map((key) => `%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:${key})%`).join(' ');
  const answers = () => {
    let tries = 0;
    return {
      jwks: ({ startLine }: { startLine: string }) => {
        if (startLine.includes('/503')) return encodeMessage('HTTP/1.1 503 No', [['content-length', '0']]);
        if (startLine.includes('/empty')) return encodeMessage('HTTP/1.1 200 OK', [['content-length', '0']]);
        if (startLine.includes('/bad')) return encodeMessage('HTTP/1.1 200 OK', [], '{"keys":[{}]}');
        if (startLine.includes('/retry') && tries++ % 3 < 2)
          return encodeMessage('HTTP/1.1 500 No', [['content-length', '0']]);
        return encodeMessage('HTTP/1.1 200 OK', [], jwks([RSA.jwk()]));
      },
    };
  };
  const twins = await twinProxies(t, {
    listeners: ['main', 'silent', 'single'],
    backends: answers,
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            logFormat,
            filters: filter({
              providers,
              rules: RULES,
              requirement_map: { 'by-name': provider('plain') },
              bypass_cors_preflight: true,
            }),
            routes: ROUTES,
          }),
          httpListener('single', {
            port: env.port('single'),
            log: env.log('single'),
            filters: filter({
              providers: { claims: { ...providers.claims, failed_status_in_metadata: 'failed' } },
              rules: [
                { match: { prefix: '/missing' }, requires: MISSING },
                { match: { prefix: '/failed' }, requires: FAILED },
              ],
            }),
            logFormat,
          }),
          httpListener('silent', {
            port: env.port('silent'),
            log: env.log('silent'),
            filters: filter({
              providers: { plain: providers.plain },
              rules: [{ match: { prefix: '/' }, requires: provider('plain') }],
              strip_failure_response: true,
            }),
          }),
        ],
        clusters: [cluster('backend', env.backend('backend')), cluster('jwks', env.backend('jwks'))],
      },
    }),
  });
  await compare(t, twins, CASES);
  await t.test('statistics', async () => {
    const stats = async (twin: (typeof twins)['envoy']) =>
      (await twin.admin('/stats?filter=jwt_authn')).split('\n').sort();
    assert.deepEqual(await stats(twins.isthmus), await stats(twins.envoy));
  });
});
