import { create, type Message, toBinary } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import {
  ClustersConfigDumpSchema,
  ListenersConfigDumpSchema,
  RoutesConfigDumpSchema,
} from '../../api/gen/envoy/admin/v3/config_dump_shared_pb.ts';
import type { ServedResource } from '../session/messages.ts';

const CLUSTER = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const LISTENER = 'type.googleapis.com/envoy.config.listener.v3.Listener';
const ROUTE = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';

/**
 * What a client has from here, as the sections of Envoy's `/config_dump` in their binary form
 * (envoy.admin.v3.ClustersConfigDump and the like), which `istioctl proxy-status POD` compares with those of the proxy.
 * `resourcesOf` gives the resources of a type, `version` is the same for all of them. Secrets are left out.
 */
export function configDumpSections(
  version: string,
  resourcesOf: (typeUrl: string) => readonly ServedResource[],
): ServedResource[] {
  const versionInfo = version;
  const packed = (typeUrl: string): Any[] =>
    resourcesOf(typeUrl).map(({ bytes }) => create(AnySchema, { typeUrl, value: bytes }));
  return [
    section(
      ClustersConfigDumpSchema,
      create(ClustersConfigDumpSchema, {
        versionInfo,
        dynamicActiveClusters: packed(CLUSTER).map((cluster) => ({ versionInfo, cluster })),
      }),
    ),
    section(
      ListenersConfigDumpSchema,
      create(ListenersConfigDumpSchema, {
        versionInfo,
        dynamicListeners: resourcesOf(LISTENER).map(({ name, bytes }) => ({
          name,
          activeState: { versionInfo, listener: create(AnySchema, { typeUrl: LISTENER, value: bytes }) },
        })),
      }),
    ),
    section(
      RoutesConfigDumpSchema,
      create(RoutesConfigDumpSchema, {
        dynamicRouteConfigs: packed(ROUTE).map((routeConfig) => ({ versionInfo, routeConfig })),
      }),
    ),
  ];
}

function section<Section extends Message>(schema: GenMessage<Section>, message: Section): ServedResource {
  return {
    name: '',
    version: '',
    bytes: toBinary(schema, message),
    payloadType: `type.googleapis.com/${schema.typeName}`,
  };
}
