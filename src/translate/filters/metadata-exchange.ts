import { create, type JsonObject } from '@bufbuild/protobuf';
import { type Filter, FilterSchema } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import {
  type HttpFilter,
  HttpFilterSchema,
} from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import { TypedStructSchema } from '../../api/gen/udpa/type/v1/typed_struct_pb.ts';
import { pack } from '../proto/any.ts';
import type { ListenerClass } from '../proxy-view.ts';

const METADATA_EXCHANGE = 'istio.metadata_exchange';

/** Istio's own filters are configured by the names of their types, which Envoy's API does not have. */
function typedStruct(typeName: string, value: JsonObject) {
  return pack(TypedStructSchema, { typeUrl: `type.googleapis.com/${typeName}`, value });
}

/** Configuration of `istio.metadata_exchange` for TCP: peers tell each other who they are before the first byte. */
export const METADATA_EXCHANGE_CONFIG = typedStruct('envoy.tcp.metadataexchange.config.MetadataExchange', {
  enable_discovery: true,
  protocol: 'istio-peer-exchange',
});

export const TCP_METADATA_EXCHANGE: Filter = create(FilterSchema, {
  name: METADATA_EXCHANGE,
  configType: { case: 'typedConfig', value: METADATA_EXCHANGE_CONFIG },
});

const PEER_METADATA = 'io.istio.http.peer_metadata.Config';
const DISCOVERY: JsonObject[] = [{ istio_headers: {} }, { workload_discovery: {} }];

function peerMetadata(config: JsonObject): HttpFilter {
  return create(HttpFilterSchema, {
    name: METADATA_EXCHANGE,
    configType: { case: 'typedConfig', value: typedStruct(PEER_METADATA, config) },
  });
}

const FROM_CLIENTS = peerMetadata({
  downstream_discovery: DISCOVERY,
  downstream_propagation: [{ istio_headers: {} }],
});

const FROM_SERVERS = peerMetadata({ upstream_discovery: DISCOVERY, upstream_propagation: [{ istio_headers: {} }] });

const FROM_SERVERS_IN_MESH = peerMetadata({
  upstream_discovery: DISCOVERY,
  upstream_propagation: [{ istio_headers: { skip_external_clusters: true } }],
});

/** The same over HTTP, in headers; with `inMeshOnly` nothing is told to services outside. */
export function httpMetadataExchange(listenerClass: ListenerClass, inMeshOnly: boolean): HttpFilter {
  if (listenerClass === 'inbound') return FROM_CLIENTS;
  return inMeshOnly ? FROM_SERVERS_IN_MESH : FROM_SERVERS;
}
