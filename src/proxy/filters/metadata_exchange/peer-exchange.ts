import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import type { NodeIdentity } from '../../context.ts';
import { decodeStruct, encodeStruct, type Workload, workloadMetadata, workloadOf } from '../../observe/workload.ts';

/**
 * What two proxies of Istio tell each other at the start of a TCP connection whose ALPN is `istio-peer-exchange`: each
 * sends eight octets, a magic number and a length, both big endian, and a google.protobuf.Any of so many octets. In it is
 * a Struct with the proxy's metadata and the id of its node.
 */

const MAGIC = 0x3d230467;
const HEADER = 8;
/** Longer is nobody's metadata. */
const MAX_LENGTH = 64 * 1024;
const STRUCT_URL = 'type.googleapis.com/google.protobuf.Struct';
const METADATA_KEY = 'x-envoy-peer-metadata';
const ID_KEY = 'x-envoy-peer-metadata-id';

/** What this proxy says of itself. */
export function encodePeerExchange(node: NodeIdentity, labels: ReadonlySet<string>): Uint8Array {
  const struct = { [METADATA_KEY]: workloadMetadata(workloadOf(node.metadata, labels)), [ID_KEY]: node.id };
  const any = toBinary(AnySchema, create(AnySchema, { typeUrl: STRUCT_URL, value: encodeStruct(struct) }));
  const bytes = Buffer.alloc(HEADER + any.length);
  bytes.writeUInt32BE(MAGIC, 0);
  bytes.writeUInt32BE(any.length, 4);
  bytes.set(any, HEADER);
  return bytes;
}

export type PeerExchange =
  /** Not all of it is there. */
  | { readonly kind: 'more' }
  /** These are no such bytes: they are the peer's data. */
  | { readonly kind: 'absent' }
  /** It says that it is longer than it may be. */
  | { readonly kind: 'too-long' }
  /** Takes up the first `length` octets; `peer` is undefined if they could not be read, or say nothing of the peer. */
  | { readonly kind: 'told'; readonly length: number; readonly peer: Workload | undefined; readonly valid: boolean };

/** Reads what the peer says, in `start` to `end` of the bytes. */
export function readPeerExchange(bytes: Buffer, start: number, end: number, labels: ReadonlySet<string>): PeerExchange {
  if (end - start < HEADER) return { kind: 'more' };
  if (bytes.readUInt32BE(start) !== MAGIC) return { kind: 'absent' };
  const size = bytes.readUInt32BE(start + 4);
  if (size > MAX_LENGTH) return { kind: 'too-long' };
  if (end - start < HEADER + size) return { kind: 'more' };
  const length = HEADER + size;
  const struct = structOf(bytes.subarray(start + HEADER, start + length));
  const metadata = struct?.[METADATA_KEY];
  const told = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata);
  return {
    kind: 'told',
    length,
    peer: told ? workloadOf(metadata as Readonly<Record<string, unknown>>, labels) : undefined,
    valid: struct !== undefined,
  };
}

function structOf(bytes: Uint8Array): ReturnType<typeof decodeStruct> {
  try {
    const any = fromBinary(AnySchema, bytes);
    return any.typeUrl === STRUCT_URL ? decodeStruct(any.value) : undefined;
  } catch {
    return undefined;
  }
}
