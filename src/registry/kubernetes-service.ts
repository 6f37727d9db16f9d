import type { ServiceSpec } from '../config/kinds/service/schema.ts';
import type { ConfigObject } from '../config/object.ts';
import { exportToOf } from './export-to.ts';
import type { RegistryOptions } from './options.ts';
import { kubernetesProtocol } from './protocol.ts';
import { type Resolution, type Service, UNSPECIFIED } from './service.ts';
import { trafficDistributionOf } from './service-entry.ts';

/** The name under which a Kubernetes service is called. */
export function serviceHostname(name: string, namespace: string, domain: string): string {
  return `${name}.${namespace}.svc.${domain}`;
}

/** A Kubernetes Service as the mesh sees it. */
export function serviceOfKubernetes(object: ConfigObject<ServiceSpec>, options: RegistryOptions): Service {
  const { spec, metadata } = object;
  const { annotations, namespace } = metadata;
  const externalName = spec.type === 'ExternalName' && spec.externalName ? spec.externalName : undefined;
  const headless = spec.clusterIP === 'None';
  const clusterIps = headless ? [] : spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : [];
  const ports = spec.ports ?? [];
  const resolution: Resolution = externalName !== undefined ? 'ALIAS' : headless ? 'PASSTHROUGH' : 'STATIC';
  return {
    hostname: serviceHostname(metadata.name, namespace, options.domain),
    namespace,
    name: metadata.name,
    origin: 'Kubernetes',
    ports: ports.map((port) => ({ name: port.name ?? '', port: port.port, protocol: kubernetesProtocol(port) })),
    address: clusterIps[0] ?? UNSPECIFIED,
    extraAddresses: clusterIps.slice(1),
    allocated: undefined,
    resolution,
    meshExternal: false,
    exportTo: exportToOf(list(annotations['networking.istio.io/exportTo']), namespace),
    labels: metadata.labels,
    selector: spec.selector,
    serviceAccounts: [
      ...(list(annotations['alpha.istio.io/canonical-serviceaccounts']) ?? []),
      ...(list(annotations['alpha.istio.io/kubernetes-serviceaccounts']) ?? []).map((name) =>
        spiffeId(options.trustDomain, namespace, name),
      ),
    ],
    externalName,
    aliases: [],
    nodeLocal: spec.internalTrafficPolicy === 'Local',
    trafficDistribution: trafficDistributionOf(
      annotations['networking.istio.io/traffic-distribution'] ?? spec.trafficDistribution,
    ),
    publishNotReadyAddresses: spec.publishNotReadyAddresses === true,
    passthroughTargetPorts: headless
      ? new Map(
          ports.flatMap((port) =>
            typeof port.targetPort === 'number' && port.targetPort !== port.port ? [[port.port, port.targetPort]] : [],
          ),
        )
      : new Map(),
    creationTime: metadata.creationTimestamp,
    source: object,
  };
}

/** Whether an API server would give it a cluster IP that it does not ask for. */
export function wantsClusterIp({ address, resolution, ports }: Service): boolean {
  return address === UNSPECIFIED && resolution === 'STATIC' && ports.length > 0;
}

function list(text: string | undefined): string[] | undefined {
  return text === undefined || text.trim() === '' ? undefined : text.split(',').map((item) => item.trim());
}

/** The identity of a service account. Parts that could not stand in an ID never match anything, so they need no check here. */
export function spiffeId(trustDomain: string, namespace: string, serviceAccount: string): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}
