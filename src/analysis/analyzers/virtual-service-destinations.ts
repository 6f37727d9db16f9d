import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import { type KnownHost, KnownHosts } from '../known-hosts.ts';
import { fullName, type Resource } from '../resource.ts';
import { destinationsOf, type RouteDestination } from './route-destinations.ts';

/** Routes to hosts and ports that do not exist, and routes of gateways that miss the subsets of the mesh's. */
export const virtualServiceDestinationsAnalyzer: Analyzer = {
  name: 'virtualservice.DestinationHostAnalyzer',
  description: 'Checks the destination hosts associated with each virtual service',
  analyze(context) {
    const hosts = context.knows('Service', 'ServiceEntry') ? new KnownHosts(context) : undefined;
    const withSubsets = routesWithSubsets(context);
    for (const virtualService of context.list('VirtualService')) {
      if (hosts !== undefined) checkHosts(virtualService, hosts, context);
      checkIngressSubsets(virtualService, withSubsets, context);
    }
  },
};

function checkHosts(virtualService: Resource<'VirtualService'>, hosts: KnownHosts, context: AnalysisContext): void {
  for (const route of destinationsOf(virtualService)) {
    const { host = '' } = route.destination;
    const known = hosts.lookup(host, virtualService.namespace, virtualService.spec.exportTo);
    if (known !== undefined) checkPort(virtualService, route, known, context);
    else context.report('IST0101', virtualService, [route.mirror ? 'mirror host' : 'host', host], route.path);
  }
}

function checkPort(
  virtualService: Resource<'VirtualService'>,
  { destination: { host = '', port }, path }: RouteDestination,
  { ports }: KnownHost,
  context: AnalysisContext,
): void {
  if (port === undefined) {
    if (ports.length > 1) context.report('IST0112', virtualService, [host, ports], path);
    return;
  }
  const { number = 0 } = port;
  if (!ports.includes(number)) context.report('IST0101', virtualService, ['host:port', `${host}:${number}`], path);
}

interface SubsetRoute {
  readonly virtualService: string;
  readonly host: string;
}

/** Routes to a subset of the host that their VirtualService is for. */
function routesWithSubsets(context: AnalysisContext): SubsetRoute[] {
  return context.list('VirtualService').flatMap((virtualService) => {
    const { hosts = [], http = [] } = virtualService.spec;
    return http
      .flatMap(({ route = [] }) => route)
      .filter(({ destination }) => destination?.subset && hosts.includes(destination.host ?? ''))
      .map(({ destination }) => ({ virtualService: fullName(virtualService), host: destination!.host! }));
  });
}

/** A gateway sends to the service as a whole: what sidecars do about subsets of it is not done there. */
function checkIngressSubsets(
  virtualService: Resource<'VirtualService'>,
  withSubsets: readonly SubsetRoute[],
  context: AnalysisContext,
): void {
  const { gateways = [], http = [] } = virtualService.spec;
  if (gateways.length === 0) return;
  for (const [i, { route = [] }] of http.entries()) {
    for (const [j, { destination }] of route.entries()) {
      if (destination === undefined || destination.subset) continue;
      for (const { virtualService: other, host } of withSubsets) {
        if (host !== destination.host) continue;
        const place = ['spec', 'http', i, 'route', j, 'destination', 'host'];
        context.report('IST0140', virtualService, [other, fullName(virtualService)], place);
      }
    }
  }
}
