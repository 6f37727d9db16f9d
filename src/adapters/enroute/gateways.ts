import { type EnroutePorts, enroutePorts, isEnrouteGateway } from '../../config/enroute-gateway.ts';
import type { ConfigSnapshot } from '../../config/store/snapshot.ts';

/** A workload whose pods serve EnRoute's kinds. */
export interface EnrouteGateway {
  readonly namespace: string;
  readonly name: string;
  /** Labels of its pods. */
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: EnroutePorts;
}

export type Config = Pick<ConfigSnapshot, 'get' | 'list'>;

/** Kinds whose pods may be gateways. */
const WORKLOADS = ['Deployment', 'StatefulSet', 'ReplicaSet'] as const;

/** Every EnRoute gateway: of Deployments and the like, and of Pods that nothing else stands for. */
export function enrouteGateways(config: Config): EnrouteGateway[] {
  const ofTemplates = WORKLOADS.flatMap((kind) =>
    config.list(kind).flatMap(({ metadata, spec: { template } }): EnrouteGateway[] => {
      const labels = template?.metadata?.labels ?? {};
      if (template?.spec === undefined || !isEnrouteGateway(template.spec, labels)) return [];
      const ports = enroutePorts(template.spec);
      return [{ namespace: metadata.namespace, name: metadata.name, labels, ports }];
    }),
  );
  const alone = config.list('Pod').flatMap(({ metadata, spec, raw }): EnrouteGateway[] => {
    const owned = (raw.metadata as { ownerReferences?: unknown[] } | undefined)?.ownerReferences?.length;
    if (owned || !isEnrouteGateway(spec, metadata.labels)) return [];
    const { namespace, name, labels } = metadata;
    return [{ namespace, name, labels, ports: enroutePorts(spec) }];
  });
  return [...ofTemplates, ...alone].filter(({ labels }) => Object.keys(labels).length > 0);
}
