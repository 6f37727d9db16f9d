import { TypedStructSchema } from '../../api/gen/udpa/type/v1/typed_struct_pb.ts';
import { pack } from '../proto/any.ts';

/** Configuration of `istio.metadata_exchange`, which Istio sends by its type's name because Envoy does not have the type. */
export const METADATA_EXCHANGE_CONFIG = pack(TypedStructSchema, {
  typeUrl: 'type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange',
  value: { enable_discovery: true, protocol: 'istio-peer-exchange' },
});
