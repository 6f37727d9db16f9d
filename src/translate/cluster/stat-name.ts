import type { Service, ServicePort } from '../../registry/service.ts';

/**
 * A name for statistics out of a pattern of the mesh (MeshConfig `inboundClusterStatName`, `outboundClusterStatName`):
 * `%SERVICE%`, `%SERVICE_FQDN%`, `%SERVICE_NAME%`, `%SERVICE_PORT%`, `%TARGET_PORT%`, `%SERVICE_PORT_NAME%`,
 * `%SUBSET_NAME%`.
 */
export function statName(
  pattern: string,
  parts: {
    readonly hostname: string;
    readonly subset: string;
    readonly port: Pick<ServicePort, 'port' | 'name'>;
    /** Undefined leaves the pattern's word as it is. */
    readonly targetPort: number | undefined;
    /** Undefined where a Sidecar stands for a service. */
    readonly service: Service | undefined;
  },
): string {
  const { hostname, subset, port, targetPort, service } = parts;
  const kubernetes = service?.origin === 'Kubernetes';
  return pattern
    .replaceAll('%SERVICE%', kubernetes ? shortHostname(service) : hostname)
    .replaceAll('%SERVICE_FQDN%', hostname)
    .replaceAll('%SERVICE_NAME%', kubernetes ? service.name : hostname)
    .replaceAll('%SUBSET_NAME%', subset)
    .replaceAll('%TARGET_PORT%', targetPort === undefined ? '%TARGET_PORT%' : String(targetPort))
    .replaceAll('%SERVICE_PORT%', String(port.port))
    .replaceAll('%SERVICE_PORT_NAME%', port.name);
}

function shortHostname({ name, namespace }: Service): string {
  return `${name}.${namespace}`;
}
