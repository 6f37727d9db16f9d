import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import tls from 'node:tls';
import { type ClientHello, ClientHelloReader, type ClientHelloResult, MAX_CLIENT_HELLO } from './clienthello.ts';

const u8 = (...values: number[]) => Buffer.from(values);
const u16 = (...values: number[]) => Buffer.concat(values.map((v) => Buffer.from([v >> 8, v & 255])));
const vec8 = (...parts: Uint8Array[]) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([u8(body.length), body]);
};
const vec16 = (...parts: Uint8Array[]) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([u16(body.length), body]);
};
const text = (value: string) => Buffer.from(value, 'latin1');
const extension = (type: number, body: Uint8Array) => Buffer.concat([u16(type), vec16(body)]);
const sniOf = (name: string, type = 0) => extension(0, vec16(u8(type), vec16(text(name))));
const alpnOf = (...names: string[]) => extension(16, vec16(...names.map((name) => vec8(text(name)))));
const versionsOf = (...versions: number[]) => extension(43, vec8(u16(...versions)));

interface Parts {
  version?: number;
  session?: Buffer;
  ciphers?: Buffer;
  compression?: Buffer;
  /** The whole rest of the body, with the length of the extensions. */
  rest?: Buffer;
  /** Type and length of the handshake message, if they are to be wrong. */
  type?: number;
  extraLength?: number;
}

function message(parts: Parts = {}): Buffer {
  const body = Buffer.concat([
    u16(parts.version ?? 0x0303),
    Buffer.alloc(32, 7),
    parts.session ?? vec8(Buffer.alloc(32, 9)),
    parts.ciphers ?? vec16(u16(0x1301, 0xc02f)),
    parts.compression ?? vec8(u8(0)),
    parts.rest ?? vec16(sniOf('a.b')),
  ]);
  const length = body.length + (parts.extraLength ?? 0);
  return Buffer.concat([u8(parts.type ?? 1, length >> 16, (length >> 8) & 255, length & 255), body]);
}

/** Records of at most `size` octets each. */
function records(handshake: Buffer, size = 16384): Buffer {
  const out: Buffer[] = [];
  for (let at = 0; at < handshake.length; at += size) {
    out.push(u8(22, 3, 1), vec16(handshake.subarray(at, at + size)));
  }
  return Buffer.concat(out);
}

function read(bytes: Buffer): ClientHelloResult {
  return new ClientHelloReader().receive(bytes, 0, bytes.length);
}

/** What comes of the bytes; the same has to come of them in two pieces, byte by byte, and with others behind. */
function readEveryWay(bytes: Buffer): ClientHelloResult {
  const result = read(bytes);
  for (let split = 0; split <= bytes.length; split++) {
    const reader = new ClientHelloReader();
    reader.receive(bytes, 0, split);
    assert.deepEqual(reader.receive(bytes, split, bytes.length), result, `split at ${split}`);
  }
  const single = new ClientHelloReader();
  let last: ClientHelloResult = { kind: 'need-more' };
  for (let at = 0; at < bytes.length; at++) last = single.receive(bytes, at, at + 1);
  assert.deepEqual(last, result);
  if (result.kind !== 'need-more') assert.deepEqual(read(Buffer.concat([bytes, Buffer.alloc(50, 255)])), result);
  return result;
}

function helloOf(result: ClientHelloResult): ClientHello {
  assert.equal(result.kind, 'hello', JSON.stringify(result));
  return (result as { hello: ClientHello }).hello;
}

test('what a hello says', () => {
  const full = vec16(
    extension(0x0a0a, u8()),
    sniOf('Reviews.Default.SVC'),
    extension(10, vec16(u16(0x1a1a, 29, 23))),
    extension(11, vec8(u8(0, 1))),
    extension(13, vec16(u16(0x0403, 0x0804))),
    alpnOf('istio-peer-exchange', 'istio', 'h2'),
    versionsOf(0x0304, 0x0303),
  );
  for (const size of [1, 7, 100, 16384]) {
    assert.deepEqual(helloOf(readEveryWay(records(message({ rest: full }), size))), {
      sni: 'reviews.default.svc',
      alpn: ['istio-peer-exchange', 'istio', 'h2'],
      legacyVersion: 0x0303,
      supportedVersions: [0x0304, 0x0303],
      cipherSuites: [0x1301, 0xc02f],
      extensions: [0x0a0a, 0, 10, 11, 13, 16, 43],
      groups: [0x1a1a, 29, 23],
      pointFormats: [0, 1],
      signatureAlgorithms: [0x0403, 0x0804],
    });
  }
});

test('hellos that say little', () => {
  const cases: [string, Parts][] = [
    ['no extensions', { rest: u8() }],
    ['an empty list of extensions', { rest: vec16() }],
    ['no session', { session: vec8(), rest: u8() }],
    ['TLS 1.0', { version: 0x0301, rest: u8() }],
    ['TLS 1.3 where it should say 1.2', { version: 0x0304, rest: u8() }],
    ['another compression method', { compression: vec8(u8(1)), rest: u8() }],
    ['no protocol in ALPN', { rest: vec16(alpnOf()) }],
    ['an empty protocol in ALPN', { rest: vec16(alpnOf('h2', '')) }],
    ['a protocol cut short', { rest: vec16(extension(16, vec16(u8(3, 65)))) }],
    ['octets behind the protocols', { rest: vec16(extension(16, Buffer.concat([vec16(vec8(text('h2'))), u8(0)]))) }],
    ['half a version', { rest: vec16(extension(43, vec8(u8(3, 4, 3)))) }],
    ['groups without a length', { rest: vec16(extension(10, u8(1))) }],
  ];
  for (const [name, parts] of cases) {
    const hello = helloOf(readEveryWay(records(message(parts))));
    assert.deepEqual([hello.sni, hello.alpn, hello.supportedVersions, hello.groups], ['', [], [], []], name);
  }
});

describe('what is no TLS', () => {
  const cases: [string, Buffer][] = [
    ['HTTP', text('GET / HTTP/1.1\r\n\r\n')],
    ['one letter', text('G')],
    ['an alert', u8(21, 3, 1, 0, 2, 1, 0)],
    ['SSL 2', u8(0x80, 0x2e, 1, 3, 1)],
    ['another record version', u8(22, 4)],
    ['an empty record', u8(22, 3, 1, 0, 0)],
    ['a record above 16 KiB', u8(22, 3, 1, 0x40, 1)],
    ['another handshake message', records(message({ type: 2 }))],
    ['a session id above 32 octets', records(message({ session: vec8(Buffer.alloc(33)) }))],
    ['no cipher suites', records(message({ ciphers: vec16() }))],
    ['half a cipher suite', records(message({ ciphers: vec16(u8(1, 2, 3)) }))],
    ['no compression methods', records(message({ compression: vec8() }))],
    ['octets behind the extensions', records(message({ rest: Buffer.concat([vec16(sniOf('a')), u8(0)]) }))],
    ['a length of extensions alone', records(message({ rest: u8(0) }))],
    ['extensions longer than the message', records(message({ rest: u16(1) }))],
    ['an extension longer than the list', records(message({ rest: vec16(u16(5, 1)) }))],
    ['an extension cut short', records(message({ rest: vec16(u8(0, 5, 0)) }))],
    ['an extension twice', records(message({ rest: vec16(sniOf('a'), sniOf('a')) }))],
    ['an empty server name', records(message({ rest: vec16(sniOf('')) }))],
    ['a server name with NUL', records(message({ rest: vec16(sniOf('a\0b')) }))],
    ['a server name above 255 octets', records(message({ rest: vec16(sniOf('a'.repeat(256))) }))],
    ['a server name of another type', records(message({ rest: vec16(sniOf('a', 1)) }))],
    [
      'two server names',
      records(message({ rest: vec16(extension(0, vec16(u8(0), vec16(text('a')), u8(0), vec16(text('b'))))) })),
    ],
    ['no server name in the list', records(message({ rest: vec16(extension(0, vec16())) }))],
    ['octets behind the server name list', records(message({ rest: vec16(extension(0, u8(0, 0, 0))) }))],
    ['SSL 3', records(message({ version: 0x0300, rest: u8() }))],
    ['SSL 3, whatever else it offers', records(message({ version: 0x0300, rest: vec16(versionsOf(0x0304)) }))],
    ['a version of the future', records(message({ version: 0x0305, rest: u8() }))],
    ['more than the hello in its record', records(Buffer.concat([message(), u8(20)]))],
  ];
  for (const [name, bytes] of cases) {
    test(name, () => assert.equal(readEveryWay(bytes).kind, 'not-tls'));
  }

  test('a record of another type between two of the handshake', () => {
    const parts = records(message(), 40);
    parts[45] = 23;
    assert.equal(readEveryWay(parts).kind, 'not-tls');
  });
});

test('a hello that has not come whole', () => {
  const bytes = records(message(), 50);
  for (let length = 0; length < bytes.length; length++) assert.equal(read(bytes.subarray(0, length)).kind, 'need-more');
  assert.equal(read(bytes).kind, 'hello');
});

test('bounds', () => {
  const padded = (size: number) => message({ rest: vec16(extension(21, Buffer.alloc(size))) });
  const size = (handshake: Buffer) => records(handshake).length;
  const room = MAX_CLIENT_HELLO - size(padded(0));
  assert.equal(size(padded(room)), MAX_CLIENT_HELLO);
  assert.equal(read(records(padded(room))).kind, 'hello');
  assert.equal(read(records(padded(room + 1))).kind, 'error');
  assert.equal(readEveryWay(u8(22, 3, 1, 0x40, 0, 1, 0, 0x40, 1)).kind, 'error');
  // It would be short enough, but it comes in records of one octet.
  assert.equal(read(records(padded(room / 4), 1)).kind, 'error');
  const wide = new ClientHelloReader(MAX_CLIENT_HELLO * 6);
  const drip = records(padded(room), 1);
  assert.equal(wide.receive(drip, 0, drip.length).kind, 'hello');
});

test('the hello of a real client', async () => {
  const bytes = await new Promise<Buffer>((resolve) => {
    const pipe = new Duplex({
      read() {},
      write: (chunk: Buffer) => resolve(chunk),
    });
    const client = tls.connect({ socket: pipe, servername: 'Example.COM', ALPNProtocols: ['h2', 'http/1.1'] });
    client.on('error', () => {});
  });
  const hello = helloOf(readEveryWay(bytes));
  assert.equal(hello.sni, 'example.com');
  assert.deepEqual(hello.alpn, ['h2', 'http/1.1']);
  assert.ok(hello.supportedVersions.includes(0x0304));
});

test('mutations never throw', () => {
  let state = 8446;
  const random = (n: number) => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8) % n;
  const base = records(message({ rest: vec16(sniOf('a.b'), alpnOf('h2'), versionsOf(0x0304)) }), 60);
  const kinds = new Set<string>();
  for (let i = 0; i < 5000; i++) {
    const bytes = Buffer.from(base.subarray(0, 1 + random(base.length)));
    for (let k = random(4); k > 0; k--) bytes[random(bytes.length)] = random(256);
    kinds.add(read(bytes).kind);
  }
  assert.deepEqual([...kinds].sort(), ['error', 'hello', 'need-more', 'not-tls']);
});
