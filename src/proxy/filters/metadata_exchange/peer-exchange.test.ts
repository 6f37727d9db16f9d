import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeIdentity } from '../../context.ts';
import { encodePeerExchange, readPeerExchange } from './peer-exchange.ts';

const NODE: NodeIdentity = {
  id: 'n',
  cluster: 'c',
  metadata: { NAME: 'a', IGNORED: 'x', LABELS: { app: 'b', role: 'd', other: 'e' } },
  region: '',
  zone: '',
  subZone: '',
  localAddress: '10.0.0.9',
};
const NO_LABELS: ReadonlySet<string> = new Set();

const field = (number: number, bytes: Buffer | string): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, Buffer.byteLength(bytes)]), Buffer.from(bytes)]);
const entry = (key: string, value: Buffer): Buffer => field(1, Buffer.concat([field(1, key), field(2, value)]));
const text = (value: string): Buffer => field(3, value);

/** What Istio's proxies send for this node, spelled out. */
const STRUCT = Buffer.concat([
  entry(
    'x-envoy-peer-metadata',
    field(5, Buffer.concat([entry('LABELS', field(5, entry('app', text('b')))), entry('NAME', text('a'))])),
  ),
  entry('x-envoy-peer-metadata-id', text('n')),
]);
const ANY = Buffer.concat([
  field(1, 'type.googleapis.com/google.protobuf.Struct'),
  Buffer.from([(2 << 3) | 2, STRUCT.length]),
  STRUCT,
]);
const MAGIC = [0x3d, 0x23, 0x04, 0x67];
const HELLO = Buffer.concat([Buffer.from([...MAGIC, 0, 0, 0, ANY.length]), ANY]);

test('the bytes are those of Istio', () => {
  assert.deepEqual(Buffer.from(encodePeerExchange(NODE, NO_LABELS)), HELLO);
});

test('labels that are asked for go along', () => {
  const bytes = Buffer.from(encodePeerExchange(NODE, new Set(['role'])));
  const found = readPeerExchange(bytes, 0, bytes.length, new Set(['role', 'other']));
  assert.ok(found.kind === 'told');
  assert.deepEqual([found.peer?.instance, found.peer?.app, found.peer?.labels], ['a', 'b', { role: 'd' }]);
});

test('it is read from wherever it stands, and not before all of it is there', () => {
  const around = Buffer.concat([Buffer.from('xx'), HELLO, Buffer.from('data')]);
  for (let end = 2; end < 2 + HELLO.length; end++) {
    assert.deepEqual(readPeerExchange(around, 2, end, NO_LABELS), { kind: 'more' }, `${end - 2} octets`);
  }
  for (const end of [2 + HELLO.length, around.length]) {
    const found = readPeerExchange(around, 2, end, NO_LABELS);
    assert.ok(found.kind === 'told' && found.valid);
    assert.deepEqual([found.length, found.peer?.app], [HELLO.length, 'b']);
  }
});

test('what is none, and what cannot be read', () => {
  const read = (...bytes: (readonly number[] | Buffer)[]) => {
    const all = Buffer.concat(bytes.map((part) => Buffer.from(part)));
    return readPeerExchange(all, 0, all.length, NO_LABELS);
  };
  assert.deepEqual(read(Buffer.from('GET / HTTP/1.1\r\n')), { kind: 'absent' });
  assert.deepEqual(read(Buffer.from('GET / H')), { kind: 'more' });
  assert.deepEqual(read(MAGIC, [0, 1, 0, 1]), { kind: 'too-long' });
  assert.deepEqual(read(MAGIC, [255, 255, 255, 255]), { kind: 'too-long' });
  const unreadable = { kind: 'told', peer: undefined, valid: false };
  assert.deepEqual(read(MAGIC, [0, 0, 0, 1], [0xff]), { ...unreadable, length: 9 });
  assert.deepEqual(read(MAGIC, [0, 0, 0, 0]), { ...unreadable, length: 8 });
  const other = field(1, 'type.googleapis.com/google.protobuf.Empty');
  assert.deepEqual(read(MAGIC, [0, 0, 0, other.length], other), { ...unreadable, length: 8 + other.length });
  const empty = field(1, 'type.googleapis.com/google.protobuf.Struct');
  assert.deepEqual(read(MAGIC, [0, 0, 0, empty.length], empty), {
    kind: 'told',
    length: 8 + empty.length,
    peer: undefined,
    valid: true,
  });
});
