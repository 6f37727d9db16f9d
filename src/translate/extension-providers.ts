import type { ExtensionProvider } from '../config/kinds/mesh-config/schema.ts';
import type { Registry } from '../registry/registry.ts';
import type { Mesh } from './mesh.ts';
import { outboundCluster } from './names.ts';

/** An extension provider of the mesh by its name, in any case. */
export function providerNamed(mesh: Mesh, name: string): ExtensionProvider | undefined {
  return mesh.extensionProviders.find((provider) => provider.name?.toLowerCase() === name.toLowerCase());
}

/** Where a provider's service is reached. */
export interface ProviderCluster {
  readonly hostname: string;
  readonly cluster: string;
}

/**
 * The cluster of a provider's `service`: `namespace/host`, or a host that only one namespace declares. Undefined if there
 * is no such service, or several.
 */
export function providerCluster(
  registry: Registry,
  service: string | undefined,
  port: number | undefined,
): ProviderCluster | undefined {
  if (!service) return undefined;
  const slash = service.indexOf('/');
  const declared = registry.services.byHost(service.slice(slash + 1));
  const found =
    slash === -1
      ? declared.size === 1
        ? [...declared.values()][0]
        : undefined
      : declared.get(service.slice(0, slash));
  return found && { hostname: found.hostname, cluster: outboundCluster(port ?? 0, '', found.hostname) };
}
