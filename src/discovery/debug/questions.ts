import type { Logger } from '../../base/log.ts';
import type { WorkloadIdentity } from '../../base/spiffe.ts';
import { clientStatus } from '../../xds/server/client-status.ts';
import { configDumpSections } from '../../xds/server/config-dump.ts';
import type { Questions } from '../../xds/server/discovery-stream.ts';
import { encodeResource } from '../../xds/server/resource-json.ts';
import { GrpcCode, type GrpcStatus } from '../../xds/server/status.ts';
import type { ServedResource } from '../../xds/session/messages.ts';
import { type ConnectedProxy, followsConfiguration } from '../proxies/connected-proxy.ts';
import { mayAsk } from './find-proxy.ts';
import type { DebugContext } from './handler.ts';
import { answerDebugNow } from './index.ts';
import { resourcesOf } from './resources.ts';

/** Any debug endpoint, which the resource name names with its query: `istioctl x internal-debug`. */
const DEBUG = 'istio.io/debug';
/** `istioctl proxy-status`. */
const SYNC = 'istio.io/debug/syncz';
/** `istioctl proxy-status POD`, which the resource name names as `POD.NAMESPACE`. */
const DUMP = 'istio.io/debug/config_dump';
/** `istioctl version`. */
const CONNECTIONS = 'istio.io/connections';
const TYPES: ReadonlySet<string> = new Set([DEBUG, SYNC, DUMP, CONNECTIONS]);

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
      if (typeUrl === DUMP) return dumpAnswer(names, identity, context);
      if (!mayAsk(identity.namespace, context, undefined))
        return {
          code: GrpcCode.PermissionDenied,
          message: `the debug info is not available for ${identity.namespace}`,
        };
      const proxies = [...context.proxies].filter(followsConfiguration);
      return typeUrl === SYNC ? proxies.map(statusOf) : proxies.map(nodeOf);
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

/** Nothing for a proxy that is not connected here: it may be to another control plane, which is asked next. */
function dumpAnswer(
  names: readonly string[],
  identity: WorkloadIdentity,
  context: DebugContext,
): readonly ServedResource[] | GrpcStatus {
  const [id, another] = names;
  if (id === undefined || another !== undefined)
    return { code: GrpcCode.InvalidArgument, message: 'the name of one proxy is required' };
  const proxy = context.proxies.find(id);
  if (!proxy || !mayAsk(identity.namespace, context, proxy.node.namespace)) return [];
  return configDumpSections(String(proxy.stream.view?.number ?? 0), (typeUrl) => resourcesOf(proxy, typeUrl));
}

function split(resource: string): [name: string, query: string] {
  const mark = resource.indexOf('?');
  return mark === -1 ? [resource, ''] : [resource.slice(0, mark), resource.slice(mark + 1)];
}

function nodeOf(proxy: ConnectedProxy): ServedResource {
  const payloadType = 'type.googleapis.com/envoy.config.core.v3.Node';
  return { name: proxy.id, version: '', bytes: encodeResource(proxy.rawNode), payloadType };
}

function statusOf({ id, node, stream }: ConnectedProxy): ServedResource {
  const { clusterId, namespace, istioVersion, type } = node;
  const metadata = { CLUSTER_ID: clusterId, NAMESPACE: namespace, ISTIO_VERSION: istioVersion, TYPE: type };
  return clientStatus(id, metadata, stream.status());
}
