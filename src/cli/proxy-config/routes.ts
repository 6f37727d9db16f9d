import { UserError } from '../../base/errors.ts';
import { goSort } from '../output/go-sort.ts';
import type { Message } from '../output/json.ts';
import { formatTable } from '../output/table.ts';
import { type ConfigDump, resourcesOf } from './config-dump.ts';
import { messageAt, messagesAt, textAt, textsAt } from './fields.ts';
import type { SummaryStyle } from './listeners.ts';
import { describeManagement } from './management.ts';
import { describeMatch } from './route-match.ts';

/** Route configurations, of ports in their order, or the one of a name. Throws a UserError if there is none at all. */
export function routesOf(dump: ConfigDump, name: string | undefined): Message[] {
  const section = dump.section('RoutesConfigDump');
  const routes = [
    ...resourcesOf(section, 'dynamicRouteConfigs', (entry) => messageAt(entry, 'routeConfig')),
    ...resourcesOf(section, 'staticRouteConfigs', (entry) => messageAt(entry, 'routeConfig')),
  ];
  if (routes.length === 0) throw new UserError('no routes found');
  goSort(routes, (a, b) => {
    const [portA, portB] = [portOf(a), portOf(b)];
    return portA !== undefined && portB !== undefined && portA < portB;
  });
  return name ? routes.filter((route) => textAt(route, 'name') === name) : routes;
}

/** The number that a route configuration is named for, if it is. */
function portOf(route: Message): bigint | undefined {
  const name = textAt(route, 'name');
  return /^[+-]?\d+$/.test(name) ? BigInt(name.replace(/^\+/, '')) : undefined;
}

/** The table of `proxy-config route`. */
export function summarizeRoutes(routes: readonly Message[], { verbose, kind = false }: SummaryStyle): string {
  const rows = routes.flatMap((config) => {
    const name = `${kind ? 'route/' : ''}${textAt(config, 'name')}`;
    const hosts = messagesAt(config, 'virtualHosts');
    return verbose
      ? hosts.flatMap((host) => rowsOf(host).map((row) => [name, ...row]))
      : [[name, String(hosts.length)]];
  });
  const header = verbose ? ['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'VIRTUAL SERVICE'] : ['NAME', 'VIRTUAL HOSTS'];
  return formatTable([header, ...rows]);
}

function rowsOf(host: Message): string[][] {
  const head = [textAt(host, 'name'), describeDomains(textsAt(host, 'domains'))];
  const routes = messagesAt(host, 'routes');
  if (routes.length === 0) return [[...head, '/*', '404']];
  return routes
    .filter((route) => textAt(route, 'route', 'cluster') !== 'PassthroughCluster')
    .map((route) => [...head, describeMatch(messageAt(route, 'match')), describeManagement(route)]);
}

const MAX_DOMAINS = 2;

/** The first of the domains, without those that say the same with a port or with the suffix of Kubernetes' services. */
function describeDomains(domains: readonly string[]): string {
  if (domains.length <= 1) return domains[0] ?? '';
  const all = new Set(domains.filter(isWithoutPort));
  const shown = [...domains].filter((domain) => {
    const shorter = ['.svc.cluster.local', '.svc'].filter((suffix) => domain.endsWith(suffix));
    return all.has(domain) && !shorter.some((suffix) => all.has(domain.slice(0, -suffix.length)));
  });
  const more = shown.length > MAX_DOMAINS ? ` + ${shown.length - MAX_DOMAINS} more...` : '';
  return shown.slice(0, MAX_DOMAINS).join(', ') + more;
}

function isWithoutPort(domain: string): boolean {
  const colons = domain.split(':').length - 1;
  return colons === 0 || (colons > 2 && domain.endsWith(']'));
}
