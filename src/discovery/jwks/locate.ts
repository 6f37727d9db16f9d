import { servesPort } from '../../registry/endpoint.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Locate } from './fetch.ts';

/**
 * Finds hosts of the mesh's own services, by the names that a program in a cluster could use. Nothing else resolves them
 * where there is no cluster, and in one it saves a detour.
 */
export function locateService(registry: () => Registry, domain: string): Locate {
  return (host, port) => {
    const current = registry();
    for (const hostname of [host, `${host}.svc.${domain}`, `${host}.${domain}`]) {
      for (const service of current.services.byHost(hostname).values()) {
        if (service.resolution !== 'STATIC') continue;
        const served = service.ports.find((p) => p.port === port);
        if (served === undefined) continue;
        const found = current.endpoints(service).endpoints.find((e) => e.health === 'healthy' && servesPort(e, served));
        if (found !== undefined && found.port !== 0) return { address: found.address, port: found.port };
      }
    }
    return undefined;
  };
}
