import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../../wire/headers.ts';
import { ResponseFlag } from '../observe/response-flags.ts';
import { checkRequest, codecErrorReply, type RequestCheckConfig } from './request-checks.ts';

const LENIENT: RequestCheckConfig = {
  underscores: 'allow',
  escapedSlashes: 'keep',
  normalizePath: false,
  mergeSlashes: false,
};

interface Case {
  readonly name: string;
  readonly config?: Partial<RequestCheckConfig>;
  readonly method?: string;
  readonly path: string;
  /** `STATUS DETAILS`, or nothing where the request is taken. */
  readonly refused?: string;
  /** The path of a request that is taken; as it came unless told. */
  readonly becomes?: string;
  readonly location?: string;
  readonly endsConnection?: true;
}

const BAD = { refused: '400 path_normalization_failed', endsConnection: true } as const;

const CASES: readonly Case[] = [
  { name: 'a path', path: '/a/../b//c%2Fd?x=%2F' },
  { name: 'OPTIONS of everything', method: 'OPTIONS', path: '*' },
  { name: 'CONNECT has no path', method: 'CONNECT', path: '' },
  { name: 'no path', path: '', refused: '404 absolute_path_rejected' },
  { name: 'a path that is none', path: 'a/b', refused: '404 absolute_path_rejected' },
  { name: 'a fragment', path: '/a#b', ...BAD },
  { name: 'normalized', config: { normalizePath: true }, path: '/a/./b/../c?d/../e', becomes: '/a/c?d/../e' },
  { name: 'what cannot be', config: { normalizePath: true }, path: '/a%00', ...BAD },
  { name: 'merged slashes', config: { mergeSlashes: true }, path: '//a///b?c//d', becomes: '/a/b?c//d' },
  { name: 'escaped slashes refused', config: { escapedSlashes: 'reject' }, path: '/a%2Fb', ...BAD },
  { name: 'escaped slashes kept', config: { escapedSlashes: 'keep' }, path: '/a%5cb' },
  { name: 'escaped slashes read', config: { escapedSlashes: 'forward' }, path: '/a%2fb', becomes: '/a/b' },
  {
    name: 'escaped slashes redirected',
    config: { escapedSlashes: 'redirect', mergeSlashes: true },
    path: '/a%2f%2Fb',
    refused: '307 path_normalization_failed',
    location: '/a/b',
  },
];

for (const { name, config, method = 'GET', path, refused, becomes = path, location, endsConnection } of CASES) {
  test(name, () => {
    const headers = Headers.request(method, path, 'a.b');
    const refusal = checkRequest(headers, { ...LENIENT, ...config });
    assert.equal(refusal && `${refusal.reply.status} ${refusal.reply.details}`, refused);
    assert.equal(refusal?.endsConnection, endsConnection);
    if (refusal === undefined) assert.equal(headers.path, becomes);
    else assert.ok(refusal.counter, 'is counted');
    const answer = Headers.response(307);
    refusal?.reply.edit?.(answer);
    assert.equal(answer.get('location'), location);
  });
}

test('names with underscores: allowed, dropped, refused without a head for the log', () => {
  const request = () => {
    const headers = Headers.request('GET', '/', 'a.b');
    headers.add('x_a', '1');
    headers.add('x-b', '_');
    return headers;
  };
  const allowed = request();
  assert.equal(checkRequest(allowed, LENIENT), undefined);
  assert.equal(allowed.get('x_a'), '1');
  const dropped = request();
  assert.equal(checkRequest(dropped, { ...LENIENT, underscores: 'drop' }), undefined);
  assert.deepEqual([dropped.has('x_a'), dropped.get('x-b')], [false, '_']);
  const refusal = checkRequest(request(), { ...LENIENT, underscores: 'reject' });
  assert.deepEqual([refusal?.reply.details, refusal?.headless], ['http1.unexpected_underscore', true]);
  const fine = Headers.request('GET', '/', 'a.b');
  fine.add('x-b', '_');
  assert.equal(checkRequest(fine, { ...LENIENT, underscores: 'reject' }), undefined);
});

test('what the codec refuses is answered with its status, and a text that goes with it', () => {
  const cases: [number, string, string][] = [
    [400, 'http1.codec_error', '400 Bad Request'],
    [431, 'http1.headers_too_large', '431 Request Header Fields Too Large'],
    [426, 'low_version', '426 Upgrade Required'],
    [418, 'other', '418 Bad Request'],
    [400, 'missing_host_header', '400 '],
  ];
  for (const [status, details, wanted] of cases) {
    const reply = codecErrorReply({ status, details });
    assert.equal(`${reply.status} ${reply.body}`, wanted);
    assert.equal(reply.details, details);
    assert.equal(reply.flags, details === 'missing_host_header' ? undefined : ResponseFlag.DownstreamProtocolError);
  }
});
