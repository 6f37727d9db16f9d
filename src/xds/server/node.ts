import { fromBinary, type JsonObject, toJson } from '@bufbuild/protobuf';
import { type Node, NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';

export type { Node };

/**
 * The node of a stream's first request, without the list of its extensions: that is most of what an Envoy says about
 * itself, and would be kept for every proxy. Throws if the bytes are no node.
 */
export function decodeNode(bytes: Uint8Array): Node {
  const node = fromBinary(NodeSchema, bytes);
  node.extensions = [];
  return node;
}

/** As people read it. */
export function nodeJson(node: Node): JsonObject {
  return toJson(NodeSchema, node) as JsonObject;
}
