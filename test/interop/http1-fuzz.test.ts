import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, TO_BACKEND } from '../support/envoy-config.ts';
import { Fuzz } from '../support/fuzz.ts';
import type { RawMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { type Twin, twinProxies } from '../support/twin-proxies.ts';

const LISTENERS: Readonly<Record<string, JsonObject>> = {
  plain: {},
  normal: { normalize_path: true, merge_slashes: true, path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT' },
  forward: { normalize_path: true, path_with_escaped_slashes_action: 'UNESCAPE_AND_FORWARD' },
  strict: {
    normalize_path: true,
    path_with_escaped_slashes_action: 'REJECT_REQUEST',
    common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST', max_headers_count: 12 },
    max_request_headers_kb: 2,
  },
  old: {
    http_protocol_options: {
      accept_http_10: true,
      default_host_for_http_10: 'default.test',
      allow_absolute_url: false,
    },
    common_http_protocol_options: { headers_with_underscores_action: 'DROP_HEADER' },
    strip_any_host_port: true,
  },
};

const PATH_PIECES = [
  'a',
  'b',
  '..',
  '.',
  '',
  '%2e',
  '%2E%2e',
  '%2f',
  '%5C',
  '%5c',
  '\\',
  '%00',
  '%41',
  '%zz',
  '%',
  ';x=1',
  '..;',
  ':',
  '@',
  '~',
  '*',
  "'",
  '"',
  '<',
  '|',
  '{}',
  '^',
  '`',
  '\u00e4',
  '%c3%a4',
  '+',
  ',',
  '=',
  '!',
  '$',
  '(',
  ')',
  '[',
  'A',
  '%61',
  '_',
];

function path(f: Fuzz): string {
  const text = `/${Array.from({ length: 1 + f.below(5) }, () => f.some(PATH_PIECES, 2).join('')).join('/')}`;
  const query = f.chance(0.4) ? `?${f.some(['a=1', '&', '%2f', '..', '/', '?', 'ü', '+', '='], 4).join('')}` : '';
  return text + query + (f.chance(0.05) ? '#frag' : '');
}

const NAMES = [
  'x-a',
  'X-B',
  'x_under',
  'Accept',
  'cookie',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-envoy-max-retries',
  'user-agent',
  'TE',
  'Keep-Alive',
  'Proxy-Connection',
  'x-request-id',
  'expect',
  'via',
  'x!#$%',
  'x-longer-name-than-others',
  'Upgrade',
];
const VALUES = [
  '1',
  '',
  ' ',
  'a b',
  'a,b',
  '\t tab \t',
  'ü',
  '"q"',
  'a;b=c',
  'trailers',
  'gzip',
  '100-continue',
  'h2c',
  'websocket',
  '127.0.0.1',
  'https',
  'x'.repeat(300),
  '\u0080\u00ff',
];
const BAD_LINES = [
  'no-colon',
  ': empty',
  'x : space',
  'x@y: 1',
  ' folded',
  'x: a\u0000b',
  'x: a\u0001b',
  'x: a\u007fb',
  '(x): 1',
  'x\ty: 1',
  'Host: other',
];
const METHODS = [
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'PROPFIND',
  'BREW',
  'get',
  'G@T',
  'M-SEARCH',
];
const VERSIONS = [
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/1.2',
  'http/1.1',
  'HTTP/1.1 ',
  '',
];

interface Body {
  readonly headers: readonly string[];
  readonly bytes: string;
}

function body(f: Fuzz): Body {
  switch (f.below(12)) {
    case 0:
      return { headers: ['Content-Length: 3'], bytes: 'abc' };
    case 1:
      return { headers: ['Transfer-Encoding: chunked'], bytes: '3\r\nabc\r\n0\r\n\r\n' };
    case 2:
      return {
        headers: [
          `Content-Length: ${f.one(['0', '3, 3', '+3', '-3', ' 3 ', '03', '3a', '', '3,4', '99999999999999999999'])}`,
        ],
        bytes: 'abc',
      };
    case 3:
      return { headers: ['Content-Length: 3', `Content-Length: ${f.one(['3', '4'])}`], bytes: 'abcd' };
    case 4:
      return { headers: ['Content-Length: 3', 'Transfer-Encoding: chunked'], bytes: '0\r\n\r\n' };
    case 5:
      return {
        headers: [
          `Transfer-Encoding: ${f.one(['Chunked', 'gzip', 'gzip, chunked', 'chunked, gzip', 'identity', 'xchunked', ' chunked', 'chunked,chunked', ''])}`,
        ],
        bytes: '3\r\nabc\r\n0\r\n\r\n',
      };
    case 6: {
      const size = f.one([
        '3',
        '03',
        '003',
        '3;a=b',
        '3 ',
        '3;',
        ' 3',
        '0x3',
        '3g',
        '-3',
        '',
        '3\t',
        '3;a="b\\"c"',
        'FFFFFFFFFFFFFFFFF',
      ]);
      return { headers: ['Transfer-Encoding: chunked'], bytes: `${size}\r\nabc\r\n0\r\n\r\n` };
    }
    case 7:
      return {
        headers: ['Transfer-Encoding: chunked'],
        bytes: `3\r\nabc${f.one(['\r\n', '\n', '', 'x\r\n', '\r\r\n'])}0\r\n${f.one(['', 'x-t: 1\r\n', 'x-t\r\n', ': 1\r\n', 'x-t : 1\r\n'])}\r\n`,
      };
    default:
      return { headers: [], bytes: '' };
  }
}

/** Requests that end whatever was begun: one of them is read as a request, or as something that is wrong. */
const END = 'GET /end HTTP/1.1\r\nHost: end\r\nConnection: close\r\n\r\n'.repeat(3);

function request(f: Fuzz): string {
  const method = f.chance(0.6) ? 'GET' : f.one(METHODS);
  const target = f.chance(0.08)
    ? f.one(['*', 'http://abs.test/x', 'http://abs.test', 'abs.test:80', 'https://u@abs.test/', ''])
    : path(f);
  const version = f.chance(0.85) ? 'HTTP/1.1' : f.one(VERSIONS);
  const hosts = f.chance(0.9)
    ? ['Host: fuzz.test']
    : f.one([[], ['Host: a', 'Host: a'], ['Host:'], ['Host: a:80'], ['Host: a b'], ['host: A.Test:8080']]);
  const { headers, bytes } = body(f);
  const lines = [
    ...hosts,
    ...headers,
    ...f.some(NAMES, 4).map((name) => `${name}:${f.chance(0.8) ? ' ' : ''}${f.one(VALUES)}`),
    ...(f.chance(0.1) ? [f.one(BAD_LINES)] : []),
    ...(f.chance(0.1) ? [`Connection: ${f.one(['keep-alive', 'close', 'x-a', 'upgrade', 'TE, close', ''])}`] : []),
  ];
  const end = f.chance(0.02) ? '\n' : '\r\n';
  const lead = f.chance(0.03) ? f.one(['\r\n', '\r\n\r\n', ' ', '\n']) : '';
  return `${lead}${method} ${target} ${version}${end}${lines.map((line) => line + end).join('')}${end}${bytes}${END}`;
}

/** Sends the bytes, cut where `cuts` says, and reads until the connection is ended. */
function probe(port: number, bytes: Buffer, cuts: readonly number[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }, () => {
      let from = 0;
      for (const cut of [...cuts, bytes.length]) {
        socket.write(bytes.subarray(from, cut));
        from = cut;
      }
    });
    socket.on('data', (more: Buffer) => (received += more.toString('latin1')));
    socket.on('error', () => {});
    // Once the proxy has said all, it need not wait for us.
    socket.on('end', () => socket.destroy());
    socket.on('close', () => resolve(received));
    socket.setTimeout(20_000, () => {
      reject(new Error(`not ended after ${JSON.stringify(received.slice(0, 300))}`));
      socket.destroy();
    });
  });
}

/** What differs from one answer to the next is made equal, and headers, which come in no promised order, are sorted. */
function steady(text: string): string {
  const sorted = text.replace(
    /^(HTTP\/1\.[01] .*\r\n)((?:.+\r\n)*)(?=\r\n)/gm,
    (_, first: string, rest: string) =>
      first +
      rest
        .split('\r\n')
        .slice(0, -1)
        .sort()
        .map((line) => `${line}\r\n`)
        .join(''),
  );
  return sorted
    .replace(/^date: .*$/gm, 'date: D')
    .replace(/^x-envoy-upstream-service-time: .*$/gm, 'x-envoy-upstream-service-time: N');
}

function seenUpstream(twin: Twin): string[] {
  const lines = ({ startLine, headers, body, trailers }: RawMessage) => [
    startLine,
    ...[...headers, ...trailers]
      .map(([name, value]) => `${name}: ${name === 'x-request-id' && /^[0-9a-f-]{36}$/.test(value) ? '<id>' : value}`)
      .sort(),
    body.toString('latin1'),
  ];
  return twin.backends
    .get('backend')!
    .take()
    .map((message) => lines(message).join('\n'));
}

async function observe(twin: Twin, listener: string, bytes: Buffer, cuts: readonly number[]): Promise<Observation> {
  twin.backends.get('backend')!.take();
  const answer = steady(await probe(twin.env.port(listener), bytes, cuts));
  const upstream = seenUpstream(twin);
  // What follows a request that is wrong is nobody's business.
  return { answer, upstream };
}

interface Observation {
  readonly answer: string;
  readonly upstream: readonly string[];
}

const isRefusal = ({ answer, upstream }: Observation) =>
  /^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.[01] [45]\d\d /.test(answer) &&
  /^connection: close\r$/m.test(answer) &&
  upstream.length === 0;

/** Where we are stricter, or say the same in other words: tells whether a difference is one of these. */
const EXCEPTIONS: readonly {
  readonly because: string;
  readonly applies: (request: string, ours: Observation, envoys: Observation) => boolean;
}[] = [
  {
    because: 'Envoy joins two hosts by a comma and sends that on, which the next server may read as either',
    applies: (request, ours) =>
      isRefusal(ours) &&
      (
        request
          .trimStart()
          .split('\r\n\r\n')[0]!
          .match(/^host:/gim) ?? []
      ).length > 1,
  },
  {
    because: 'Envoy takes whatever stands between a chunk and the end of the line for a part of it',
    applies: (request, ours) => isRefusal(ours) && /abc(\r\r\n|x\r\n)/.test(request),
  },
  {
    because: 'Envoy takes a line feed alone for the end of a line',
    applies: (request, ours) => isRefusal(ours) && /(?<!\r)\n/.test(request),
  },
  {
    because: 'Envoy takes a request line without a version, or with white space behind it',
    applies: (request, ours) => isRefusal(ours) && /^[\r\n]*[^\r\n]* \r\n/.test(request),
  },
  {
    because: 'Envoy unfolds lines that go on in the next, which nobody should send any more',
    applies: (request, ours) => isRefusal(ours) && /\r\n /.test(request),
  },
  {
    because: 'Envoy does not look at a Host that a target with a host of its own replaces, nor at a second Upgrade',
    applies: (request, ours) =>
      isRefusal(ours) &&
      (/^\S+ https?:[\s\S]*\nhost: a b\r/i.test(request) || (request.match(/^upgrade:/gim) ?? []).length > 1),
  },
  {
    because: 'Envoy takes any other version for HTTP/1.0 where that is allowed',
    applies: (request, ours) => isRefusal(ours) && /^[^\r]* HTTP\/(2\.0|1\.2)\r\n/.test(request),
  },
  {
    because: 'Envoy drops a segment that goes up before it sees that it holds a zero byte',
    applies: (request, ours) => isRefusal(ours) && request.includes('%00'),
  },
  {
    because: 'of several things that are wrong either may be named',
    applies: (_, ours, envoys) => isRefusal(ours) && isRefusal(envoys),
  },
];

const COUNT = Number(process.env.FUZZ_COUNT ?? 400);
const SEED = Number(process.env.FUZZ_SEED ?? 1);

test('requests of HTTP/1 at random, byte for byte as Envoy takes them', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: Object.keys(LISTENERS),
    bootstrap: (env) => ({
      static_resources: {
        listeners: Object.entries(LISTENERS).map(([name, manager]) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            // A connection that is to end need not wait for us.
            manager: { delayed_close_timeout: '0.02s', ...manager },
            routes: [TO_BACKEND],
          }),
        ),
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  const differences: string[] = [];
  let excused = 0;
  for (let i = 0; i < COUNT; i++) {
    const f = new Fuzz(SEED * 1_000_003 + i);
    const listener = f.one(Object.keys(LISTENERS));
    const text = request(f);
    const bytes = Buffer.from(text, 'latin1');
    const cuts = f.chance(0.3) ? [f.below(bytes.length)] : [];
    const [envoy, isthmus] = await Promise.all(
      [twins.envoy, twins.isthmus].map((twin) => observe(twin, listener, bytes, cuts)),
    );
    try {
      assert.deepEqual(isthmus, envoy);
    } catch (error) {
      if (EXCEPTIONS.some(({ applies }) => applies(text, isthmus!, envoy!))) excused++;
      else
        differences.push(`${i} ${listener} ${JSON.stringify(text.slice(0, -END.length))}\n${(error as Error).message}`);
    }
  }
  t.diagnostic(`${COUNT} requests, ${excused} excused`);
  assert.equal(differences.length, 0, `${differences.length} of ${COUNT}:\n${differences.join('\n')}`);
});
