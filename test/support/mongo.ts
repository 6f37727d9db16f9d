/** Messages of MongoDB's older wire protocol, written. */

/** A value of a document: what JavaScript has no type for is tagged. */
export type Bson =
  | string
  | number
  | boolean
  | null
  | bigint
  | Buffer
  | readonly Bson[]
  | { readonly $double: number }
  | { readonly $symbol: string }
  | { readonly $id: string }
  | { readonly $date: bigint }
  | { readonly $timestamp: bigint }
  | { readonly $regex: readonly [string, string] }
  | { readonly $doc: Readonly<Record<string, Bson>> };

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
};
const int64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
};
const double = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
};
export const cString = (text: string): Buffer => Buffer.from(`${text}\0`);
const string = (text: string): Buffer => Buffer.concat([int32(Buffer.byteLength(text) + 1), cString(text)]);

export function bson(document: Readonly<Record<string, Bson>>): Buffer {
  const fields = Object.entries(document).map(([key, value]) => {
    const [type, bytes] = element(value);
    return Buffer.concat([Buffer.from([type]), cString(key), bytes]);
  });
  const body = Buffer.concat([...fields, Buffer.from([0])]);
  return Buffer.concat([int32(body.length + 4), body]);
}

function element(value: Bson): readonly [number, Buffer] {
  if (typeof value === 'string') return [0x02, string(value)];
  if (typeof value === 'number') return [0x10, int32(value)];
  if (typeof value === 'boolean') return [0x08, Buffer.from([value ? 1 : 0])];
  if (typeof value === 'bigint') return [0x12, int64(value)];
  if (value === null) return [0x0a, Buffer.alloc(0)];
  if (Buffer.isBuffer(value)) return [0x05, Buffer.concat([int32(value.length), Buffer.from([0]), value])];
  if (Array.isArray(value)) return [0x04, bson(Object.fromEntries(value.map((item, i) => [i, item])))];
  if ('$double' in value) return [0x01, double(value.$double)];
  if ('$symbol' in value) return [0x0e, string(value.$symbol)];
  if ('$id' in value) return [0x07, Buffer.from(value.$id, 'hex')];
  if ('$date' in value) return [0x09, int64(value.$date)];
  if ('$timestamp' in value) return [0x11, int64(value.$timestamp)];
  if ('$regex' in value) return [0x0b, Buffer.concat(value.$regex.map(cString))];
  return [0x03, bson((value as { readonly $doc: Readonly<Record<string, Bson>> }).$doc)];
}

export function message(op: number, requestId: number, responseTo: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([int32(body.length + 16), int32(requestId), int32(responseTo), int32(op), body]);
}

type Document = Readonly<Record<string, Bson>>;

export const query = (id: number, collection: string, document: Document, flags = 0, fields?: Document): Buffer =>
  message(
    2004,
    id,
    0,
    int32(flags),
    cString(collection),
    int32(0),
    int32(-1),
    bson(document),
    ...(fields ? [bson(fields)] : []),
  );

export const insert = (id: number, collection: string, ...documents: readonly Document[]): Buffer =>
  message(2002, id, 0, int32(0), cString(collection), ...documents.map(bson));

export const getMore = (id: number, collection: string, cursor: bigint): Buffer =>
  message(2005, id, 0, int32(0), cString(collection), int32(10), int64(cursor));

export const killCursors = (id: number, ...cursors: readonly bigint[]): Buffer =>
  message(2007, id, 0, int32(0), int32(cursors.length), ...cursors.map(int64));

export const command = (
  id: number,
  database: string,
  name: string,
  args: Document,
  ...more: readonly Document[]
): Buffer => message(2010, id, 0, cString(database), cString(name), bson({}), bson(args), ...more.map(bson));

export const commandReply = (id: number, to: number, reply: Document): Buffer =>
  message(2011, id, to, bson({}), bson(reply));

export const reply = (id: number, to: number, documents: readonly Document[], flags = 0, cursor = 0n): Buffer =>
  message(1, id, to, int32(flags), int64(cursor), int32(0), int32(documents.length), ...documents.map(bson));

/** A message of the newer protocol. */
export const opMsg = (id: number, document: Document): Buffer =>
  message(2013, id, 0, int32(0), Buffer.from([0]), bson(document));
