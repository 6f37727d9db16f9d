import { create, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { ServedResource } from '../session/messages.ts';
import type { TypeStatus } from './served-type.ts';

const CLIENT_CONFIG = 'type.googleapis.com/envoy.service.status.v3.ClientConfig';

/** envoy.service.status.v3.ConfigStatus */
const ConfigStatus = { SYNCED: 1, NOT_SENT: 2, STALE: 3, ERROR: 4 } as const;

/**
 * What a client was sent and what it acknowledged, as envoy.service.status.v3.ClientConfig: node 1, generic_xds_configs 3,
 * each with type_url 1, last_updated 5, config_status 6 and error_state 8. Written by hand: the file would bring Envoy's whole admin API
 * with it.
 */
export function clientStatus(id: string, metadata: JsonObject, types: readonly TypeStatus[]): ServedResource {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).bytes(toBinary(NodeSchema, create(NodeSchema, { id, metadata })));
  for (const type of types) {
    writer.tag(3, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(type.typeUrl);
    if (type.sentNonce) {
      // Timestamp: seconds 1, nanos 2.
      writer.tag(5, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.Varint).int64(Math.floor(type.sentAt / 1000));
      writer
        .tag(2, WireType.Varint)
        .int32(Math.floor((type.sentAt % 1000) * 1_000_000))
        .join();
    }
    writer.tag(6, WireType.Varint).int32(statusOf(type));
    if (type.nack) {
      // UpdateFailureState: details 3.
      writer.tag(8, WireType.LengthDelimited).fork();
      writer.tag(3, WireType.LengthDelimited).string(type.nack.message).join();
    }
    writer.join();
  }
  return { name: id, version: '', bytes: writer.finish(), payloadType: CLIENT_CONFIG };
}

function statusOf(type: TypeStatus): number {
  if (!type.sentNonce) return ConfigStatus.NOT_SENT;
  if (type.nack) return ConfigStatus.ERROR;
  return type.ackedNonce === type.sentNonce ? ConfigStatus.SYNCED : ConfigStatus.STALE;
}
