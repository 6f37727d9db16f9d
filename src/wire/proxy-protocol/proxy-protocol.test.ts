import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeProxyV1, encodeProxyV2, tcpAddresses } from './encode.ts';
import { type ProxyAddresses, type ProxyTransport, SIGNATURE_V2 } from './header.ts';
import { type ProxyProtocolResult, parseProxyProtocol } from './parse.ts';

const text = (value: string) => Buffer.from(value, 'latin1');

function v2(command: number, family: number, body: Uint8Array, length = body.length): Buffer {
  return Buffer.concat([SIGNATURE_V2, Buffer.from([command, family, length >> 8, length & 255]), body]);
}

const parse = (bytes: Buffer) => parseProxyProtocol(bytes, 0, bytes.length);

/** What comes of the octets, which has to be the same with others before and behind; the octets before it need more. */
function parseEveryWay(bytes: Buffer, early = false): ProxyProtocolResult {
  const result = parse(bytes);
  const inside = Buffer.concat([text('xx'), bytes, text('GET / HTTP/1.1\r\n')]);
  assert.deepEqual(parseProxyProtocol(inside, 2, inside.length), result);
  for (let length = 0; length < bytes.length && !early; length++) {
    assert.equal(parse(bytes.subarray(0, length)).kind, 'need-more', `after ${length}`);
  }
  return result;
}

function headerOf(result: ProxyProtocolResult) {
  assert.equal(result.kind, 'header', JSON.stringify(result));
  return result as Extract<ProxyProtocolResult, { kind: 'header' }>;
}

const of = (transport: ProxyTransport, from: string, fromPort: number, to: string, toPort: number): ProxyAddresses => ({
  transport,
  source: { address: from, port: fromPort },
  destination: { address: to, port: toPort },
});

describe('version 1', () => {
  const cases: [string, ProxyAddresses | undefined][] = [
    ['PROXY TCP4 1.2.3.4 255.255.255.254 80 65535', of('tcp4', '1.2.3.4', 80, '255.255.255.254', 65535)],
    ['PROXY TCP4 0.0.0.1 127.0.0.1 0 1 ', of('tcp4', '0.0.0.1', 0, '127.0.0.1', 1)],
    ['PROXY TCP4 1.2.3.4 1.2.3.4 01 +2', of('tcp4', '1.2.3.4', 1, '1.2.3.4', 2)],
    ['PROXY TCP6 ::1 2001:DB8:0:0::A 1 2', of('tcp6', '::1', 1, '2001:db8::a', 2)],
    ['PROXY TCP6 ::ffff:102:304 ::2 1 2', of('tcp6', '::ffff:1.2.3.4', 1, '::2', 2)],
    ['PROXY UNKNOWN', undefined],
    [`PROXY UNKNOWN ${'f'.repeat(91)}`, undefined],
  ];
  for (const [line, addresses] of cases) {
    test(line, () => {
      const { header, length } = headerOf(parseEveryWay(text(`${line}\r\n`)));
      assert.deepEqual(header, { version: 1, addresses, tlvs: [] });
      assert.equal(length, line.length + 2);
    });
  }

  const bad = [
    'PROXY \r\n',
    'PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY UNKNOWNS\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n',
    'PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2  \r\n',
    'PROXY TCP4 1.2.3.4 255.255.255.255 1 2\r\n',
    'PROXY TCP4 0.0.0.0 1.2.3.4 1 2\r\n',
    'PROXY TCP4 224.0.0.1 1.2.3.4 1 2\r\n',
    'PROXY TCP6 :: ::2 1 2\r\n',
    'PROXY TCP6 ::1 ff02::2 1 2\r\n',
    'PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n',
    'PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n',
    'PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n',
    'PROXY TCP4 ::1 ::1 1 2\r\n',
    'PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY TCP6 ::1%lo ::1 1 2\r\n',
    'PROXY TCP6 1:2 ::1 1 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 ++2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n',
  ];
  for (const line of bad) {
    test(`refused: ${JSON.stringify(line)}`, () => assert.equal(parseEveryWay(text(line)).kind, 'error'));
  }

  test('a line without end', () => {
    const line = `PROXY UNKNOWN ${'f'.repeat(200)}`;
    assert.equal(parse(text(line.slice(0, 106))).kind, 'need-more');
    assert.equal(parse(text(line.slice(0, 107))).kind, 'error');
    assert.equal(parse(text(`${line}\r\n`)).kind, 'error');
  });
});

describe('version 2', () => {
  const IPV4 = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 1, 187]);
  const IPV6 = Buffer.concat([
    Buffer.alloc(15),
    Buffer.from([1]),
    Buffer.alloc(16, 0xab),
    Buffer.from([0, 1, 255, 255]),
  ]);
  const PATHS = Buffer.alloc(216);
  PATHS.write('/run/a.sock', 0, 'latin1');
  PATHS.write('\0abstract', 108, 'latin1');
  const ab = 'abab:abab:abab:abab:abab:abab:abab:abab';
  const cases: [string, Buffer, ProxyAddresses | undefined, [number, string][]?][] = [
    ['TCP over IPv4', v2(0x21, 0x11, IPV4), of('tcp4', '1.2.3.4', 80, '5.6.7.8', 443)],
    ['UDP over IPv4', v2(0x21, 0x12, IPV4), of('udp4', '1.2.3.4', 80, '5.6.7.8', 443)],
    ['TCP over IPv6', v2(0x21, 0x21, IPV6), of('tcp6', '::1', 1, ab, 65535)],
    ['UDP over IPv6', v2(0x21, 0x22, IPV6), of('udp6', '::1', 1, ab, 65535)],
    ['UNIX stream', v2(0x21, 0x31, PATHS), of('unix', '/run/a.sock', 0, '\0abstract', 0)],
    ['UNIX datagram', v2(0x21, 0x32, Buffer.alloc(216)), of('unix-datagram', '', 0, '', 0)],
    ['UNIX with full paths', v2(0x21, 0x31, Buffer.alloc(216, 97)), of('unix', 'a'.repeat(108), 0, 'a'.repeat(108), 0)],
    ['LOCAL', v2(0x20, 0, Buffer.alloc(0)), undefined],
    ['LOCAL with addresses that do not count', v2(0x20, 0x11, Buffer.alloc(5, 7)), undefined],
    [
      'extensions',
      v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.from([0xea, 0, 2, 104, 105, 4, 0, 0, 0xea, 0, 1, 33])])),
      of('tcp4', '1.2.3.4', 80, '5.6.7.8', 443),
      [
        [0xea, 'hi'],
        [4, ''],
        [0xea, '!'],
      ],
    ],
  ];
  for (const [name, bytes, addresses, tlvs = []] of cases) {
    test(name, () => {
      const { header, length } = headerOf(parseEveryWay(bytes));
      assert.equal(length, bytes.length);
      assert.equal(header.version, 2);
      assert.deepEqual(header.addresses, addresses);
      assert.deepEqual(
        header.tlvs.map(({ type, value }) => [type, Buffer.from(value).toString('latin1')]),
        tlvs,
      );
    });
  }

  const bad: [string, Buffer][] = [
    ['version 1', v2(0x11, 0x11, IPV4)],
    ['version 3', v2(0x31, 0x11, IPV4)],
    ['an unknown command', v2(0x22, 0x11, IPV4)],
    ['an unknown family', v2(0x21, 0x41, IPV4)],
    ['an unknown protocol', v2(0x21, 0x13, IPV4)],
    ['an unspecified family', v2(0x21, 0, Buffer.alloc(0))],
    ['the address of nobody', v2(0x21, 0x11, Buffer.alloc(12))],
    ['half a family', v2(0x21, 0x10, IPV4)],
    ['too short for IPv4', v2(0x21, 0x11, IPV4.subarray(1))],
    ['too short for IPv6', v2(0x21, 0x21, IPV6.subarray(1))],
    ['too short for UNIX', v2(0x21, 0x31, PATHS.subarray(1))],
    ['half an extension', v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.from([1, 0])]))],
    ['an extension longer than the header', v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.from([1, 0, 2, 9])]))],
  ];
  for (const [name, bytes] of bad) {
    test(`refused: ${name}`, () => assert.equal(parseEveryWay(bytes, true).kind, 'error'));
  }

  test('the largest header', () => {
    const bytes = v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.from([9, 0xff, 0xf0]), Buffer.alloc(65520)]));
    assert.equal(headerOf(parse(bytes)).length, 16 + 65535);
    assert.equal(parse(bytes.subarray(0, bytes.length - 1)).kind, 'need-more');
  });
});

test('something else', () => {
  for (const begin of ['GET / HTTP/1.1', 'P0', 'PROXZ', 'PROXY\t', '\r\n\r\n\0\r\nQUIX', '\r\nA', '\x16\x03\x01']) {
    assert.equal(parse(text(begin)).kind, 'not-present', JSON.stringify(begin));
  }
  for (const begin of ['', 'P', 'PROXY', '\r\n\r\n\0']) assert.equal(parse(text(begin)).kind, 'need-more');
});

describe('what we write', () => {
  const all = [
    of('tcp4', '10.0.0.1', 1234, '10.0.0.2', 80),
    of('tcp6', '2001:db8::1', 1, '::1', 65535),
    of('udp4', '10.0.0.1', 1234, '10.0.0.2', 80),
    of('udp6', '::3', 0, 'fe80::1', 53),
    of('unix', '/run/a', 0, '', 0),
    of('unix-datagram', '\0x', 0, '/b', 0),
  ];
  test('is read as it was meant', () => {
    for (const addresses of all) {
      const second = encodeProxyV2(addresses, [{ type: 0xe0, value: text('spiffe://a/b') }]);
      const { header, length } = headerOf(parse(second));
      assert.deepEqual(header.addresses, addresses);
      assert.equal(Buffer.from(header.tlvs[0].value).toString(), 'spiffe://a/b');
      assert.equal(length, second.length);
      const first = headerOf(parse(encodeProxyV1(addresses))).header.addresses;
      assert.deepEqual(first, addresses.transport.startsWith('tcp') ? addresses : undefined);
    }
    assert.equal(headerOf(parse(encodeProxyV2(undefined))).header.addresses, undefined);
    assert.equal(encodeProxyV2(undefined).toString('hex'), `${SIGNATURE_V2.toString('hex')}20000000`);
    assert.equal(encodeProxyV1(all[0]).toString(), 'PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\n');
  });

  test('extensions that do not fit are left out', () => {
    const large = { type: 1, value: Buffer.alloc(65000) };
    assert.equal(headerOf(parse(encodeProxyV2(all[0], [large, large]))).header.tlvs.length, 1);
  });

  test('addresses of one family', () => {
    const pair = (from: string, to: string) => {
      const { transport, source, destination } = tcpAddresses({ address: from, port: 1 }, { address: to, port: 2 });
      return [transport, source.address, destination.address];
    };
    assert.deepEqual(pair('1.2.3.4', '::ffff:5.6.7.8'), ['tcp4', '1.2.3.4', '5.6.7.8']);
    assert.deepEqual(pair('1.2.3.4', '::1'), ['tcp6', '::ffff:102:304', '::1']);
    assert.deepEqual(pair('::2', '::1'), ['tcp6', '::2', '::1']);
  });
});

test('random octets never throw', () => {
  let state = 2010;
  const random = (n: number) => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8) % n;
  for (let i = 0; i < 5000; i++) {
    const body = Buffer.from(Array.from({ length: random(60) }, () => random(256)));
    parse(v2(0x20 + random(3), [0x11, 0x21, 0x31, 0][random(4)], body, random(80)));
    parse(Buffer.concat([text('PROXY TCP4 '), body, text('\r\n')]));
  }
});
