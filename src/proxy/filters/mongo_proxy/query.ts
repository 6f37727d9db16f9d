import { type BsonDocument, BsonType, fieldOf, MongoError } from '../../../wire/mongo/bson.ts';

/** What a query is counted as. */
export type QueryInfo =
  | { readonly kind: 'command'; readonly command: string }
  | {
      readonly kind: 'query';
      readonly collection: string;
      /** The function that calls, if the comment of the query says so; else empty. */
      readonly callsite: string;
      readonly type: QueryType;
      readonly hasMaxTime: boolean;
    };

/** Whether it asks for one document by its `_id`, for several, or everybody for what there is. */
export type QueryType = 'primary_key' | 'multi_get' | 'scatter_get';

/** Older spellings of commands. */
const ALIASES: Readonly<Record<string, string>> = {
  collstats: 'collStats',
  dbstats: 'dbStats',
  findandmodify: 'findAndModify',
  getlasterror: 'getLastError',
  ismaster: 'isMaster',
};

/** Looks at an OP_QUERY, which may be a command in disguise. Throws {@link MongoError} if it is neither. */
export function queryInfo(fullCollection: string, query: BsonDocument): QueryInfo {
  const inner = fieldOf(query, '$query', BsonType.Document)?.value as BsonDocument | undefined;
  if (fullCollection.includes('$cmd')) return commandInfo(inner ?? query);
  const dot = fullCollection.indexOf('.');
  if (dot < 0) throw new MongoError('invalid full collection name');
  const type = typeOf(query);
  return {
    kind: 'query',
    collection: fullCollection.slice(dot + 1),
    callsite: callsiteOf(query, '$comment'),
    type: type === 'scatter_get' && inner !== undefined ? typeOf(inner) : type,
    hasMaxTime: maxTimeOf(query) >= 1,
  };
}

function commandInfo(command: BsonDocument): QueryInfo {
  const [first] = command.fields;
  if (first === undefined) throw new MongoError('invalid query command');
  if (first.key !== 'find') return { kind: 'command', command: ALIASES[first.key] ?? first.key };
  // A query in its newer form.
  if (first.type !== BsonType.String) throw new MongoError('invalid BSON field type cast');
  const filter = fieldOf(command, 'filter', BsonType.Document)?.value as BsonDocument | undefined;
  return {
    kind: 'query',
    collection: first.value,
    callsite: callsiteOf(command, 'comment'),
    type: filter === undefined ? 'scatter_get' : typeOf(filter),
    hasMaxTime: false,
  };
}

/** Where `_id` is no scalar, there may be several. */
function typeOf(query: BsonDocument): QueryType {
  const id = fieldOf(query, '_id');
  if (id === undefined) return 'scatter_get';
  return id.type === BsonType.Document || id.type === BsonType.Array ? 'multi_get' : 'primary_key';
}

/** Milliseconds as 32 bits have them; 0 for none. */
function maxTimeOf(query: BsonDocument): number {
  const field = fieldOf(query, '$maxTimeMS') ?? fieldOf(query, 'maxTimeMS');
  if (field?.type === BsonType.Int32) return field.value;
  return field?.type === BsonType.Int64 ? Number(BigInt.asIntN(32, field.value)) : 0;
}

/** `callingFunction` of a comment that is JSON. */
function callsiteOf(query: BsonDocument, key: string): string {
  const comment = fieldOf(query, key, BsonType.String)?.value as string | undefined;
  if (comment === undefined) return '';
  try {
    const { callingFunction } = (JSON.parse(comment) ?? {}) as { callingFunction?: unknown };
    return typeof callingFunction === 'string' ? callingFunction : '';
  } catch {
    return '';
  }
}
