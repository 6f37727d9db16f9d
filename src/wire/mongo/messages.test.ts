import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getMore, insert, message, opMsg, query } from '../../../test/support/mongo.ts';
import { MongoError } from './bson.ts';
import { MongoDecoder, type MongoMessage } from './messages.ts';

function received(...pieces: readonly Buffer[]): MongoMessage[] {
  const decoder = new MongoDecoder();
  const messages: MongoMessage[] = [];
  for (const piece of pieces) decoder.receive(Buffer.from(piece), (message) => messages.push(message));
  return messages;
}

const bytes = (...hex: readonly string[]): Buffer => Buffer.from(hex.join('').replaceAll(' ', ''), 'hex');
const IDS = '05000000 06000000';
const DOCUMENT = { fields: [{ key: 'ok', type: 0x10, value: 1 }], byteLength: 13 };
const DOCUMENT_BYTES = '0d000000 10 6f6b00 01000000 00';
const EMPTY = { fields: [], byteLength: 5 };
const EMPTY_BYTES = '05000000 00';
const DB_A = '64622e6100';

/** What stands on the wire, and what it says. */
const TABLE: readonly [name: string, bytes: Buffer, said: object][] = [
  [
    'OP_REPLY',
    bytes('31000000', IDS, '01000000', '02000000 0700000000000000 03000000 01000000', DOCUMENT_BYTES),
    { op: 1, flags: 2, cursorId: 7n, startingFrom: 3, numberReturned: 1, documents: [DOCUMENT] },
  ],
  [
    'OP_INSERT',
    bytes('2b000000', IDS, 'd2070000', '01000000', DB_A, DOCUMENT_BYTES, EMPTY_BYTES),
    { op: 2002, flags: 1, collection: 'db.a', documents: [DOCUMENT, EMPTY] },
  ],
  [
    'OP_QUERY',
    bytes('2e000000', IDS, 'd4070000', '04000000', DB_A, '01000000 ffffffff', DOCUMENT_BYTES),
    {
      op: 2004,
      flags: 4,
      collection: 'db.a',
      numberToSkip: 1,
      numberToReturn: -1,
      query: DOCUMENT,
      returnFields: undefined,
    },
  ],
  [
    'OP_QUERY with fields',
    bytes('2b000000', IDS, 'd4070000', '00000000', DB_A, '00000000 00000000', EMPTY_BYTES, EMPTY_BYTES),
    { op: 2004, flags: 0, collection: 'db.a', numberToSkip: 0, numberToReturn: 0, query: EMPTY, returnFields: EMPTY },
  ],
  [
    'OP_GET_MORE',
    bytes('25000000', IDS, 'd5070000', '00000000', DB_A, '0a000000 ffffffffffffffff'),
    { op: 2005, collection: 'db.a', numberToReturn: 10, cursorId: -1n },
  ],
  [
    'OP_KILL_CURSORS',
    bytes('28000000', IDS, 'd7070000', '00000000 02000000 0100000000000000 0200000000000000'),
    { op: 2007, cursorIds: [1n, 2n] },
  ],
  [
    'OP_COMMAND',
    bytes('27000000', IDS, 'da070000', '646200 7000', EMPTY_BYTES, DOCUMENT_BYTES),
    { op: 2010, database: 'db', name: 'p', metadata: EMPTY, args: DOCUMENT, documents: [] },
  ],
  [
    'OP_COMMANDREPLY',
    bytes('1f000000', IDS, 'db070000', EMPTY_BYTES, EMPTY_BYTES, EMPTY_BYTES),
    { op: 2011, metadata: EMPTY, reply: EMPTY, documents: [EMPTY] },
  ],
];

for (const [name, wire, said] of TABLE) {
  test(`${name}, whole and byte by byte`, () => {
    const whole = { requestId: 5, responseTo: 6, ...said };
    assert.equal(wire.readInt32LE(0), wire.length, 'the table has a wrong length');
    assert.deepEqual(received(wire), [whole]);
    assert.deepEqual(received(...Array.from(wire, (byte) => Buffer.from([byte]))), [whole]);
    assert.deepEqual(received(Buffer.concat([wire, wire])), [whole, whole]);
  });
}

test('every type of BSON', () => {
  const [only] = received(
    insert(1, 'db.a', {
      a: { $double: 0.5 },
      b: 'text',
      c: { $doc: { d: [true, null] } },
      e: Buffer.from('ef', 'hex'),
      f: { $id: '0123456789abcdef01234567' },
      g: { $date: 1n },
      h: { $regex: ['^a', 'i'] },
      i: { $symbol: 's' },
      j: { $timestamp: 2n },
      k: -3n,
    }),
  );
  assert.ok(only.op === 2002);
  const [{ fields }] = only.documents;
  assert.deepEqual(
    fields.map(({ key, type }) => `${key} ${type.toString(16)}`),
    ['a 1', 'b 2', 'c 3', 'e 5', 'f 7', 'g 9', 'h b', 'i e', 'j 11', 'k 12'],
  );
  const nested = fields[2].value as { fields: readonly { value: { fields: unknown } }[] };
  assert.deepEqual(nested.fields[0].value.fields, [
    { key: '0', type: 8, value: true },
    { key: '1', type: 10, value: null },
  ]);
});

const deep = (levels: number): Buffer => {
  let inner = bytes(EMPTY_BYTES);
  for (let i = 0; i < levels; i++) {
    const length = Buffer.alloc(4);
    length.writeInt32LE(inner.length + 8);
    inner = Buffer.concat([length, bytes('03 6100'), inner, bytes('00')]);
  }
  return inner;
};

for (const [name, wire, reason] of [
  ['a newer message', opMsg(1, {}), /invalid mongo op 2013/],
  ['a length that has no room for the header', bytes('0f000000', IDS, 'd4070000'), /invalid message length/],
  ['a text without an end', message(2004, 1, 0, bytes('00000000 6162')), /invalid CString/],
  [
    'a document beyond the message',
    message(2002, 1, 0, bytes('00000000 6100 06000000 00')),
    /invalid BSON message length/,
  ],
  ['a document without an end', message(2002, 1, 0, bytes('00000000 6100 05000000 01')), /invalid document/],
  [
    'an unknown type',
    message(2002, 1, 0, bytes('00000000 6100 08000000 ff 6100 00')),
    /invalid BSON element type: 0xff key: a/,
  ],
  [
    'a string of negative length',
    message(2002, 1, 0, bytes('00000000 6100 0c000000 02 6100 ffffffff 00')),
    /invalid buffer size/,
  ],
  [
    'more replies than there are',
    message(1, 1, 0, bytes('00000000 0000000000000000 00000000 ffffff7f')),
    /invalid buffer size/,
  ],
  ['more than was announced', message(2005, 1, 0, bytes('00000000 6100 00000000 0000000000000000 00')), /longer than/],
  ['documents without end in documents', message(2002, 1, 0, bytes('00000000 6100'), deep(120)), /too deep/],
] as const) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => received(wire),
      (error) => error instanceof MongoError && reason.test(error.message),
    );
  });
}

test('documents in documents as MongoDB has them', () => {
  assert.equal(received(message(2002, 1, 0, bytes('00000000 6100'), deep(100))).length, 1);
});

test('what is no message is not kept, and told of when all of it would have come', () => {
  const decoder = new MongoDecoder();
  const messages: MongoMessage[] = [];
  const receive = (piece: Buffer) => decoder.receive(piece, (message) => messages.push(message));
  receive(getMore(1, 'db.a', 1n));
  const [first, second] = [Buffer.alloc(100), Buffer.alloc(50)];
  first.writeUInt32LE(151);
  receive(first);
  receive(second);
  assert.throws(() => receive(Buffer.from('G')), /invalid mongo op 0/);
  assert.equal(messages.length, 1, 'what came before counts');
});

test('messages before one that is none count', () => {
  const decoder = new MongoDecoder();
  const messages: MongoMessage[] = [];
  const both = Buffer.concat([query(1, 'db.a', {}), opMsg(2, {})]);
  assert.throws(() => decoder.receive(both, (message) => messages.push(message)), MongoError);
  assert.equal(messages.length, 1);
});
