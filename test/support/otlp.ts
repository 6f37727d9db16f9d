import { BinaryReader } from '@bufbuild/protobuf/wire';

/** Messages of OTLP as tests look at them, read by the numbers of their fields. */

type Fields = ReadonlyMap<number, readonly (Uint8Array | bigint | number)[]>;

function read(bytes: Uint8Array): Fields {
  const fields = new Map<number, (Uint8Array | bigint | number)[]>();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [no, wireType] = reader.tag();
    const value =
      wireType === 2
        ? reader.bytes()
        : wireType === 1
          ? BigInt(reader.fixed64())
          : wireType === 5
            ? reader.fixed32()
            : BigInt(reader.uint64());
    const list = fields.get(no);
    if (list === undefined) fields.set(no, [value]);
    else list.push(value);
  }
  return fields;
}

const all = (fields: Fields, no: number) => (fields.get(no) ?? []) as readonly Uint8Array[];
const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? '' : Buffer.from(bytes).toString());
const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? '' : Buffer.from(bytes).toString('hex'));

/** AnyValue as JSON. */
function anyValue(bytes: Uint8Array | undefined): unknown {
  if (bytes === undefined) return undefined;
  const fields = read(bytes);
  const [string] = all(fields, 1);
  if (string !== undefined) return text(string);
  const [list] = all(fields, 5);
  if (list !== undefined) return all(read(list), 1).map(anyValue);
  const [pairs] = all(fields, 6);
  return pairs === undefined ? '' : attributesOf(read(pairs), 1);
}

function attributesOf(fields: Fields, no: number): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    all(fields, no).map((bytes) => {
      const pair = read(bytes);
      return [text(all(pair, 1)[0]), anyValue(all(pair, 2)[0])];
    }),
  );
}

export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly traceState: string;
  readonly name: string;
  readonly kind: number;
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** `Status.code`. */
  readonly status: number;
  readonly flags: number;
}

export interface OtlpSpans {
  readonly resource: Readonly<Record<string, unknown>>;
  readonly spans: readonly OtlpSpan[];
}

/** An ExportTraceServiceRequest of one resource. */
export function readTraceRequest(bytes: Uint8Array): OtlpSpans {
  const { resource, items } = readExport(bytes);
  const spans = items.map((item): OtlpSpan => {
    const fields = read(item);
    const [status] = all(fields, 15);
    return {
      traceId: hex(all(fields, 1)[0]),
      spanId: hex(all(fields, 2)[0]),
      traceState: text(all(fields, 3)[0]),
      parentId: hex(all(fields, 4)[0]),
      name: text(all(fields, 5)[0]),
      kind: Number(fields.get(6)?.[0] ?? 0),
      start: fields.get(7)?.[0] as bigint,
      end: fields.get(8)?.[0] as bigint,
      attributes: attributesOf(fields, 9),
      status: status === undefined ? 0 : Number(read(status).get(3)?.[0] ?? 0),
      flags: Number(fields.get(16)?.[0] ?? 0),
    };
  });
  return { resource, spans };
}

export interface OtlpLogs {
  readonly resource: Readonly<Record<string, unknown>>;
  readonly records: readonly {
    readonly time: bigint;
    readonly body: unknown;
    readonly attributes: Readonly<Record<string, unknown>>;
    readonly traceId: string;
    readonly spanId: string;
  }[];
}

/** An ExportLogsServiceRequest of one resource. */
export function readLogsRequest(bytes: Uint8Array): OtlpLogs {
  const { resource, items } = readExport(bytes);
  const records = items.map((item) => {
    const fields = read(item);
    return {
      time: fields.get(1)?.[0] as bigint,
      body: anyValue(all(fields, 5)[0]),
      attributes: attributesOf(fields, 6),
      traceId: hex(all(fields, 9)[0]),
      spanId: hex(all(fields, 10)[0]),
    };
  });
  return { resource, records };
}

function readExport(bytes: Uint8Array) {
  const ofResource = read(all(read(bytes), 1)[0]);
  const [resource] = all(ofResource, 1);
  const scope = read(all(ofResource, 2)[0]);
  return { resource: resource === undefined ? {} : attributesOf(read(resource), 1), items: all(scope, 2) };
}
