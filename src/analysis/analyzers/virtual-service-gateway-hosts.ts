import type { Analyzer } from '../analyzer.ts';
import { fullName, parseReference, type Resource } from '../resource.ts';

type VirtualService = Resource<'VirtualService'>;

/** VirtualServices for the same host of the same gateway, routes of which match the same requests. */
export const virtualServiceGatewayHostsAnalyzer: Analyzer = {
  name: 'isthmus.ConflictingGatewayHostsAnalyzer',
  description: 'Checks that virtual services for the same host of a gateway have different routes',
  analyze(context) {
    const byGateway = new Map<string, VirtualService[]>();
    for (const virtualService of context.list('VirtualService')) {
      for (const reference of virtualService.spec.gateways ?? []) {
        if (reference === 'mesh') continue;
        const gateway = fullName(parseReference(reference, virtualService.namespace));
        byGateway.set(gateway, [...(byGateway.get(gateway) ?? []), virtualService]);
      }
    }
    for (const [gateway, virtualServices] of byGateway) {
      for (const [i, later] of virtualServices.entries()) {
        for (const earlier of virtualServices.slice(0, i)) {
          const host = sharedHost(earlier, later);
          if (host === undefined || !haveSameRoute(earlier, later)) continue;
          const names = [fullName(earlier), fullName(later)].join(', ');
          context.report('ISTH0005', later, [names, host, gateway, fullName(earlier)], ['spec', 'hosts', 0]);
        }
      }
    }
  },
};

function sharedHost(a: VirtualService, b: VirtualService): string | undefined {
  return (b.spec.hosts ?? []).find((host) => (a.spec.hosts ?? []).includes(host));
}

/** Whether both have a route for everything, or routes with the same match. */
function haveSameRoute(a: VirtualService, b: VirtualService): boolean {
  const matches = ({ spec }: VirtualService) =>
    (spec.http ?? []).flatMap(({ match = [] }) =>
      match.length === 0 ? [''] : match.map(({ name: _, ...rest }) => JSON.stringify(rest)),
    );
  const known = new Set(matches(a));
  return matches(b).some((match) => known.has(match));
}
