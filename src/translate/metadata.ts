import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { ConfigObject } from '../config/object.ts';

/** Key of what Istio writes into the metadata of Envoy's resources. */
export const ISTIO_METADATA = 'istio';

/** How `metadata.filter_metadata.istio.config` names an object, which `istioctl` and dashboards show. */
const CONFIG_PATHS: Readonly<Record<string, readonly [apiVersion: string, kind: string]>> = {
  VirtualService: ['networking.istio.io/v1', 'virtual-service'],
  DestinationRule: ['networking.istio.io/v1', 'destination-rule'],
  Gateway: ['networking.istio.io/v1', 'gateway'],
  Sidecar: ['networking.istio.io/v1', 'sidecar'],
};

/** Where Kubernetes' API has an object, by which metadata names the configuration of a resource. */
export function configPath({ kind, metadata }: ConfigObject): string {
  const [apiVersion, name] = CONFIG_PATHS[kind]!;
  return `/apis/${apiVersion}/namespaces/${metadata.namespace}/${name}/${metadata.name}`;
}

/** Inits of envoy.config.core.v3.Metadata that hold Istio's own. */
export function istioMetadata(fields: Readonly<Record<string, JsonValue>>): {
  filterMetadata: Record<string, JsonObject>;
} {
  return { filterMetadata: { [ISTIO_METADATA]: { ...fields } } };
}

/** Metadata of a resource that comes from one object. */
export function configMetadata(object: ConfigObject) {
  return istioMetadata({ config: configPath(object) });
}
