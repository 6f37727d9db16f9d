import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { compileFilter } from '../../../../test/support/compile-filter.ts';
import { FakeClusters } from '../../../../test/support/fake-cluster.ts';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { secretKey, token } from '../../../../test/support/jwt.ts';
import { Headers } from '../../../wire/headers.ts';
import { HeadersStatus } from '../../http/filter.ts';
import { jwtAuthn } from './definition.ts';

const KEY = secretKey('k');
const SET = JSON.stringify({ keys: [KEY.jwk()] });
const LOCAL = { localJwks: { inlineString: SET } };
const REMOTE = { remoteJwks: { httpUri: { uri: 'https://a.example/keys', cluster: 'jwks', timeout: '1s' } } };
const MATCH = { prefix: '/' };
const rules = (requires: JsonObject): JsonObject[] => [{ match: MATCH, requires }];

test('what is wrong is told with its path', () => {
  const table: [JsonObject, string][] = [
    [{ providers: { p: {} } }, 'providers["p"]: remote_jwks or local_jwks is needed'],
    [
      { providers: { p: { localJwks: { inlineString: '{}' } } } },
      'providers["p"].local_jwks: is not a JSON Web Key Set with a key that can be used',
    ],
    [
      { providers: { p: { remoteJwks: { httpUri: { uri: 'a', cluster: 'c', timeout: '1s' } } } } },
      'providers["p"].remote_jwks.http_uri.uri: "a" is not a URL',
    ],
    [
      { providers: { p: { remoteJwks: { httpUri: { uri: 'http://a', timeout: '1s' } } } } },
      'providers["p"].remote_jwks.http_uri.cluster: must not be empty',
    ],
    [{ rules: [{ requires: {} }] }, 'rules[0].match: is needed'],
    [
      { rules: [{ match: MATCH, requirementName: 'x' }], requirementMap: { a: {} } },
      'rules[0].requirement_name: "x" is none of the requirement_map\'s [a]',
    ],
  ];
  for (const [json, want] of table) assert.ok(compileFilter(jwtAuthn, json).errors.includes(want), want);
});

function start(json: JsonObject, bearer: string | undefined, clusters = new FakeClusters('jwks')) {
  const { factory, errors, stats, worker } = compileFilter(jwtAuthn, json, { clusters });
  assert.deepEqual(errors, []);
  const callbacks = new StubCallbacks({ clusters });
  if (bearer !== undefined) callbacks.requestHeaders.add('authorization', `Bearer ${bearer}`);
  const filter = factory.create(callbacks)!;
  const status = filter.requestHeaders!(callbacks.requestHeaders, true);
  return { factory, callbacks, filter, status, clusters, worker, stats: () => stats('http.test.jwt_authn.') };
}

describe('a request with a token', () => {
  const config = { providers: { p: { issuer: 'i', ...LOCAL } }, rules: rules({ providerName: 'p' }) };

  test('passes without it if the token is good', () => {
    const { status, callbacks, stats } = start(config, token(KEY, { iss: 'i' }));
    assert.equal(status, HeadersStatus.Continue);
    assert.equal(callbacks.requestHeaders.has('authorization'), false);
    assert.equal(stats().allowed, 1);
  });

  test('is refused with a challenge if it is not', () => {
    const table: [string | undefined, number, string, string][] = [
      [undefined, 401, 'Jwt is missing', 'Bearer realm="://example.com/"'],
      ['x', 401, 'Jwt is not in the form', 'error="invalid_token"'],
      [token(secretKey('other'), { iss: 'i' }, { kid: 'k' }), 401, 'Jwt verification fails', 'error="invalid_token"'],
      [token(KEY, { iss: 'j' }), 401, 'Jwt issuer is not configured', 'error="invalid_token"'],
      [token(KEY, { iss: 'i', exp: 1 }), 401, 'Jwt is expired', 'error="invalid_token"'],
    ];
    for (const [bearer, code, text, challenge] of table) {
      const { callbacks, stats } = start(config, bearer);
      const [reply] = callbacks.replies;
      assert.equal(reply.status, code);
      assert.ok(reply.body.startsWith(text), reply.body);
      assert.match(reply.details, /^jwt_authn_access_denied\{Jwt_[^ ]*\}$/);
      const headers = Headers.response(code);
      reply.edit!(headers);
      assert.ok(headers.get('www-authenticate')!.includes(challenge));
      assert.equal(stats().denied, 1);
    }
  });
});

describe('keys that have to be fetched', () => {
  const config = { providers: { p: { issuer: 'i', ...REMOTE } }, rules: rules({ providerName: 'p' }) };

  test('the request waits for them', () => {
    const { status, callbacks, clusters } = start(config, token(KEY, { iss: 'i' }));
    assert.equal(status, HeadersStatus.StopAll);
    clusters.last.answer(200, SET);
    assert.deepEqual(callbacks.calls, ['continueRequest']);
  });

  test('and is refused if there are none', () => {
    const { callbacks, clusters } = start(config, token(KEY, { iss: 'i' }));
    clusters.last.answer(503);
    assert.deepEqual(callbacks.calls, ['reply 401 Jwks remote fetch is failed']);
  });

  test('nothing is done for a request that is gone', () => {
    const { filter, callbacks, clusters } = start(config, token(KEY, { iss: 'i' }));
    filter.destroy!();
    clusters.last.answer(200, SET);
    assert.deepEqual(callbacks.calls, []);
  });

  test('in the background, until the configuration goes', () => {
    const asyncFetch = { ...REMOTE.remoteJwks, asyncFetch: {}, cacheDuration: '60s' };
    const json = { providers: { p: { issuer: 'i', remoteJwks: asyncFetch } }, rules: rules({ providerName: 'p' }) };
    const { factory, worker, clusters } = start(json, undefined);
    clusters.last.answer(200, SET);
    worker.timers.advance(55_000);
    assert.equal(clusters.exchanges.length, 2);
    clusters.last.answer(503);
    factory.dispose!();
    worker.timers.advance(600_000);
    assert.equal(clusters.exchanges.length, 2);
  });
});

test('requirements that are met by one or by all', () => {
  const config = (requires: JsonObject) => ({
    providers: {
      a: { issuer: 'a', ...LOCAL, fromHeaders: [{ name: 'authorization', valuePrefix: 'Bearer ' }] },
      b: { issuer: 'b', ...LOCAL, fromHeaders: [{ name: 'x-b' }] },
    },
    rules: rules(requires),
  });
  const both = { requirements: [{ providerName: 'a' }, { providerName: 'b' }] };
  const passes = (requires: JsonObject, issuer?: string) =>
    start(config(requires), issuer && token(KEY, { iss: issuer })).status === HeadersStatus.Continue;
  assert.equal(passes({ requiresAny: both }, 'a'), true);
  assert.equal(passes({ requiresAny: both }), false);
  assert.equal(passes({ requiresAll: both }, 'a'), false);
  assert.equal(passes({ allowMissing: {} }), true);
  assert.equal(passes({ allowMissing: {} }, 'c'), false);
  assert.equal(passes({ allowMissingOrFailed: {} }, 'c'), true);
});
