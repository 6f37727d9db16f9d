import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import { fullName, type Resource } from '../resource.ts';
import { formatSelector, selects } from '../selectors.ts';

/** Gateways that claim the same host on the same port of the same workload. */
export const gatewayConflictsAnalyzer: Analyzer = {
  name: 'gateway.ConflictingGatewayAnalyzer',
  description: "Checks a gateway's selector, port number and hosts",
  analyze(context) {
    const gateways = context.list('Gateway');
    for (const gateway of gateways) {
      const selector = formatSelector(gateway.spec.selector);
      const rivals = gateways.filter((other) => other !== gateway && shareWorkload(gateway, other, context));
      for (const [i, { port, hosts = [], bind = '' }] of (gateway.spec.servers ?? []).entries()) {
        const number = port?.number ?? 0;
        const names = rivals
          .filter((rival) =>
            (rival.spec.servers ?? []).some(
              (server) =>
                (server.port?.number ?? 0) === number &&
                (server.bind ?? '') === bind &&
                server.hosts?.some((host) => hosts.includes(host)),
            ),
          )
          .map(fullName)
          .sort();
        if (names.length === 0) continue;
        const parameters = [names.join(','), selector, String(number), hosts.join(',')];
        context.report('IST0145', gateway, parameters, ['spec', 'servers', i]);
      }
    }
  },
};

/** Whether there is a workload that both select: for sure if they select alike, else if a pod says so. */
export function shareWorkload(a: Resource<'Gateway'>, b: Resource<'Gateway'>, context: AnalysisContext): boolean {
  const one = formatSelector(a.spec.selector);
  const two = formatSelector(b.spec.selector);
  if (one === two) return true;
  return context.workloads.some(({ labels }) => selects(a.spec.selector, labels) && selects(b.spec.selector, labels));
}
