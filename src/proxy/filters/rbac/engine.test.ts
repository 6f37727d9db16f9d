import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { stubConnection } from '../../../../test/support/filter-callbacks.ts';
import { RBACSchema } from '../../../api/gen/envoy/config/rbac/v3/rbac_pb.ts';
import { registry } from '../../../api/registry.ts';
import { Headers } from '../../../wire/headers.ts';
import { ConfigErrors } from '../../config/errors.ts';
import type { Connection, PeerCertificate, TlsInfo } from '../../net/connection.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import { rbacEngine, refusalDetails } from './engine.ts';
import { UPSTREAM_ADDRESS } from './matchers.ts';

function engine(json: JsonObject) {
  const errors = new ConfigErrors();
  return { engine: rbacEngine(fromJson(RBACSchema, json, { registry }), errors)!, errors: errors.list };
}

function judge(
  policy: { permission?: JsonObject; principal?: JsonObject },
  options: { connection?: Partial<Connection>; headers?: Headers; fill?: (info: StreamInfo) => void } = {},
): boolean {
  const { engine: compiled, errors } = engine({
    policies: {
      p: { permissions: [policy.permission ?? { any: true }], principals: [policy.principal ?? { any: true }] },
    },
  });
  assert.deepEqual(errors, []);
  const connection = stubConnection(options.connection);
  const info = new StreamInfo(connection, 0, 0);
  options.fill?.(info);
  return compiled.judge({ connection, headers: options.headers, info }).allowed;
}

function tls(peer: Partial<PeerCertificate> | undefined, sni = ''): Partial<Connection> {
  const none = { uriSans: [], dnsSans: [], ipSans: [], emailSans: [], subject: '', validated: true };
  return { tls: { sni, peer: peer && { ...none, ...peer } } as unknown as TlsInfo };
}

describe('who a TLS peer is', () => {
  const name = (exact: string): JsonObject => ({ authenticated: { principalName: { exact } } });
  const SPIFFE = 'spiffe://cluster.local/ns/a/sa/b';
  const table: [string, JsonObject, Partial<Connection>, boolean][] = [
    ['plaintext', { authenticated: {} }, {}, false],
    ['any TLS peer', { authenticated: {} }, tls(undefined), true],
    ['its URI', name(SPIFFE), tls({ uriSans: [SPIFFE] }), true],
    ['its second URI', name(SPIFFE), tls({ uriSans: ['spiffe://x', SPIFFE] }), true],
    ['another URI', name(SPIFFE), tls({ uriSans: [`${SPIFFE}c`] }), false],
    ['a DNS name', name('a.example'), tls({ dnsSans: ['a.example'] }), true],
    ['the subject', name('CN=a'), tls({ subject: 'CN=a' }), true],
    ['the subject beside a URI', name('CN=a'), tls({ uriSans: [SPIFFE], subject: 'CN=a' }), true],
    ['an e-mail address is no name', name('a@b'), tls({ emailSans: ['a@b'] }), false],
    ['no certificate', name(SPIFFE), tls(undefined), false],
    [
      'no certificate, and a rule that takes everything',
      { authenticated: { principalName: { prefix: '' } } },
      tls(undefined),
      true,
    ],
    ['plaintext, and a rule that takes everything', { authenticated: { principalName: { prefix: '' } } }, {}, false],
    ['not that one', { notId: name(SPIFFE) }, tls({ uriSans: [SPIFFE] }), false],
  ];
  for (const [title, principal, connection, allowed] of table) {
    test(title, () => assert.equal(judge({ principal }, { connection }), allowed));
  }
});

test('the server name comes from the handshake if no listener filter saw it', () => {
  const permission = { requestedServerName: { exact: 'a.example' } };
  assert.equal(judge({ permission }, { connection: tls(undefined, 'a.example') }), true);
  assert.equal(judge({ permission }, { connection: { requestedServerName: 'a.example' } }), true);
  assert.equal(
    judge({ permission }, { connection: { ...tls(undefined, 'a.example'), requestedServerName: 'b' } }),
    false,
  );
});

test('addresses: of the socket, of the connection, and of the client behind it', () => {
  const at = (address: string) => ({ address, port: 1, family: 4 as const });
  const connection = { directRemote: at('10.0.0.1'), remote: at('10.0.0.2'), local: { ...at('10.0.0.4'), port: 80 } };
  const range = (address: string) => ({ addressPrefix: address, prefixLen: 32 });
  const fill = (info: StreamInfo) => (info.remoteAddress = at('10.0.0.3'));
  const table: [JsonObject, string][] = [
    [{ principal: { directRemoteIp: range('10.0.0.1') } }, '1'],
    [{ principal: { sourceIp: range('10.0.0.2') } }, '2'],
    [{ principal: { remoteIp: range('10.0.0.3') } }, '3'],
    [{ permission: { destinationIp: range('10.0.0.4') } }, '4'],
  ];
  for (const [policy, digit] of table) {
    assert.equal(judge(policy, { connection, fill }), true, digit);
    const swapped = JSON.parse(JSON.stringify(policy).replace(/10\.0\.0\.\d/, '10.0.0.9')) as JsonObject;
    assert.equal(judge(swapped, { connection, fill }), false, digit);
  }
  const v6 = { remote: { address: '::ffff:10.0.0.2', port: 1, family: 6 as const } };
  assert.equal(judge({ principal: { sourceIp: range('10.0.0.2') } }, { connection: v6 }), true);
});

test('rules about requests do not hold for connections', () => {
  assert.equal(judge({ permission: { urlPath: { path: { prefix: '' } } } }), false);
  assert.equal(judge({ permission: { header: { name: 'x', presentMatch: false } } }), false);
});

test('a path is compared without query and fragment', () => {
  const permission = { urlPath: { path: { suffix: '/end' } } };
  const table: [string, boolean][] = [
    ['/end', true],
    ['/end?x', true],
    ['/end#x', true],
    ['/?/end', false],
    ['/#/end', false],
    ['/end#?', true],
  ];
  for (const [path, allowed] of table) {
    assert.equal(judge({ permission }, { headers: Headers.request('GET', path, 'a') }), allowed, path);
  }
  assert.equal(judge({ permission }, { headers: Headers.request('CONNECT', '', 'a:1') }), false);
});

test('what other filters left', () => {
  const principal = { filterState: { key: 'io.istio.peer_principal', stringMatch: { prefix: 'spiffe://' } } };
  assert.equal(judge({ principal }), false);
  const set = (value: unknown) => (info: StreamInfo) => info.setFilterState('io.istio.peer_principal', value);
  assert.equal(judge({ principal }, { fill: set('spiffe://a') }), true);
  assert.equal(judge({ principal }, { fill: set('a') }), false);

  const permission = (range: JsonObject): JsonObject => ({
    matcher: {
      name: 'envoy.rbac.matchers.upstream_ip_port',
      typedConfig: {
        '@type': 'type.googleapis.com/envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher',
        ...range,
      },
    },
  });
  const fill = (info: StreamInfo) =>
    info.setFilterState(UPSTREAM_ADDRESS, { address: '10.1.2.3', port: 80, family: 4 });
  const ip = { upstreamIp: { addressPrefix: '10.1.0.0', prefixLen: 16 } };
  const ports = { upstreamPortRange: { start: '80', end: '81' } };
  assert.equal(judge({ permission: permission({ ...ip, ...ports }) }, { fill }), true);
  assert.equal(judge({ permission: permission({ upstreamPortRange: { start: '81', end: '90' } }) }, { fill }), false);
  assert.equal(
    judge({ permission: permission({ upstreamIp: { addressPrefix: '10.2.0.0', prefixLen: 16 } }) }, { fill }),
    false,
  );
});

test('policies are tried by name, and the first one is named', () => {
  const all = { permissions: [{ any: true }], principals: [{ any: true }] };
  const { engine: compiled } = engine({ action: 'DENY', policies: { b: all, 'a b': all, ä: all } });
  const connection = stubConnection();
  const verdict = compiled.judge({ connection, headers: undefined, info: new StreamInfo(connection, 0, 0) });
  assert.deepEqual(verdict, { allowed: false, policy: 'a b' });
  assert.equal(refusalDetails(verdict.policy), 'rbac_access_denied_matched_policy[a_b]');
  assert.equal(refusalDetails(''), 'rbac_access_denied_matched_policy[none]');
});

test('what is wrong is told with its path, and matches nothing', () => {
  const rule = (permission: JsonObject, principal: JsonObject = { any: true }): JsonObject => ({
    policies: { p: { permissions: [permission], principals: [principal] } },
  });
  const table: [JsonObject, string][] = [
    [{ policies: { p: { principals: [{ any: true }] } } }, 'policies["p"].permissions'],
    [{ policies: { p: { permissions: [{ any: true }] } } }, 'policies["p"].principals'],
    [rule({}), 'policies["p"].permissions[0]'],
    [rule({ any: false }), 'policies["p"].permissions[0].any'],
    [rule({ andRules: { rules: [] } }), 'policies["p"].permissions[0].and_rules.rules'],
    [rule({ notRule: {} }), 'policies["p"].permissions[0].not_rule'],
    [rule({ urlPath: {} }), 'policies["p"].permissions[0].url_path.path'],
    [rule({ destinationIp: { addressPrefix: 'x' } }), 'policies["p"].permissions[0].destination_ip'],
    [
      rule({ destinationIp: { addressPrefix: '10.0.0.0', prefixLen: 33 } }),
      'policies["p"].permissions[0].destination_ip',
    ],
    [rule({ destinationPortRange: { start: 5, end: 5 } }), 'policies["p"].permissions[0].destination_port_range'],
    [rule({ matcher: { name: 'x' } }), 'policies["p"].permissions[0].matcher.typed_config'],
    [
      rule({ header: { name: 'a', safeRegexMatch: { regex: '(' } } }),
      'policies["p"].permissions[0].header.safe_regex_match.regex',
    ],
    [rule({ any: true }, {}), 'policies["p"].principals[0]'],
    [rule({ any: true }, { orIds: { ids: [] } }), 'policies["p"].principals[0].or_ids.ids'],
    [rule({ any: true }, { filterState: { key: 'a' } }), 'policies["p"].principals[0].filter_state'],
    [
      rule({ any: true }, { metadata: { filter: 'a', value: { boolMatch: true } } }),
      'policies["p"].principals[0].metadata.path',
    ],
  ];
  for (const [json, path] of table) {
    const { engine: compiled, errors } = engine(json);
    assert.equal(errors[0]?.path, path, JSON.stringify(json));
    const connection = stubConnection();
    if (path.endsWith('permissions[0]')) {
      const subject = { connection, headers: undefined, info: new StreamInfo(connection, 0, 0) };
      assert.equal(compiled.judge(subject).allowed, false);
    }
  }
});
