import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** What one host resolves to inside a mesh (istio.networking.nds.v1.NameTable.NameInfo). */
export interface NameInfo {
  readonly ips: readonly string[];
  /** `Kubernetes` or `External`. */
  readonly registry: string;
  /** Of a Kubernetes service: its name and namespace, by which it has shorter names. */
  readonly shortname: string;
  readonly namespace: string;
}

/** Hosts, in lower case and without a dot at the end, and what they resolve to. */
export type NameTable = ReadonlyMap<string, NameInfo>;

const ENTRY = 1;
const FIELD = { ips: 1, registry: 2, shortname: 3, namespace: 4 } as const;

/** Encodes a table, whose entries are sorted so that the same table is the same bytes. */
export function encodeNameTable(table: NameTable): Uint8Array {
  const writer = new BinaryWriter();
  for (const [host, info] of [...table].sort(([a], [b]) => (a < b ? -1 : 1))) {
    writer.tag(ENTRY, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(host);
    writer.tag(2, WireType.LengthDelimited).fork();
    for (const ip of info.ips) writer.tag(FIELD.ips, WireType.LengthDelimited).string(ip);
    for (const field of ['registry', 'shortname', 'namespace'] as const)
      if (info[field] !== '') writer.tag(FIELD[field], WireType.LengthDelimited).string(info[field]);
    writer.join().join();
  }
  return writer.finish();
}

/** Throws an Error for bytes that are no table. */
export function decodeNameTable(bytes: Uint8Array): NameTable {
  const table = new Map<string, NameInfo>();
  fields(bytes, (number, reader) => {
    if (number !== ENTRY) return false;
    let host = '';
    let info: NameInfo = { ips: [], registry: '', shortname: '', namespace: '' };
    fields(reader.bytes(), (field, entry) => {
      if (field === 1) host = entry.string();
      else if (field === 2) info = decodeInfo(entry.bytes());
      else return false;
      return true;
    });
    table.set(host.toLowerCase().replace(/\.$/, ''), info);
    return true;
  });
  return table;
}

function decodeInfo(bytes: Uint8Array): NameInfo {
  const ips: string[] = [];
  const texts = { registry: '', shortname: '', namespace: '' };
  fields(bytes, (number, reader) => {
    if (number === FIELD.ips) ips.push(reader.string());
    else if (number === FIELD.registry) texts.registry = reader.string();
    else if (number === FIELD.shortname) texts.shortname = reader.string();
    else if (number === FIELD.namespace) texts.namespace = reader.string();
    else return false;
    return true;
  });
  return { ips, ...texts };
}

/** Calls `read` for each field; those that it does not know are passed over. */
function fields(bytes: Uint8Array, read: (number: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type !== WireType.LengthDelimited || !read(number, reader)) reader.skip(type, number);
  }
}
