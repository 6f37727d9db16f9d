import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Headers } from '../headers.ts';
import { ByteBuffer } from './byte-buffer.ts';
import { type FieldSink, HpackDecoder } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';
import { FieldKind, type FieldName, STATIC_NAMES, STATIC_VALUES } from './fields.ts';

class List implements FieldSink {
  readonly fields: [string, string][] = [];
  readonly kinds: FieldKind[] = [];
  field(name: FieldName, value: string): void {
    this.fields.push([name.text, value]);
    this.kinds.push(name.kind);
  }
}

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

function decode(decoder: HpackDecoder, text: string): [string, string][] {
  const bytes = hex(text);
  const list = new List();
  assert.equal(decoder.decode(bytes, 0, bytes.length, list), true, text);
  return list.fields;
}

function kindOf(text: string): FieldKind {
  const list = new List();
  const bytes = hex(text);
  assert.equal(new HpackDecoder().decode(bytes, 0, bytes.length, list), true, text);
  return list.kinds[0];
}

const REQUEST: [string, string][] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
];
const SECURE: [string, string][] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/index.html'],
  [':authority', 'www.example.com'],
  ['custom-key', 'custom-value'],
];
const NO_CACHE: [string, string][] = [...REQUEST, ['cache-control', 'no-cache']];
const DATE_21: [string, string] = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'];
const PLACE: [string, string] = ['location', 'https://www.example.com'];
const FOUND: [string, string][] = [[':status', '302'], ['cache-control', 'private'], DATE_21, PLACE];
const MOVED: [string, string][] = [[':status', '307'], ['cache-control', 'private'], DATE_21, PLACE];
const COOKIE: [string, string][] = [
  [':status', '200'],
  ['cache-control', 'private'],
  ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
  PLACE,
  ['content-encoding', 'gzip'],
  ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
];

describe('the examples of RFC 7541 appendix C', () => {
  const single: [string, string, [string, string], number][] = [
    ['C.2.1', '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', ['custom-key', 'custom-header'], 55],
    ['C.2.2', '040c 2f73 616d 706c 652f 7061 7468', [':path', '/sample/path'], 0],
    ['C.2.3', '1008 7061 7373 776f 7264 0673 6563 7265 74', ['password', 'secret'], 0],
    ['C.2.4', '82', [':method', 'GET'], 0],
  ];
  for (const [name, bytes, field, table] of single) {
    test(name, () => {
      const decoder = new HpackDecoder();
      assert.deepEqual(decode(decoder, bytes), [field]);
      assert.equal(decoder.tableBytes, table);
    });
  }

  const sequences: [string, number, [string, [string, string][], number][]][] = [
    [
      'C.3 requests without Huffman code',
      4096,
      [
        ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', REQUEST, 57],
        ['8286 84be 5808 6e6f 2d63 6163 6865', NO_CACHE, 110],
        ['8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65', SECURE, 164],
      ],
    ],
    [
      'C.4 requests with Huffman code',
      4096,
      [
        ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', REQUEST, 57],
        ['8286 84be 5886 a8eb 1064 9cbf', NO_CACHE, 110],
        ['8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', SECURE, 164],
      ],
    ],
    [
      'C.5 responses without Huffman code, with eviction',
      256,
      [
        [
          `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
           3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
          FOUND,
          222,
        ],
        ['4803 3330 37c1 c0bf', MOVED, 222],
        [
          `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
           7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61
           6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
          COOKIE,
          215,
        ],
      ],
    ],
    [
      'C.6 responses with Huffman code, with eviction',
      256,
      [
        [
          `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
           1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
          FOUND,
          222,
        ],
        ['4883 640e ffc1 c0bf', MOVED, 222],
        [
          `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
           e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
          COOKIE,
          215,
        ],
      ],
    ],
  ];
  for (const [name, limit, blocks] of sequences) {
    test(name, () => {
      const decoder = new HpackDecoder(limit);
      for (const [bytes, fields, table] of blocks) {
        assert.deepEqual(decode(decoder, bytes), fields);
        assert.equal(decoder.tableBytes, table);
      }
    });
  }
});

describe('what a decoder refuses', () => {
  const cases: [string, string][] = [
    ['index 0', '80'],
    ['an index behind the tables', 'be'],
    ['a name index behind the tables', '7e 01 61'],
    ['an index cut short', 'ff'],
    ['an endless integer', 'ff 80 80 80 80 80 80 00'],
    ['an integer with too many bits', 'ff ff ff ff ff 7f'],
    ['a literal without a name', '40'],
    ['a name longer than the block', '40 05 61'],
    ['a literal without a value', '40 01 61'],
    ['a value longer than the block', '40 01 61 05 62'],
    ['a string length cut short', '40 7f'],
    ['a size update above the limit', '3f e2 1f'],
    ['a size update after a field', '82 20'],
    ['Huffman code with the EOS symbol', '00 01 61 84 ff ff ff ff'],
    ['Huffman padding of 8 bits', '00 01 61 82 1f ff'],
    ['Huffman padding with zeros', '00 01 61 81 18'],
    ['Huffman code cut in a long symbol', '00 01 61 82 ff c0'],
  ];
  for (const [name, bytes] of cases) {
    test(name, () => {
      const block = hex(bytes);
      assert.equal(new HpackDecoder().decode(block, 0, block.length, new List()), false);
    });
  }

  test('a block without the size update that a lowered limit calls for', () => {
    const decoder = new HpackDecoder(4096);
    decoder.setLimit(100);
    assert.equal(decoder.decode(hex('82'), 0, 1, new List()), false);
    assert.deepEqual(decode(decoder, '20 82'), [[':method', 'GET']]);
    assert.deepEqual(decode(decoder, '82'), [[':method', 'GET']]);
  });
});

test('kinds of fields', () => {
  const literal = (name: string, value: string) => {
    const one = (text: string) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')]);
    return Buffer.concat([Buffer.from([0]), one(name), one(value)]).toString('hex');
  };
  const cases: [string, string, FieldKind][] = [
    ['foo', 'bar', FieldKind.Regular],
    ['foo', 'b\tar \xff', FieldKind.Regular],
    ['foo', '', FieldKind.Regular],
    ['Foo', 'bar', FieldKind.Invalid],
    ['', 'bar', FieldKind.Invalid],
    ['fo o', 'bar', FieldKind.Invalid],
    ['fo:o', 'bar', FieldKind.Invalid],
    [':foo', 'bar', FieldKind.Invalid],
    ['foo\xe9', 'bar', FieldKind.Invalid],
    ['foo', 'b\nar', FieldKind.Invalid],
    ['foo', 'b\rar', FieldKind.Invalid],
    ['foo', 'b\0ar', FieldKind.Invalid],
    ['foo', 'b\x7far', FieldKind.Invalid],
    ['connection', 'close', FieldKind.Invalid],
    ['keep-alive', '1', FieldKind.Invalid],
    ['proxy-connection', 'close', FieldKind.Invalid],
    ['transfer-encoding', 'chunked', FieldKind.Invalid],
    ['upgrade', 'h2c', FieldKind.Invalid],
    ['te', 'trailers', FieldKind.Te],
    ['te', 'gzip', FieldKind.Invalid],
    [':path', '/a?b#c\xe9', FieldKind.Path],
    [':path', '/a b', FieldKind.Invalid],
    [':path', '', FieldKind.Invalid],
    [':authority', 'a.b:80', FieldKind.Authority],
    [':authority', 'u@a', FieldKind.Invalid],
    [':method', 'G(T', FieldKind.Invalid],
    [':scheme', 'ftp', FieldKind.Scheme],
    [':scheme', 'a b', FieldKind.Invalid],
    ['host', 'a b', FieldKind.Invalid],
  ];
  for (const [name, value, kind] of cases) assert.equal(kindOf(literal(name, value)), kind, `${name}: ${value}`);
});

test('values lose the whitespace around them, and an entry with a bad value still lends its name', () => {
  const decoder = new HpackDecoder();
  assert.deepEqual(decode(decoder, '40 03 666f6f 05 2020612009'), [['foo', 'a']]);
  assert.equal(decoder.tableBytes, 3 + 5 + 32);
  const list = new List();
  const blocks = hex('40 03 626172 01 0a be 7e 01 61');
  assert.equal(decoder.decode(blocks, 0, blocks.length, list), true);
  assert.deepEqual(list.kinds, [FieldKind.Invalid, FieldKind.Invalid, FieldKind.Regular]);
  assert.deepEqual(list.fields[2], ['bar', 'a']);
});

test('the static table has the entries of appendix A', () => {
  assert.equal(STATIC_NAMES.length, 62);
  const at = (index: number) => [STATIC_NAMES[index].text, STATIC_VALUES[index]];
  assert.deepEqual(at(1), [':authority', '']);
  assert.deepEqual(at(7), [':scheme', 'https']);
  assert.deepEqual(at(14), [':status', '500']);
  assert.deepEqual(at(16), ['accept-encoding', 'gzip, deflate']);
  assert.deepEqual(at(32), ['cookie', '']);
  assert.deepEqual(at(58), ['user-agent', '']);
  assert.deepEqual(at(61), ['www-authenticate', '']);
});

function encode(encoder: HpackEncoder, headers: Headers): Buffer {
  const out = new ByteBuffer(16);
  encoder.encode(headers, out);
  return Buffer.from(out.bytes.subarray(0, out.length));
}

/** Sends headers through an encoder and a decoder and says how many bytes it took. */
function pass(encoder: HpackEncoder, decoder: HpackDecoder, headers: Headers): number {
  const bytes = encode(encoder, headers);
  assert.deepEqual(decode(decoder, bytes.toString('hex')), [...headers]);
  assert.equal(encoder.tableBytes, decoder.tableBytes);
  return bytes.length;
}

describe('encoder', () => {
  const request = (path: string, id: string, ...more: string[]) => {
    const headers = Headers.request('GET', path, 'reviews.default.svc:9080', 'user-agent', 'curl/8', ...more);
    headers.scheme = 'http';
    headers.add('x-request-id', id);
    return headers;
  };

  test('repeated headers shrink to an index each, changing ones stay out of the table', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    const sizes = [];
    for (let i = 0; i < 50; i++) sizes.push(pass(encoder, decoder, request('/a', `id-${i}`)));
    assert.ok(sizes[0] > 40);
    // method, scheme, authority, path, user agent: one byte each; the id: its name's index, its length, itself.
    assert.equal(sizes[49], 5 + 2 + 1 + 5);
    assert.equal(decoder.tableLength, 4);
  });

  test('values that take turns are entered once each', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    let last = 0;
    for (let i = 0; i < 12; i++)
      last = pass(encoder, decoder, request(i % 2 ? '/a/long/path' : '/another/long/path', 'x'));
    assert.equal(last, 6);
  });

  test('secrets are never entered', () => {
    const encoder = new HpackEncoder();
    const headers = () => Headers.request('', '', '', 'authorization', 'Bearer abc', 'cookie', 'sid=1');
    const once = new Headers();
    for (let i = 0; i < 3; i++) {
      const bytes = encode(encoder, headers());
      assert.equal(encoder.tableBytes, 0);
      assert.deepEqual(bytes, encode(encoder, headers()));
    }
    once.add('authorization', 'x');
    assert.equal(encode(encoder, once).toString('hex'), '1f080178');
  });

  test('long cookies are entered', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    const headers = new Headers();
    headers.add('cookie', 'session=0123456789abcdef0123456789abcdef');
    pass(encoder, decoder, headers);
    pass(encoder, decoder, headers);
    assert.equal(pass(encoder, decoder, headers), 1);
  });

  test('a smaller table at the peer is announced and kept to', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(100);
    encoder.setMaxTableSize(100);
    for (let i = 0; i < 30; i++) {
      pass(encoder, decoder, request('/a', `id-${i}`, `x-${i % 3}`, 'v'));
      assert.ok(decoder.tableBytes <= 100);
    }
    encoder.setMaxTableSize(0);
    decoder.setLimit(0);
    pass(encoder, decoder, request('/a', 'id'));
    assert.equal(decoder.tableBytes, 0);
    encoder.setMaxTableSize(1 << 30);
    decoder.setLimit(4096);
    for (let i = 0; i < 3; i++) pass(encoder, decoder, request('/a', 'id'));
    assert.ok(decoder.tableBytes > 100);
  });

  test('a table of no size', () => {
    const encoder = new HpackEncoder(0);
    const decoder = new HpackDecoder(0);
    assert.equal(encode(encoder, Headers.response(200)).toString('hex'), '2088');
    for (let i = 0; i < 3; i++) pass(encoder, decoder, request('/a', `id-${i}`));
  });

  for (const size of [4096, 65536]) {
    test(`more names than it keeps in mind, in a table of ${size}`, () => {
      const encoder = new HpackEncoder(size);
      const decoder = new HpackDecoder(size);
      encoder.setMaxTableSize(size);
      for (let i = 0; i < 2000; i++) {
        const headers = new Headers();
        for (let k = 0; k < 5; k++) headers.add(`name-${(i * 7 + k) % 700}`, 'value');
        pass(encoder, decoder, headers);
      }
    });
  }

  test('headers of an HTTP/1 connection do not leave', () => {
    const encoder = new HpackEncoder();
    const headers = Headers.response(
      200,
      'connection',
      'close',
      'x',
      '1',
      'transfer-encoding',
      'chunked',
      'upgrade',
      'h2c',
    );
    const bytes = encode(encoder, headers);
    assert.deepEqual(decode(new HpackDecoder(), bytes.toString('hex')), [
      [':status', '200'],
      ['x', '1'],
    ]);
  });

  test('random messages arrive as they were sent', () => {
    const random = generator(7541);
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    for (let i = 0; i < 2000; i++) {
      const headers = random(2) ? Headers.response(200 + random(400)) : request('/' + random(5), 'x' + random(1000));
      for (let k = random(12); k > 0; k--) {
        let value = '';
        for (let n = random(60); n > 0; n--) value += String.fromCharCode(33 + random(94) + 128 * random(2));
        headers.add(`header-${random(40)}`, random(3) ? String(random(4)) : value.replaceAll('\x7f', ''));
      }
      pass(encoder, decoder, headers);
    }
  });
});

/** Small seeded generator of whole numbers below `n`. */
function generator(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

test('random bytes never throw and never leave the limits', () => {
  const random = generator(113);
  for (let i = 0; i < 3000; i++) {
    const decoder = new HpackDecoder(random(2) ? 4096 : 128);
    for (let k = 0; k < 3; k++) {
      const bytes = Buffer.from(Array.from({ length: random(80) }, () => random(256)));
      decoder.decode(bytes, 0, bytes.length, new List());
      assert.ok(decoder.tableBytes <= 4096);
    }
  }
});
