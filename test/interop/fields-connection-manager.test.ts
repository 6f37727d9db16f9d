import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, named } from '../support/envoy-config.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compareRows, type TwinRow } from '../support/twin-rows.ts';

const headerFormat = (format: JsonObject) => ({ http_protocol_options: { header_key_format: format } });
const PRESERVED = headerFormat({
  stateful_formatter: named(
    'preserve_case',
    'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
  ),
});
const protocols = (options: JsonObject) => ({
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      options,
    ),
  },
});
const answered = (status: string, headers: readonly (readonly [string, string])[] = []) =>
  encodeMessage(`HTTP/1.1 ${status}`, headers, 'from upstream');

/** Names of many shapes, bodies of both framings. */
const SPELLED: TwinRow['send'] = [
  { path: '/a?b', headers: [['x-mixed-Case', '1']] },
  {
    headers: [
      ['HOST', 'a.test'],
      ['X-Mixed-Case', '1'],
      ['x-mIxed-case', '2'],
      ['X_Y-z.a', '1'],
    ],
  },
  { method: 'POST' },
  { method: 'POST', headers: [['Content-Length', '1']], body: 'a' },
  { method: 'POST', headers: [['TRANSFER-encoding', 'chunked']], body: '1\r\na\r\n0\r\n\r\n' },
  { answer: answered('200 OK', [['X-soMe-Header', '1']]) },
  { answer: 'HTTP/1.1 200 OK\r\nTransfer-ENCODING: chunked\r\nX-a: 1\r\n\r\n1\r\na\r\n0\r\n\r\n' },
  { path: '/', headers: [['expect', '100-continue']], method: 'POST', body: 'a' },
];

const ROWS: readonly TwinRow[] = [
  {
    name: 'header_key_format: proper_case_words',
    manager: headerFormat({ proper_case_words: {} }),
    send: SPELLED,
  },
  ...(['listener', 'cluster', 'both'] as const).map((where) => ({
    name: `header_key_format: stateful_formatter of the ${where}`,
    ...(where === 'cluster' ? {} : { manager: PRESERVED }),
    ...(where === 'listener' ? {} : { cluster: protocols({ explicit_http_config: PRESERVED }) }),
    route: {
      request_headers_to_add: [
        { header: { key: 'x-mixed-case', value: 'again' } },
        { header: { key: 'X-New', value: '1' } },
      ],
    },
    send: SPELLED,
  })),
  {
    name: 'scheme_header_transformation: scheme_to_overwrite',
    manager: { scheme_header_transformation: { scheme_to_overwrite: 'https' } },
    log: '%REQ(:SCHEME)%',
    send: [{}, { headers: [['x-forwarded-proto', 'http']] }],
  },
  {
    name: 'strip_matching_host_port',
    manager: { strip_matching_host_port: true },
    log: '%REQ(:AUTHORITY)%',
    send: ['a.test:<own>', 'a.test:1', 'a.test', '[::1]:<own>'].map((host) => ({ headers: [['host', host]] })),
  },
  {
    name: 'strip_any_host_port',
    manager: { strip_any_host_port: true },
    log: '%REQ(:AUTHORITY)%',
    send: [{ headers: [['host', 'a.test:1']] }, { headers: [['host', '[::1]:80']] }, { headers: [['host', 'a.test']] }],
  },
  {
    name: 'strip_trailing_host_dot',
    manager: { strip_trailing_host_dot: true },
    log: '%REQ(:AUTHORITY)%',
    send: [
      { headers: [['host', 'a.test.']] },
      { headers: [['host', 'a.test.:80']] },
      { headers: [['host', 'a.test..']] },
    ],
  },
];

test('fields of the connection manager change what Envoy and ours answer', { skip: withoutReference }, async (t) => {
  await compareRows(t, ROWS);
});
