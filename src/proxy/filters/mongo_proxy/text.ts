import { type BsonDocument, type BsonField, BsonType } from '../../../wire/mongo/bson.ts';
import { type MongoMessage, OpCode } from '../../../wire/mongo/messages.ts';

/** A message as Envoy's log of MongoDB has it. Without `full` it tells of documents how many there are. */
export function messageText(message: MongoMessage, full: boolean): string {
  const { requestId, responseTo } = message;
  const ids = `"id": ${requestId}, "response_to": ${responseTo}`;
  const some = (documents: readonly BsonDocument[]) => (full ? listText(documents) : String(documents.length));
  switch (message.op) {
    case OpCode.Reply: {
      const { flags, cursorId, startingFrom, numberReturned, documents } = message;
      return `{"opcode": "OP_REPLY", ${ids}, "flags": "${hex(flags)}", "cursor": "${cursorId}", "from": ${startingFrom}, "returned": ${numberReturned}, "documents": ${some(documents)}}`;
    }
    case OpCode.Insert: {
      const { flags, collection, documents } = message;
      return `{"opcode": "OP_INSERT", ${ids}, "flags": "${hex(flags)}", "collection": "${collection}", "documents": ${some(documents)}}`;
    }
    case OpCode.Query: {
      const { flags, collection, numberToSkip, numberToReturn, query, returnFields } = message;
      const asked = full ? documentText(query) : '"{...}"';
      const fields = returnFields === undefined ? '{}' : documentText(returnFields);
      return `{"opcode": "OP_QUERY", ${ids}, "flags": "${hex(flags)}", "collection": "${collection}", "skip": ${numberToSkip}, "return": ${numberToReturn}, "query": ${asked}, "fields": ${fields}}`;
    }
    case OpCode.GetMore: {
      const { collection, numberToReturn, cursorId } = message;
      return `{"opcode": "OP_GET_MORE", ${ids}, "collection": "${collection}", "return": ${numberToReturn}, "cursor": ${cursorId}}`;
    }
    case OpCode.KillCursors: {
      const { cursorIds } = message;
      return `{"opcode": "KILL_CURSORS", "id": ${requestId}, "response_to": "${hex(responseTo)}", "num_cursors": "${cursorIds.length}", "cursors": [${cursorIds.join(', ')}]}`;
    }
    case OpCode.Command: {
      const { database, name, metadata, args, documents } = message;
      return `{"opcode": "OP_COMMAND", ${ids}, "database": "${database}", "commandName": "${name}", "metadata": ${documentText(metadata)}, "commandArgs": ${documentText(args)}, "inputDocs": ${some(documents)}}`;
    }
    case OpCode.CommandReply: {
      const { metadata, reply, documents } = message;
      return `{"opcode": "OP_COMMANDREPLY", ${ids}, "metadata": ${documentText(metadata)}, "commandReply": ${documentText(reply)}, "outputDocs":${some(documents)}} `;
    }
  }
}

const hex = (flags: number) => (flags < 0 ? `-0x${(-flags).toString(16)}` : `0x${flags.toString(16)}`);

const listText = (documents: readonly BsonDocument[]) => `[${documents.map(documentText).join(', ')}]`;

function documentText({ fields }: BsonDocument): string {
  return `{${fields.map((field) => `"${field.key}": ${fieldText(field)}`).join(', ')}}`;
}

function fieldText(field: BsonField): string {
  switch (field.type) {
    case BsonType.Double:
      return doubleText(field.value);
    case BsonType.String:
    case BsonType.Symbol:
      return `"${escaped(field.value)}"`;
    case BsonType.Binary:
      return `"${escaped(Buffer.from(field.value).toString('utf8'))}"`;
    case BsonType.Document:
    case BsonType.Array:
      return documentText(field.value);
    case BsonType.ObjectId:
      return `"${Buffer.from(field.value).toString('hex')}"`;
    case BsonType.Regex:
      return `["${field.value.pattern}", "${field.value.options}"]`;
    default:
      return String(field.value);
  }
}

/** Six decimals, and never an exponent. */
function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\r': '\\r', '\n': '\\n', '\t': '\\t', '"': '\\"' };

const escaped = (text: string) => text.replace(/[\r\n\t"]/g, (c) => ESCAPES[c]);
