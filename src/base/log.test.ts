import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LOG_LEVELS, type LogFormat, Logging, parseLogLevel, redact } from './log.ts';

const NOON = new Date(2026, 0, 1, 12, 0, 0, 7).getTime();

function recorder(format: LogFormat, more: { colors?: boolean; isTTY?: boolean } = {}) {
  const lines: string[] = [];
  const stream = { write: (line: string) => lines.push(line), isTTY: more.isTTY };
  const logging = new Logging({ format, stream, now: () => NOON, pid: 42, colors: more.colors });
  return { logging, lines };
}

test('levels go by the names of Envoy and of Istio', () => {
  const table: [string, string | undefined][] = [
    ['trace', 'trace'],
    ['DEBUG', 'debug'],
    [' info ', 'info'],
    ['warn', 'warning'],
    ['warning', 'warning'],
    ['err', 'error'],
    ['critical', 'critical'],
    ['fatal', 'critical'],
    ['none', 'off'],
    ['off', 'off'],
    ['loud', undefined],
    ['constructor', undefined],
    ['', undefined],
  ];
  for (const [name, level] of table) assert.equal(parseLogLevel(name), level, name);
});

test('a line in each format', () => {
  const fields = { proxy: 'web.default', bytes: 12, gone: undefined, list: ['a', 1] };
  const iso = new Date(NOON).toISOString().replace('Z', '000Z');
  const table: [LogFormat, string, string][] = [
    [
      'envoy',
      'config',
      '[2026-01-01 12:00:00.007][42][warning][config] hello proxy=web.default bytes=12 list=["a",1]\n',
    ],
    ['istio', 'ads', `${iso}\twarn\tads\thello\tproxy=web.default\tbytes=12\tlist=["a",1]\n`],
    ['istio', 'default', `${iso}\twarn\thello\tproxy=web.default\tbytes=12\tlist=["a",1]\n`],
  ];
  for (const [format, scope, line] of table) {
    const { logging, lines } = recorder(format);
    logging.scope(scope).warn('hello', fields);
    assert.deepEqual(lines, [line]);
  }
  const { logging, lines } = recorder('json');
  logging.scope('ads').critical('hello', { ...fields, msg: 'other' });
  assert.deepEqual(JSON.parse(lines[0]), {
    level: 'fatal',
    time: iso,
    scope: 'ads',
    msg: 'hello',
    proxy: 'web.default',
    bytes: 12,
    list: ['a', 1],
    msg_: 'other',
  });
});

test('a scope writes its level and above, and levels change while it runs', () => {
  const { logging, lines } = recorder('istio');
  const log = logging.scope('ads');
  const say = () => {
    lines.length = 0;
    for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'critical'] as const) log[level](level);
    return lines.map((line) => line.split('\t')[3].trim());
  };
  assert.deepEqual(say(), ['info', 'warn', 'error', 'critical']);
  logging.setLevel('error', 'ads');
  assert.deepEqual(say(), ['error', 'critical']);
  logging.setLevel('trace');
  assert.deepEqual(say(), ['error', 'critical'], 'its own level wins');
  logging.setAll('trace');
  assert.equal(say().length, 6);
  logging.setAll('off');
  assert.deepEqual(say(), []);
  for (const level of LOG_LEVELS) assert.equal(log.enabled(level), false);
  logging.setAll('info');
  assert.equal(log.enabled('debug'), false);
  assert.equal(log.enabled('info'), true);
});

test('a level specification is taken whole or not at all', () => {
  const { logging } = recorder('istio');
  logging.scope('ads');
  assert.equal(logging.configure('default:warn,ads:debug, push:none'), undefined);
  assert.deepEqual(
    [...logging.levels()],
    [
      ['ads', 'debug'],
      ['default', 'warning'],
      ['push', 'off'],
    ],
  );
  assert.equal(logging.scope('push').enabled('critical'), false, 'given before the scope was first used');
  assert.match(logging.configure('ads:info,push:loud') ?? '', /"loud" is not a log level/);
  assert.equal(logging.levels().get('ads'), 'debug');
  assert.equal(logging.configure('all:error'), undefined);
  assert.deepEqual([...new Set(logging.levels().values())], ['error']);
  assert.equal(logging.configure('debug'), undefined);
  assert.equal(logging.levels().get('ads'), 'debug');
  assert.equal(logging.configure(''), undefined);
});

test('secrets do not reach a line', () => {
  const pem = '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----';
  const jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl';
  assert.equal(redact(`a ${pem} b`), 'a [redacted private key] b');
  assert.equal(redact(pem.slice(0, 40)), '[redacted private key]', 'also when it was cut off');
  assert.equal(redact(`token ${jwt}.`), 'token [redacted token].');
  assert.equal(redact('Authorization: Bearer abcdefghij'), 'Authorization: Bearer [redacted]');
  assert.equal(redact('the bearer of news'), 'the bearer of news');
  for (const format of ['envoy', 'istio', 'json'] as const) {
    const { logging, lines } = recorder(format);
    logging.scope('ca').info(pem, { token: 'hunter2', x_api_key: 'hunter2', inner: { password: 'hunter2', jwt } });
    assert.doesNotMatch(lines[0], /MHcC|hunter2|c2lnbmF0/, format);
    assert.match(lines[0], /redacted/);
  }
});

test('what a peer sent cannot forge a line', () => {
  for (const format of ['envoy', 'istio', 'json'] as const) {
    const { logging, lines } = recorder(format);
    logging.scope('x').info('a\nb\u001b[31m\tc', { field: 'd\r\ne\u2028' });
    assert.equal(lines.length, 1);
    assert.doesNotMatch(lines[0].slice(0, -1), /[\n\r\u001b]/, format);
  }
});

test('colours only where asked for, or on a terminal', () => {
  const sequence = '\u001b[';
  const table: [{ colors?: boolean; isTTY?: boolean }, boolean][] = [
    [{}, false],
    [{ isTTY: true }, !process.env.NO_COLOR],
    [{ isTTY: true, colors: false }, false],
    [{ colors: true }, true],
  ];
  for (const [options, colored] of table) {
    const { logging, lines } = recorder('envoy', options);
    logging.scope('main').error('x');
    assert.equal(lines[0].includes(sequence), colored, JSON.stringify(options));
  }
});

test('logging never throws', () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const hostile = {
    get x() {
      throw new Error('no');
    },
  };
  const values = [circular, hostile, 10n, { n: 10n }, Symbol('s'), () => 1, new Error('why'), NaN, null];
  for (const format of ['envoy', 'istio', 'json'] as const) {
    const { logging, lines } = recorder(format);
    for (const value of values) logging.scope('x').info('value', { value });
    logging.scope('x').info('fields', hostile);
    assert.equal(lines.length, values.length, 'one line for each value; only fields that cannot be read are lost');
    const broken = new Logging({
      format,
      stream: {
        write() {
          throw new Error('EPIPE');
        },
      },
    });
    broken.scope('x').error('lost');
  }
});

test('an output that fails later is no unhandled event', () => {
  const events: string[] = [];
  new Logging({ format: 'istio', stream: { write() {}, on: (event) => events.push(event) } });
  assert.deepEqual(events, ['error']);
});
