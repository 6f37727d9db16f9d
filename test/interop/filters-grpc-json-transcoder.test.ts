import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, HTTP2, httpListener, named } from '../support/envoy-config.ts';
import { exchange, type RawResponse } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { LIBRARY_PB, type Library, libraryServers } from '../support/transcoding/library.ts';
import {
  type Observation,
  observe,
  type RequestSpec,
  requestBytes,
  type Twin,
  type TwinCase,
  twinProxies,
} from '../support/twin-proxies.ts';

const NAME = 'envoy.filters.http.grpc_json_transcoder';
const TYPE = 'http.grpc_json_transcoder.v3.GrpcJsonTranscoder';
const LIBRARY: JsonObject = { proto_descriptor: LIBRARY_PB, services: ['library.v1.Library'] };
const PRINT = { add_whitespace: true, always_print_primitive_fields: true };

/** Further fields of the filter, by listener. */
const LISTENERS: Readonly<Record<string, JsonObject>> = {
  main: {},
  pretty: {
    convert_grpc_status: true,
    auto_mapping: true,
    query_param_unescape_plus: true,
    ignored_query_parameters: ['key'],
    case_insensitive_enum_parsing: true,
    print_options: { ...PRINT, preserve_proto_field_names: true, always_print_enums_as_ints: true },
  },
  converting: { convert_grpc_status: true },
  lines: { print_options: { stream_newline_delimited: true } },
  strict: {
    request_validation_options: {
      reject_unknown_method: true,
      reject_unknown_query_parameters: true,
      reject_binding_body_field_collisions: true,
    },
  },
  lenient: {
    ignore_unknown_query_parameters: true,
    url_unescape_spec: 'ALL_CHARACTERS',
    match_unregistered_custom_verb: true,
  },
  slashes: { url_unescape_spec: 'ALL_CHARACTERS_EXCEPT_SLASH' },
};

const get = (path: string, headers?: RequestSpec['headers']): RequestSpec => ({ path, headers });
const post = (path: string, body: string, method = 'POST', headers?: RequestSpec['headers']): RequestSpec => ({
  method,
  path,
  body,
  headers,
});
const TEXT = [
  ['host', 'example.com'],
  ['content-type', 'text/plain'],
] as const;

/** What the gRPC service was asked. */
interface Seen extends Observation {
  readonly calls: readonly string[];
}

async function start(t: TestContext) {
  const libraries = new Map<number, Library>();
  const twins = await twinProxies(t, {
    listeners: Object.keys(LISTENERS),
    servers: libraryServers(libraries),
    bootstrap: (env) => ({
      static_resources: {
        clusters: [
          cluster('backend', env.backend('library'), HTTP2),
          cluster('plain', env.backend('backend')),
          { name: 'dead', type: 'STATIC' },
        ],
        listeners: Object.entries(LISTENERS).map(([name, fields]) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            logFormat: '%REQ(:PATH)% %REQ(X-ENVOY-ORIGINAL-PATH)% %REQ(X-ENVOY-ORIGINAL-METHOD)% %REQ(CONTENT-TYPE)%',
            filters: [named(NAME, TYPE, { ...LIBRARY, ...fields })],
            routes: [
              {
                match: { prefix: '/plain' },
                route: { cluster: 'plain' },
                typed_per_filter_config: { [NAME]: any(TYPE, { proto_descriptor_bin: '' }) },
              },
              { match: { prefix: '/library.v1.Library/CheckBook' }, route: { cluster: 'plain' } },
              {
                match: { prefix: '/library.v1.Library/AnyMethod' },
                direct_response: { status: 418, body: { inline_string: 'no' } },
              },
              { match: { prefix: '/library.v1.Library/DeleteBook' }, route: { cluster: 'dead' } },
              { match: { prefix: '/' }, route: { cluster: 'backend' } },
            ],
          }),
        ),
      },
    }),
  });
  const see = async (twin: Twin, one: TwinCase, listener: string): Promise<Seen> => {
    const library = libraries.get(twin.env.backend('library'))!;
    library.take();
    const seen = await observe(twin, one, listener);
    // A call whose request turns out to be wrong may have begun or not.
    const calls = library.take().filter((call) => call.messages.length > 0);
    return { ...seen, calls: calls.map(({ path, messages }) => [path, ...messages].join('\n')) };
  };
  const compare = async (listener: string, sends: readonly RequestSpec[]) => {
    for (const send of sends) {
      const name = `${listener}: ${send.method ?? 'GET'} ${send.path} ${send.body ?? ''}`;
      await t.test(name.trim().slice(0, 200), async () => {
        const one: TwinCase = { name, send };
        const [envoy, isthmus] = await Promise.all([
          see(twins.envoy, one, listener),
          see(twins.isthmus, one, listener),
        ]);
        assert.deepEqual(essence(isthmus), essence(envoy));
      });
    }
  };
  return { twins, compare };
}

/**
 * Which part of a text that is no JSON is shown depends on the pieces it comes in, and so does what has been sent before;
 * what is wrong with a time or a duration we say in other words.
 */
function essence(seen: Seen): Seen {
  if (seen.status !== 400) return seen;
  const headers = seen.headers.filter((line) => !line.startsWith('content-length:'));
  const body = seen.body
    .split('\n', 1)[0]
    .replace(/(: invalid value) .* for type (?:.*google\.protobuf\.\w+|Any)$/, '$1');
  return { ...seen, headers, body, calls: [] };
}

test('gRPC-JSON transcoder, ours and Envoy', { skip: withoutReference }, async (t) => {
  const { compare } = await start(t);
  await compare('main', [
    get('/v1/books/a%2Fb?pages=3&tags=x&tags=y&author.first_name=Jo&author.lastName=Do%20e+x'),
    get('/v1/shelves/1/books/2'),
    get('/v1/shelves/1/books/2?nope=1'),
    get('/v1/books/1?title.x=1'),
    get('/v1/books/1?editors.first_name=x'),
    get('/v1/books/1?author=x'),
    get('/v1/books/1?editors.first_name=a&title=t&editors.last_name=b'),
    get('/v1/books/1?edition=0&glue=&kind=PAPER_BACK&kinds=1&kinds=HARD_COVER'),
    get('/v1/books/1?printed=2020-01-01T00:00:00Z&reading=3s&mask=a,b&note=x&weight=5'),
    get('/v1/books/1?glue=a&stitches=2'),
    get('/v1/books/1?lent=maybe'),
    get('/nothing'),
    get('/v1/books/9:other'),
    get('/v1/any/a/b%2Fc/tail'),
    get('/v1/rest/a/b%2Fc/'),
    get('/v1/rest/a%20b%3F%41/c'),
    get('/v1/numbers/1/2/true/PAPER_BACK/1.5'),
    get('/v1/numbers/x/2/true/PAPER_BACK/1.5'),
    get('/v1/authors/a%20b/c%2fd'),
    get('//v1/books/1'),
    get('/v1/books//'),
    get('/plain/and?simple'),
    get('/v1/books/1', [
      ['host', 'example.com'],
      ['content-type', 'application/grpc'],
    ]),
    post('/v1/books/7?title=q', '{"id":"1","title":"z"}', 'PUT'),
    post('/v1/books/7?tags=q&author.last_name=l', '{"tags":["a"],"author":{"first_name":"f"}}', 'PUT'),
    post('/v1/books/7?title=q', '{"title":null}', 'PUT'),
    post('/v1/books/7?title=q', '{"first_name":"1"}', 'PATCH'),
    post('/v1/books/7?title=q', '', 'PATCH'),
    post('/v1/books/9:archive', '{}'),
    post('/v1/books/9:other', '{}'),
    post('/v1/tags', '["a","b"]'),
    post('/v1/tags', '"a"'),
    post('/v1/editors', '[{"first_name":"a"},{}]'),
    post('/v1/notes', '"hi"'),
    post('/v1/titles', '"hi"'),
    post('/v1/titles', 'null'),
    post('/v1/titles', ''),
    post('/v1/editors', ''),
    post('/v1/titles', '{}'),
    post('/v1/books/1', '{"id":"x"}', 'HEAD'),
    post('/v1/whatever/1', '', 'OPTIONS'),
    post('/v1/books/1', '', 'DELETE'),
    get('/v1/list?tags=a&tags=b'),
    get('/v1/list'),
    post('/v1/list', '{"tags":["a",{}]}'),
    post('/v1/store/5', '[{"title":"a"},{"title":"b"}]'),
    post('/v1/store/5', ' [ {"title":"a,]\\"}"} ,{"title":\'[\'} ] '),
    post('/v1/store/5', '[{"title":"a"},]'),
    post('/v1/store/5', '[{"title":"a"},{"title":}]'),
    post('/v1/store/5', '[{"title":"a"}] x'),
    post('/v1/store/5', '{"title":"a"}'),
    post('/v1/store/5', '5'),
    post('/v1/store/5', '[{"title":"a"'),
    post('/v1/store/5', '[5]'),
    post('/v1/store/5', ''),
    post('/v1/talk', '[{"title":"a"},{"title":"b"}]'),
    post('/v1/talk', '[]'),
    get('/v1/fail/5?title=what%20now'),
    get('/v1/fail/5?title=details'),
    get('/v1/fail/0'),
    get('/v1/fail/13?title=x&tags=one'),
    ...Array.from({ length: 18 }, (_, code) => get(`/v1/fail/${code}`)),
    get('/v1/fail-streaming/5?title=what'),
    get('/v1/fail-streaming/5?title=what&tags=one'),
    post('/v1/upload', 'hello', 'POST', TEXT),
    post('/v1/upload', '', 'POST', TEXT),
    post('/v1/parcels/n1', 'hello', 'POST', TEXT),
    post('/v1/parcels/n1', 'hello'),
    post('/v1/many/n1', 'hello', 'POST', TEXT),
    post('/v1/books', `{"title":"${'x'.repeat(100_000)}"}`),
    post('/library.v1.Library/WithoutRule', '{}'),
  ]);
  await compare(
    'main',
    BODIES.map((body) => post('/v1/books', body)),
  );
  await compare('pretty', [
    get('/v1/fail/5?title=what%20now%20%e2%98%ba'),
    get('/v1/fail/5?title=details'),
    get('/v1/fail/13?title=x&tags=one'),
    get('/v1/fail-streaming/5?title=what'),
    get('/v1/fail-streaming/5?title=what&tags=one'),
    get('/v1/fail/99'),
    get('/v1/books/1?author.first_name=a+b&key=1&kind=hard_cover&edition=0'),
    get('/v1/list?tags=a&tags=b'),
    post('/v1/books/1', '', 'DELETE'),
    post(
      '/library.v1.Library/WithoutRule',
      '{"title":"a","kind":"hard-cover","places":{"a":1},"translators":{"3":{}}}',
    ),
    post(
      '/library.v1.Library/WithoutRule',
      '{"editors":[{},{}],"extra":{"a":[1,{},[]],"b":{}},"list":[],"nothing":{}}',
    ),
  ]);
  await compare('converting', [
    get('/v1/fail/5?title=x'),
    get('/v1/fail/5?title=details'),
    get('/v1/fail-streaming/5'),
  ]);
  await compare('lines', [get('/v1/list?tags=a&tags=b'), get('/v1/list'), get('/v1/fail-streaming/5?title=what')]);
  await compare('strict', [
    get('/nothing?x'),
    get('/v1/books/1?nope=1'),
    get('/v1/books/1?title.x=1'),
    get('/v1/books/1', [
      ['host', 'example.com'],
      ['content-type', 'application/grpc'],
    ]),
    post('/v1/books/7?title=q', '{"id":"1","title":"z"}', 'PUT'),
    post('/v1/books/7?title=q', '{"id":"7"}', 'PUT'),
    post('/v1/books/7', '{"title":"z"}', 'PUT'),
  ]);
  await compare('lenient', [
    get('/v1/books/1?nope=1&title=%zz%41+%2B&=x&a&tags=&tags=b=c'),
    get('/v1/rest/a/b%2Fc%20d/'),
    get('/v1/books/9:other'),
    get('/v1/shelves/a%2Fb/books/%41'),
  ]);
  await compare('slashes', [get('/v1/rest/a/b%2Fc%20d%3F'), get('/v1/books/a%2Fb')]);
});

test('bodies at random, to our transcoder and Envoy', { skip: withoutReference }, async (t) => {
  const { twins } = await start(t);
  const random = seeded(7);
  for (let i = 0; i < 400; i++) {
    const body = mutated(random);
    const bytes = requestBytes(post('/v1/books', body));
    const [envoy, isthmus] = await Promise.all(
      [twins.envoy, twins.isthmus].map((twin) => exchange(twin.env.port('main'), [bytes])),
    );
    const of = ({ status, body }: RawResponse) => [
      status,
      status === 200 ? JSON.parse(body.toString(), withoutZeros) : '',
    ];
    assert.deepEqual(of(isthmus), of(envoy), JSON.stringify(body));
  }
});

/** Envoy sends fields on whose value is the default; nothing does not differ from that. */
function withoutZeros(key: string, value: unknown): unknown {
  return key !== '' && (value === 0 || value === '' || value === false) ? undefined : value;
}

const SEED =
  '{"id":"a\\u00e9","pages":12,"copies":"-9","lent":true,"rating":0.5,"price":-1.25e3,"kind":"PAPER_BACK","tags":["x",null,"y"],' +
  '"author":{"first_name":"f","alsoKnownAs":["é☺"]},"places":{"p":1},"anything":[1,{"a":false}],"note":"n","other":{}}';
const PIECES = [
  '"',
  "'",
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\\',
  '0',
  '1',
  '-',
  '.',
  'e',
  't',
  ' ',
  '\n',
  'a',
  '"a":1',
  '[]',
  '{}',
];

/** The seed with a few places changed. Fields that come twice, and maps with null, are left out: Envoy fails at these. */
function mutated(random: () => number): string {
  const pick = (count: number) => Math.floor(random() * count);
  let text = SEED;
  for (let n = pick(3); n >= 0; n--) {
    const at = pick(text.length);
    text = text.slice(0, at) + (random() < 0.7 ? PIECES[pick(PIECES.length)] : '') + text.slice(at + pick(4));
  }
  return text;
}

/** Repeatable numbers in [0, 1) (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

test('a transcoder that cannot be: ours and Envoy refuse it', { skip: withoutReference }, async (t) => {
  const wrong: readonly JsonObject[] = [
    { ...LIBRARY, services: ['library.v1.None'] },
    { ...LIBRARY, proto_descriptor: '/none.pb' },
    { services: ['library.v1.Library'] },
  ];
  for (const fields of wrong) {
    await assert.rejects(
      twinProxies(t, {
        listeners: ['main'],
        bootstrap: (env) => ({
          static_resources: {
            clusters: [cluster('backend', env.backend('backend'))],
            listeners: [
              httpListener('main', {
                port: env.port('main'),
                log: env.log('main'),
                filters: [named(NAME, TYPE, fields)],
              }),
            ],
          },
        }),
      }),
    );
  }
});

/** JSON that is right, odd or wrong. */
const BODIES: readonly string[] = [
  '{"title":"a",}',
  "{'title':'a'}",
  '{title:"a"}',
  '{"title":1}',
  '{"title":true}',
  '{"title":null}',
  '{"title":{}}',
  '{"title":["a"]}',
  '{"pages":1.0}',
  '{"pages":1.5}',
  '{"pages":"1.0"}',
  '{"pages":2147483648}',
  '{"pages":true}',
  '{"pages":null}',
  '{"pages":"  1"}',
  '{"lent":"true"}',
  '{"lent":1}',
  '{"lent":"yes"}',
  '{"copies":1e3}',
  '{"copies":"x"}',
  '{"isbn":-1}',
  '{"rating":"NaN"}',
  '{"rating":1e40}',
  '{"price":"1.5"}',
  '{"price":"x"}',
  '{"cover":"!!"}',
  '{"cover":"-_8"}',
  '{"kind":1}',
  '{"kind":77}',
  '{"kind":"77"}',
  '{"kind":"NOPE"}',
  '{"kind":"hardCover"}',
  '{"author":"x"}',
  '{"author":[{}]}',
  '{"author":null}',
  '{"tags":"a"}',
  '{"tags":{"a":1}}',
  '{"tags":[1,2]}',
  '{"tags":null}',
  '{"tags":[null]}',
  '{"years":[1,"2",null]}',
  '{"places":{"a":"1"}}',
  '{"places":[1]}',
  '{"translators":{"x":{}}}',
  '{"glue":"a","stitches":1}',
  '{"printed":"2020-01-02T03:04:05.5Z","reading":"1.5s","mask":"a.b,cD","note":"n","weight":"5","extra":{"a":[1,null,true]},"anything":[1],"other":{"@type":"type.googleapis.com/library.v1.Author","first_name":"q"},"SPELLED":"odd","nothing":{}}',
  '{"spelled_oddly":"x"}',
  '{"spelledOddly":"x"}',
  '{"printed":"soon"}',
  '{"reading":5}',
  '{"mask":"a_b"}',
  '{"other":{"@type":"x/none"}}',
  '{"other":{}}',
  '[]',
  '"x"',
  '5',
  'null',
  '{',
  '{}}',
  '{"a":',
  '{"title":"\\u00e9\\ud83d\\ude00<>&\\u2028\\u007f\\n\\"/"}',
  '{"title":"\\ud800"}',
  '{"title":"é☺"}',
  '{"title":"a',
  '{"title":"a\nb"}',
  '{"title":tru}',
  '{"pages":01}',
  '{"pages":0x1}',
  '{"price":-0.0}',
  '{"price":1e-7}',
  '{"price":123456789.123456789}',
  '{"rating":123456789}',
  '{"rating":16777217}',
  '{"price":1e21}',
  '{"price":1e15}',
  '{"price":1e16}',
  '{"price":0.1}',
  '{"rating":1e-10}',
  '{"price":Infinity}',
  '{"id":"a","ID":"b"}',
  '{"kinds":["HARD_COVER",1,"PAPER_BACK"]}',
  '{"pages":"-5"}',
  '{"floor":-1}',
  '{"floor":4294967296}',
  '{"offset":-7,"code":"12"}',
  '{"nope":[1,{"a":[}]}',
  '// c\n{}',
  '{"title":"\\x41"}',
  '{"tags":[["a"]]}',
  '{"editors":[{"also_known_as":["x"]},null]}',
  '{"extra":5}',
  '{"list":[1,"a"]}',
  '{"anything":{"a":1.5}}',
  '{"note":null}',
  '{"note":{"value":"x"}}',
  '{"weight":1.5}',
  '﻿{}',
  '{"other":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"3s"}}',
  '{"printed":"1969-12-31T23:59:59Z","reading":"-0.000000001s"}',
  '{"printed":{"seconds":5}}',
  '{"edition":0}',
  '{"glue":""}',
];
