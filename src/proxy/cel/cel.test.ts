import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stubConnection } from '../../../test/support/filter-callbacks.ts';
import { Headers } from '../../wire/headers.ts';
import { StreamInfo } from '../observe/stream-info.ts';
import { streamActivation } from './attributes.ts';
import { compileCel } from './compile.ts';
import { CelSyntaxError } from './tokens.ts';
import { CelError, print } from './values.ts';

const INFO = new StreamInfo(
  stubConnection({
    requestedServerName: 'outbound_.80_._.web',
    tls: {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_128_GCM_SHA256',
      alpn: 'istio',
      sni: 'outbound_.80_._.web',
      resumed: false,
      peer: undefined,
      localUriSans: ['spiffe://a/ns/b/sa/c'],
      localDnsSans: [],
      localSubject: '',
    },
  }),
  0,
  Date.UTC(2030, 0, 1),
);
INFO.requestHeaders = Headers.request(
  'GET',
  '/a/b?c=d',
  'web:80',
  'x-user',
  'ann',
  'x-user',
  'bob',
  'content-length',
  '7',
);
INFO.responseHeaders = Headers.response(200, 'x-kind', 'full');
INFO.responseTrailers = Headers.response(0, 'grpc-status', '5');
INFO.responseCode = 200;
INFO.protocol = 'HTTP/1.1';
INFO.routeName = 'default';
INFO.upstreamCluster = 'outbound|80||web';
INFO.clusterMetadata = new Map([['istio', { services: [{ name: 'web', port: 80 }] }]]);
INFO.end = 12;
INFO.setFilterState('downstream_peer', { app: 'sleep', labels: { role: 'db' } });

const activation = streamActivation({
  id: 'sidecar~1',
  cluster: 'web.shop',
  metadata: { NAME: 'web-0', LABELS: { app: 'web' } },
  region: 'west',
  zone: '',
  subZone: '',
  localAddress: '10.0.0.9',
})(INFO);

/** What an expression prints, or `-` if it has no value. */
function evaluate(text: string): string {
  const program = compileCel(text);
  try {
    return print(program(activation));
  } catch (error) {
    if (error instanceof CelError) return '-';
    throw error;
  }
}

const table = (rows: readonly (readonly [string, string])[]) => {
  for (const [text, expected] of rows) assert.equal(evaluate(text), expected, text);
};

test('literals', () => {
  table([
    ['1', '1'],
    ['0x1fu', '31'],
    ['1.5', '1.5'],
    ['1e3', '1000'],
    ['.5', '0.5'],
    ['"a\\n\\x41\\u00e9\\101"', 'a\nAéA'],
    ["r'\\d'", '\\d'],
    ["b'ab'", 'ab'],
    ["'''a'b\nc'''", "a'b\nc"],
    ['true', 'true'],
    ['null', 'NULL'],
    ['[1, 2][1]', '2'],
    ['{"a": 1, "b": 2}["b"]', '2'],
    ['{"a": {"b": 3}}.a.b', '3'],
    ['1 // the rest', '1'],
  ]);
});

test('operators bind as the specification says', () => {
  table([
    ['1 + 2 * 3', '7'],
    ['(1 + 2) * 3', '9'],
    ['7 - 2 - 1', '4'],
    ['-7 / 2', '-3'],
    ['-7 % 3', '-1'],
    ['1.0 / 4.0', '0.25'],
    ['"a" + "b"', 'ab'],
    ['1 < 2 && 2 < 1 || true', 'true'],
    ['!false && !!true', 'true'],
    ['1 == 1.0', 'true'],
    ['1 != 2', 'true'],
    ['"a" in ["b", "a"]', 'true'],
    ['"a" in {"a": 1}', 'true'],
    ['true ? 1 : false ? 2 : 3', '1'],
    ['false ? 1 : false ? 2 : 3', '3'],
    ['[1, [2]] == [1, [2]]', 'true'],
    ['{"a": 1} == {"a": 1.0}', 'true'],
  ]);
});

test('what has no value, and what makes up for it', () => {
  table([
    ['nothing', '-'],
    ['request.headers["nothing"]', '-'],
    ['request.nothing', '-'],
    ['1 / 0', '-'],
    ['1 + "a"', '-'],
    ['1 + 1.0', '-'],
    ['9223372036854775807 * 4', '-'],
    ['nothing || true', 'true'],
    ['true || nothing', 'true'],
    ['nothing && false', 'false'],
    ['nothing && true', '-'],
    ['"a" || true', 'true'],
    ['"a" || false', '-'],
    ['true ? 1 : nothing', '1'],
    ['has(request.nothing)', 'false'],
    ['has(request.host)', 'true'],
    ['[][0]', '-'],
  ]);
});

test('functions and macros', () => {
  table([
    ['size("aé")', '2'],
    ['"abc".size()', '3'],
    ['[1, 2].size()', '2'],
    ['"abc".startsWith("ab")', 'true'],
    ['"abc".endsWith("ab")', 'false'],
    ['"abc".contains("b")', 'true'],
    ['"abc".matches("^a.c$")', 'true'],
    ['"abc".matches("(")', '-'],
    ['int("12") + int(1.9)', '13'],
    ['uint(-1)', '-'],
    ['double("1.25")', '1.25'],
    ['string(12)', '12'],
    ['type(1)', 'int'],
    ['duration("1m30s") > duration("80s")', 'true'],
    ['timestamp("2030-01-01T00:00:00Z") + duration("1h") == timestamp("2030-01-01T01:00:00Z")', 'true'],
    ['[1, 2, 3].all(x, x > 0)', 'true'],
    ['[1, 2, 3].exists(x, x > 2)', 'true'],
    ['[1, 2, 3].exists_one(x, x > 1)', 'false'],
    ['[1, 2, 3].filter(x, x > 1)[0]', '2'],
    ['[1, 2].map(x, [3].map(y, x + y)[0])[1]', '5'],
    ['{"a": 1}.all(k, k == "a")', 'true'],
  ]);
});

test('attributes of a stream', () => {
  table([
    ['request.path', '/a/b?c=d'],
    ['request.url_path', '/a/b'],
    ['request.query', 'c=d'],
    ['request.host', 'web:80'],
    ['request.method', 'GET'],
    ['request.headers["x-user"]', 'ann,bob'],
    ['request.headers["X-User"]', 'ann,bob'],
    ['request.headers[":path"]', '/a/b?c=d'],
    ['request.protocol', 'HTTP/1.1'],
    ['request.size', '7'],
    ['request.duration', '0.012s'],
    ['request.time == timestamp("2030-01-01T00:00:00Z")', 'true'],
    ['response.code', '200'],
    ['response.code >= 500 ? "bad" : "good"', 'good'],
    ['response.headers["x-kind"]', 'full'],
    ['response.grpc_status', '5'],
    ['source.address', '10.0.0.1:1000'],
    ['destination.port', '8080'],
    ['connection.mtls', 'false'],
    ['connection.tls_version', 'TLSv1.3'],
    ['connection.uri_san_local_certificate', 'spiffe://a/ns/b/sa/c'],
    ['connection.requested_server_name', 'outbound_.80_._.web'],
    ['upstream.address', '-'],
    ['xds.route_name', 'default'],
    ['xds.cluster_name', 'outbound|80||web'],
    ['xds.cluster_metadata.filter_metadata["istio"].services[0].name', 'web'],
    ['xds.cluster_metadata.filter_metadata.istio.services[0].port', '80'],
    ['node.metadata["NAME"]', 'web-0'],
    ['node.metadata.LABELS.app', 'web'],
    ['node.id', 'sidecar~1'],
    ['filter_state["downstream_peer"].app', 'sleep'],
    ['filter_state.downstream_peer.labels["role"]', 'db'],
    ['downstream_peer.app', 'sleep'],
    ['filter_state.upstream_peer.app', '-'],
    ['metadata.filter_metadata["nobody"]', '-'],
  ]);
});

test('doubles print with six digits', () => {
  table([
    ['1.0 / 3.0', '0.333333'],
    ['1234567.0', '1.23457e+06'],
    ['0.00001', '1e-05'],
    ['2.0', '2'],
  ]);
});

test('what is no expression', () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['', /expected a value but found the end/],
    ['1 +', /expected a value but found the end at column 4/],
    ['1 2', /expected an operator or the end but found "2" at column 3/],
    ['a.', /the name of a field/],
    ['(1', /expected "\)"/],
    ['"a', /unexpected "\\"" at column 1/],
    ['"\\q"', /is no escape/],
    ['a # b', /unexpected "#" at column 3/],
    ['foo(1)', /there is no function foo\(\)/],
    ['size(1, 2)', /size\(\) takes 1 arguments, not 2/],
    ['has(a)', /has\(\) needs a field/],
    ['99999999999999999999', /does not fit into 64 bits/],
    ['('.repeat(300), /nested too deeply/],
    ['-'.repeat(300), /nested too deeply/],
    [`a${'.a'.repeat(1001)}`, /too many operators/],
    [`1${'+1'.repeat(1001)}`, /too many operators/],
  ];
  for (const [text, message] of wrong) {
    assert.throws(
      () => compileCel(text),
      (error) => error instanceof CelSyntaxError && message.test(error.message),
      text,
    );
  }
});
