import type { Analyzer } from '../analyzer.ts';
import { fullName, type Resource } from '../resource.ts';

/** Services that are not the same in every cluster of the mesh. */
export const multiclusterServicesAnalyzer: Analyzer = {
  name: 'services.MultiClusterServiceAnalyzer',
  description: 'Check the validity of services in the multi-cluster environment',
  analyze(context) {
    const byName = new Map<string, Resource<'Service'>[]>();
    for (const service of context.list('Service')) {
      if (service.cluster === undefined) continue;
      byName.set(fullName(service), [...(byName.get(fullName(service)) ?? []), service]);
    }
    for (const [first, ...others] of byName.values()) {
      const reasons = new Set<string>();
      const clusters = new Set<string>();
      for (const other of others) {
        const differences = differencesOf(first!, other);
        for (const difference of differences) reasons.add(difference);
        if (differences.length > 0) clusters.add(first!.cluster!).add(other.cluster!);
      }
      if (reasons.size === 0) continue;
      const text = [...reasons].sort().join('; ');
      context.report('IST0170', first!, [first!.name, first!.namespace, [...clusters].sort(), text]);
    }
  },
};

function differencesOf(a: Resource<'Service'>, b: Resource<'Service'>): string[] {
  const ports = ({ spec }: Resource<'Service'>) =>
    JSON.stringify([...(spec.ports ?? [])].sort((x, y) => ((x.name ?? '') < (y.name ?? '') ? -1 : 1)));
  return [
    ...((a.spec.clusterIP === 'None') === (b.spec.clusterIP === 'None')
      ? []
      : ['service has mixed mode like headless and clusterIP']),
    ...(a.spec.type === b.spec.type ? [] : ['service type is inconsistent']),
    ...(ports(a) === ports(b) ? [] : ['service ports are inconsistent']),
  ];
}
