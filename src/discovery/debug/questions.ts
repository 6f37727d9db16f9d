import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { Logger } from '../../base/log.ts';
import type { WorkloadIdentity } from '../../base/spiffe.ts';
import { GrpcCode, type GrpcStatus } from '../../wire/grpc/transport.ts';
import type { Questions } from '../../xds/server/discovery-stream.ts';
import type { TypeStatus } from '../../xds/server/served-type.ts';
import type { ServedResource } from '../../xds/session/messages.ts';
import { type ConnectedProxy, followsConfiguration } from '../proxies/connected-proxy.ts';
import { mayAsk } from './find-proxy.ts';
import type { DebugContext } from './handler.ts';
import { answerDebugNow } from './index.ts';

/** Any debug endpoint, which the resource name names with its query: `istioctl x internal-debug`. */
const DEBUG = 'istio.io/debug';
/** `istioctl proxy-status`. */
const SYNC = 'istio.io/debug/syncz';
/** `istioctl version`. */
const CONNECTIONS = 'istio.io/connections';
const TYPES: ReadonlySet<string> = new Set([DEBUG, SYNC, CONNECTIONS]);

const CLIENT_CONFIG = 'type.googleapis.com/envoy.service.status.v3.ClientConfig';

/**
 * Istio's debug types over ADS, so that tools reach them through the port that they can authenticate on. Only those with
 * a proven identity may ask.
 */
export function debugQuestions(
  context: DebugContext,
  identity: WorkloadIdentity | undefined,
  who: string,
  log: Logger,
): Questions {
  return {
    handles: (typeUrl) => TYPES.has(typeUrl),
    answer: (typeUrl, names) => {
      if (!identity) {
        log.warn(
          `proxy ${who} is not authorized to receive debug info. Ensure you are connecting over TLS port and are authenticated.`,
        );
        return { code: GrpcCode.PermissionDenied, message: 'debug info is for authenticated clients only' };
      }
      if (typeUrl === DEBUG) return debugAnswer(names, identity, context);
      if (!mayAsk(identity.namespace, context, undefined))
        return {
          code: GrpcCode.PermissionDenied,
          message: `the debug info is not available for ${identity.namespace}`,
        };
      const proxies = [...context.proxies].filter(followsConfiguration);
      return typeUrl === SYNC ? proxies.map(clientConfig) : proxies.map(nodeOf);
    },
  };
}

function debugAnswer(
  names: readonly string[],
  identity: WorkloadIdentity,
  context: DebugContext,
): readonly ServedResource[] | GrpcStatus {
  const [resource, another] = names;
  if (resource === undefined) return { code: GrpcCode.InvalidArgument, message: 'debug type is required' };
  if (another !== undefined) return { code: GrpcCode.InvalidArgument, message: 'only one debug request is allowed' };
  const [name, query] = split(resource);
  const { body, status } = answerDebugNow(name, { query: new URLSearchParams(query), identity }, context);
  if (status === 403) return { code: GrpcCode.PermissionDenied, message: body.trim() };
  return [{ name: resource, version: '', bytes: Buffer.from(body), payloadType: DEBUG }];
}

function split(resource: string): [name: string, query: string] {
  const mark = resource.indexOf('?');
  return mark === -1 ? [resource, ''] : [resource.slice(0, mark), resource.slice(mark + 1)];
}

function nodeOf(proxy: ConnectedProxy): ServedResource {
  const payloadType = 'type.googleapis.com/envoy.config.core.v3.Node';
  return { name: proxy.id, version: '', bytes: toBinary(NodeSchema, proxy.rawNode), payloadType };
}

/** envoy.service.status.v3.ConfigStatus */
const ConfigStatus = { SYNCED: 1, NOT_SENT: 2, STALE: 3, ERROR: 4 } as const;

/**
 * envoy.service.status.v3.ClientConfig: node 1, generic_xds_configs 3, each with type_url 1, config_status 6 and
 * error_state 8. Written by hand: the file would bring Envoy's whole admin API with it.
 */
function clientConfig(proxy: ConnectedProxy): ServedResource {
  const types = proxy.stream.status();
  const metadata = { CLUSTER_ID: proxy.node.clusterId, ISTIO_VERSION: proxy.node.istioVersion, TYPE: proxy.node.type };
  const node = create(NodeSchema, { id: proxy.id, metadata });
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).bytes(toBinary(NodeSchema, node));
  for (const type of types) {
    writer.tag(3, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(type.typeUrl);
    writer.tag(6, WireType.Varint).int32(statusOf(type));
    if (type.nack) {
      // UpdateFailureState: details 3.
      writer.tag(8, WireType.LengthDelimited).fork();
      writer.tag(3, WireType.LengthDelimited).string(type.nack.message).join();
    }
    writer.join();
  }
  return { name: proxy.id, version: '', bytes: writer.finish(), payloadType: CLIENT_CONFIG };
}

function statusOf(type: TypeStatus): number {
  if (!type.sentNonce) return ConfigStatus.NOT_SENT;
  if (type.nack) return ConfigStatus.ERROR;
  return type.ackedNonce === type.sentNonce ? ConfigStatus.SYNCED : ConfigStatus.STALE;
}
