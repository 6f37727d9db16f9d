import { type BsonDocument, MongoError, MongoReader } from './bson.ts';

/**
 * MongoDB's wire protocol up to version 3.6: OP_QUERY and its likes. What came after it (OP_MSG) is not read: it is an
 * error, as for everything that is not MongoDB.
 */

export const OpCode = {
  Reply: 1,
  Insert: 2002,
  Query: 2004,
  GetMore: 2005,
  KillCursors: 2007,
  Command: 2010,
  CommandReply: 2011,
} as const;

interface Header {
  readonly requestId: number;
  readonly responseTo: number;
}

export type MongoMessage = Header &
  (
    | {
        readonly op: typeof OpCode.Reply;
        readonly flags: number;
        readonly cursorId: bigint;
        readonly startingFrom: number;
        readonly numberReturned: number;
        readonly documents: readonly BsonDocument[];
      }
    | {
        readonly op: typeof OpCode.Insert;
        readonly flags: number;
        readonly collection: string;
        readonly documents: readonly BsonDocument[];
      }
    | {
        readonly op: typeof OpCode.Query;
        readonly flags: number;
        /** `DATABASE.COLLECTION`. */
        readonly collection: string;
        readonly numberToSkip: number;
        readonly numberToReturn: number;
        readonly query: BsonDocument;
        readonly returnFields: BsonDocument | undefined;
      }
    | {
        readonly op: typeof OpCode.GetMore;
        readonly collection: string;
        readonly numberToReturn: number;
        readonly cursorId: bigint;
      }
    | { readonly op: typeof OpCode.KillCursors; readonly cursorIds: readonly bigint[] }
    | {
        readonly op: typeof OpCode.Command;
        readonly database: string;
        readonly name: string;
        readonly metadata: BsonDocument;
        readonly args: BsonDocument;
        readonly documents: readonly BsonDocument[];
      }
    | {
        readonly op: typeof OpCode.CommandReply;
        readonly metadata: BsonDocument;
        readonly reply: BsonDocument;
        readonly documents: readonly BsonDocument[];
      }
  );

export const QueryFlag = {
  TailableCursor: 1 << 1,
  NoCursorTimeout: 1 << 4,
  AwaitData: 1 << 5,
  Exhaust: 1 << 6,
} as const;
export const ReplyFlag = { CursorNotFound: 1 << 0, QueryFailure: 1 << 1 } as const;

const HEADER_LENGTH = 16;
/** MongoDB's own bound (`maxMessageSizeBytes`). */
const MAX_MESSAGE_LENGTH = 48_000_000;
const KNOWN: ReadonlySet<number> = new Set(Object.values(OpCode));

/** Splits one direction of a connection into messages. After an error it is of no more use. */
export class MongoDecoder {
  #chunks: Buffer[] = [];
  #length = 0;
  /** Bytes that have to be there before it is worth looking again. */
  #wanted = HEADER_LENGTH;
  /** What begins here is no message, for which reason, and the bytes until it would have been one. */
  #wrong: { readonly reason: string; left: number } | undefined = undefined;

  /**
   * Takes over `bytes`, which must not change afterwards, and hands on the messages that are complete by now. Throws
   * {@link MongoError} at what is no message when all of it has come, as Envoy does, but does not keep it until then.
   */
  receive(bytes: Buffer, onMessage: (message: MongoMessage) => void): void {
    if (this.#wrong !== undefined) {
      this.#wrong.left -= bytes.length;
      if (this.#wrong.left <= 0) throw new MongoError(this.#wrong.reason);
      return;
    }
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    if (this.#length < this.#wanted) return;
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks, this.#length);
    let at = 0;
    this.#wanted = HEADER_LENGTH;
    while (all.length - at >= HEADER_LENGTH) {
      const length = all.readUInt32LE(at);
      const op = all.readInt32LE(at + 12);
      const left = length - (all.length - at);
      const wrong = whatIsWrong(op, length);
      if (wrong !== undefined) {
        if (left <= 0) throw new MongoError(wrong);
        this.#wrong = { reason: wrong, left };
        this.#chunks = [];
        return;
      }
      if (left > 0) {
        this.#wanted = length;
        break;
      }
      onMessage(readMessage(all, at, at + length));
      at += length;
    }
    this.#length = all.length - at;
    this.#chunks = this.#length === 0 ? [] : [all.subarray(at)];
  }
}

function whatIsWrong(op: number, length: number): string | undefined {
  if (!KNOWN.has(op)) return `invalid mongo op ${op}`;
  return length < HEADER_LENGTH || length > MAX_MESSAGE_LENGTH ? 'invalid message length' : undefined;
}

function readMessage(bytes: Buffer, start: number, end: number): MongoMessage {
  const reader = new MongoReader(bytes, start + 4, end);
  const header = { requestId: reader.int32(), responseTo: reader.int32() };
  const op = reader.int32();
  const message = { ...header, ...readBody(reader, op, end) } as MongoMessage;
  if (reader.position !== end) throw new MongoError('message is longer than what it says');
  return message;
}

/** All but the header; evaluation follows the order of the fields on the wire. */
function readBody(reader: MongoReader, op: number, end: number) {
  switch (op) {
    case OpCode.Reply: {
      const flags = reader.int32();
      const cursorId = reader.int64();
      const startingFrom = reader.int32();
      const numberReturned = reader.int32();
      const documents: BsonDocument[] = [];
      for (let i = 0; i < numberReturned; i++) documents.push(reader.document());
      return { op, flags, cursorId, startingFrom, numberReturned, documents };
    }
    case OpCode.Insert: {
      const flags = reader.int32();
      const collection = reader.cString();
      return { op, flags, collection, documents: documentsUntil(reader, end) };
    }
    case OpCode.Query: {
      const flags = reader.int32();
      const collection = reader.cString();
      const numberToSkip = reader.int32();
      const numberToReturn = reader.int32();
      const query = reader.document();
      const returnFields = reader.position < end ? reader.document() : undefined;
      return { op, flags, collection, numberToSkip, numberToReturn, query, returnFields };
    }
    case OpCode.GetMore: {
      reader.int32();
      return { op, collection: reader.cString(), numberToReturn: reader.int32(), cursorId: reader.int64() };
    }
    case OpCode.KillCursors: {
      reader.int32();
      const count = reader.int32();
      const cursorIds: bigint[] = [];
      for (let i = 0; i < count; i++) cursorIds.push(reader.int64());
      return { op, cursorIds };
    }
    case OpCode.Command: {
      const database = reader.cString();
      const name = reader.cString();
      const metadata = reader.document();
      const args = reader.document();
      return { op, database, name, metadata, args, documents: documentsUntil(reader, end) };
    }
    default: {
      const metadata = reader.document();
      const reply = reader.document();
      return { op, metadata, reply, documents: documentsUntil(reader, end) };
    }
  }
}

function documentsUntil(reader: MongoReader, end: number): BsonDocument[] {
  const documents: BsonDocument[] = [];
  while (reader.position < end) documents.push(reader.document());
  return documents;
}
