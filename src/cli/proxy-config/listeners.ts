import { UserError } from '../../base/errors.ts';
import { goSort } from '../output/go-sort.ts';
import { compareText, type Message } from '../output/json.ts';
import { formatTable } from '../output/table.ts';
import { type ConfigDump, resourcesOf, sectionOrReason } from './config-dump.ts';
import { messageAt, messagesAt, numberAt, textAt, textsAt, valueAt } from './fields.ts';
import { describeMatch, isRouteToCluster } from './route-match.ts';

export interface ListenerFilter {
  readonly address?: string;
  readonly port?: number;
  readonly type?: string;
}

export interface SummaryStyle {
  readonly verbose: boolean;
  /** A first column with `listener/NAME` and so on, where all kinds are printed at once. */
  readonly kind?: boolean;
}

const HTTP = 'envoy.filters.network.http_connection_manager';
const TCP = 'envoy.filters.network.tcp_proxy';

/** Listeners that serve or are written in the bootstrap, in the order of the dump. Throws a UserError if there is none. */
export function listenersOf(dump: ConfigDump, filter: ListenerFilter): Message[] {
  const section = sectionOrReason(dump, 'ListenersConfigDump', 'listener dump');
  const listeners = [
    ...resourcesOf(section, 'dynamicListeners', (entry) => messageAt(entry, 'activeState', 'listener')),
    ...resourcesOf(section, 'staticListeners', (entry) => messageAt(entry, 'listener')),
  ];
  if (listeners.length === 0) throw new UserError('no listeners found');
  return listeners.filter((listener) => isWanted(listener, filter));
}

function isWanted(listener: Message, { address, port, type }: ListenerFilter): boolean {
  if (address && !addressesOf(listener).some((a) => a.toLowerCase() === address.toLowerCase())) return false;
  if (port && portOf(listener) !== port) return false;
  return !type || typeOf(listener).toLowerCase() === type.toLowerCase();
}

/** The table of `proxy-config listener`. */
export function summarizeListeners(listeners: readonly Message[], { verbose, kind = false }: SummaryStyle): string {
  const sorted = goSort([...listeners], (a, b) => compareListeners(a, b) < 0);
  const rows = sorted.flatMap((listener) => {
    const head = [addressesOf(listener).join(','), String(portOf(listener))];
    if (kind) head.unshift(`listener/${textAt(listener, 'name')}`);
    if (!verbose) return [[...head, typeOf(listener)]];
    const chains = chainsOf(listener).map((chain) => [describeChainMatch(chain), describeDestination(chain)] as const);
    goSort(chains, (a, b) => compareText(a[1], b[1]) > 0);
    return chains.map((chain) => [...head, ...chain]);
  });
  const header = [...(kind ? ['NAME'] : []), 'ADDRESSES', 'PORT', ...(verbose ? ['MATCH', 'DESTINATION'] : ['TYPE'])];
  return formatTable([header, ...rows], 1);
}

function compareListeners(a: Message, b: Message): number {
  const [addressA, addressB] = [addressesOf(a)[0]!, addressesOf(b)[0]!];
  return portOf(a) - portOf(b) || compareText(addressA, addressB) || compareText(typeOf(a), typeOf(b));
}

/** Its address and the additional ones. */
function addressesOf(listener: Message): string[] {
  const own = textAt(listener, 'address', 'socketAddress', 'address') || textAt(listener, 'address', 'pipe', 'path');
  const additional = messagesAt(listener, 'additionalAddresses').map((entry) =>
    textAt(entry, 'address', 'socketAddress', 'address'),
  );
  return [own, ...additional];
}

function portOf(listener: Message): number {
  return numberAt(listener, 'address', 'socketAddress', 'portValue');
}

function chainsOf(listener: Message): Message[] {
  const fallback = messageAt(listener, 'defaultFilterChain');
  return [...messagesAt(listener, 'filterChains'), ...(fallback === undefined ? [] : [fallback])];
}

function typeOf(listener: Message): string {
  const filters = chainsOf(listener).flatMap((chain) => messagesAt(chain, 'filters'));
  const http = filters.some(({ name }) => name === HTTP);
  const tcp = filters.some((filter) => filter.name === TCP && !isBlackHole(filter));
  if (http) return tcp ? 'HTTP+TCP' : 'HTTP';
  return tcp ? 'TCP' : 'UNKNOWN';
}

function isBlackHole(filter: Message): boolean {
  return JSON.stringify(filter.typedConfig ?? {}).includes('BlackHoleCluster');
}

/** Sets of ALPN names that Istio uses, by what they stand for. */
const PROTOCOLS: ReadonlyMap<string, string> = new Map([
  ['http/1.0,http/1.1,h2c,istio-http/1.0,istio-http/1.1,istio-h2', 'HTTP TLS'],
  ['istio,istio-http/1.0,istio-http/1.1,istio-h2', 'Istio HTTP Plain'],
  ['istio-peer-exchange,istio', 'TCP TLS'],
  ['http/1.0,http/1.1,h2c', 'HTTP'],
]);

function describeChainMatch(chain: Message): string {
  const match = messageAt(chain, 'filterChainMatch');
  const parts: string[] = [];
  const serverNames = textsAt(match, 'serverNames').join(',');
  if (serverNames !== '') parts.push(`SNI: ${serverNames}`);
  const transport = textAt(match, 'transportProtocol');
  if (transport !== '') parts.push(`Trans: ${transport}`);
  const protocols = textsAt(match, 'applicationProtocols').join(',');
  if (protocols !== '') parts.push(`App: ${PROTOCOLS.get(protocols) ?? protocols}`);
  const port = valueAt(match, 'destinationPort') === undefined ? '' : `:${numberAt(match, 'destinationPort')}`;
  const ranges = messagesAt(match, 'prefixRanges').map(
    (range) => `${textAt(range, 'addressPrefix')}/${numberAt(range, 'prefixLen')}`,
  );
  if (ranges.length > 0) parts.push(`Addr: ${ranges.join(',')}${port}`);
  else if (port !== '') parts.push(`Addr: *${port}`);
  return parts.length === 0 ? 'ALL' : parts.join('; ');
}

/** Where the first filter that leads somewhere leads. */
function describeDestination(chain: Message): string {
  for (const filter of messagesAt(chain, 'filters')) {
    const config = messageAt(filter, 'typedConfig');
    if (filter.name === HTTP) {
      const inline = messageAt(config, 'routeConfig');
      if (inline !== undefined) return describeInlineRoutes(inline);
      const route = textAt(config, 'rds', 'routeConfigName');
      return route === '' ? 'HTTP' : `Route: ${route}`;
    }
    if (filter.name === TCP && !isBlackHole(filter)) return describeCluster(textAt(config, 'cluster'));
  }
  return 'Non-HTTP/Non-TCP';
}

/** Clusters that are called so need not be called so again. */
function describeCluster(name: string): string {
  return name.includes('Cluster') ? name : `Cluster: ${name}`;
}

function describeInlineRoutes(config: Message): string {
  const hosts = messagesAt(config, 'virtualHosts');
  const only = hosts.length === 1 ? onlyCluster(hosts[0]!) : undefined;
  if (only !== undefined) return describeCluster(only);
  const described = hosts.map((host) => {
    const domains = textsAt(host, 'domains').join('/');
    const routes = messagesAt(host, 'routes').map((route) => describeMatch(messageAt(route, 'match')));
    return `${domains === '*' || domains === '' ? '' : `${domains} `}${routes.join(', ')}`;
  });
  return `Inline Route: ${described.join('; ')}`;
}

/** The cluster of a virtual host that sends everything to one. */
function onlyCluster(host: Message): string | undefined {
  const routes = messagesAt(host, 'routes');
  if (textsAt(host, 'domains').join() !== '*' || routes.length !== 1) return undefined;
  const [route] = routes;
  if (textAt(route, 'match', 'prefix') !== '/' || !isRouteToCluster(route!)) return undefined;
  return textAt(route, 'route', 'cluster');
}
