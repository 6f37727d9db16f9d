import { hostsMatch } from '../../registry/host.ts';
import type { Analyzer } from '../analyzer.ts';
import { exportScopes, fullHost } from '../known-hosts.ts';
import { fullName, type Resource } from '../resource.ts';

/** Several VirtualServices for one host of the mesh: sidecars use one of them. */
export const virtualServiceMeshHostsAnalyzer: Analyzer = {
  name: 'virtualservice.ConflictingMeshGatewayHostsAnalyzer',
  description: 'Checks if multiple virtual services associated with the mesh gateway have conflicting hosts',
  analyze(context) {
    const claims = new Map<string, Claim>();
    for (const virtualService of context.list('VirtualService')) {
      const { gateways = [], hosts = [], exportTo = [] } = virtualService.spec;
      if (gateways.length > 0 && !gateways.includes('mesh')) continue;
      for (const scope of exportScopes(exportTo, virtualService.namespace)) {
        for (const name of hosts) {
          const host = fullHost(name, virtualService.namespace);
          const key = `${scope}/${host}`;
          const claim = claims.get(key) ?? { scope, host, virtualServices: [] };
          claims.set(key, { ...claim, virtualServices: [...claim.virtualServices, virtualService] });
        }
      }
    }
    const reported = new Set<Resource>();
    for (const [key, { scope, host, virtualServices }] of claims) {
      const everywhere =
        scope === '*' ? [] : [...claims.values()].filter((c) => c.scope === '*' && hostsMatch(host, c.host));
      const rivals = [...virtualServices, ...everywhere.flatMap((claim) => claim.virtualServices)];
      if (rivals.length < 2) continue;
      const names = [...new Set(rivals.map(fullName))].sort().join(',');
      for (const virtualService of rivals) {
        if (reported.has(virtualService)) continue;
        reported.add(virtualService);
        context.report('IST0109', virtualService, [names, key], ['metadata', 'name']);
      }
    }
  },
};

interface Claim {
  /** A namespace in which the host is taken, or `*`. */
  readonly scope: string;
  readonly host: string;
  readonly virtualServices: readonly Resource<'VirtualService'>[];
}
