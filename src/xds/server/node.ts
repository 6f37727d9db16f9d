import { fromBinary, type JsonObject, toJson } from '@bufbuild/protobuf';
import { type Node, NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';

export type { Node };

/** The node of a stream's first request. Throws if the bytes are no node. */
export function decodeNode(bytes: Uint8Array): Node {
  return fromBinary(NodeSchema, bytes);
}

/** As people read it. */
export function nodeJson(node: Node): JsonObject {
  return toJson(NodeSchema, node) as JsonObject;
}
