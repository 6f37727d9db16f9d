import type { HttpRoute } from '../../config/kinds/virtual-service/schema.ts';
import { resolveShortName } from '../../registry/host.ts';
import type { Subsets } from './destination-rule.ts';
import { protoText } from './proto-text.ts';
import { type DestinationRule, nameIn, type Service, type VirtualService } from './subject.ts';

const DOMAIN = 'cluster.local';

/** What a route has to do with a service: whether it leads there, and what is to be said of it. */
interface RouteFacts {
  readonly matches: boolean;
  readonly facts: readonly string[];
}

export interface Destination {
  readonly service: Service;
  readonly subsets: Subsets;
  readonly rule: DestinationRule | undefined;
}

/** What a VirtualService does with requests to a service, in istioctl's words. */
export function describeVirtualService(
  virtualService: VirtualService,
  destination: Destination,
  namespace: string,
): string[] {
  const { http = [], tcp = [], tls = [] } = virtualService.spec;
  const routes = [
    ...http.map((route) => httpFacts(route, virtualService, destination, namespace)),
    ...tcp.map(({ route = [], match = [] }): RouteFacts => {
      const matches = route.some(({ destination: { host } }) => leadsTo(host, virtualService, destination.service));
      return { matches, facts: matches ? match.map(protoText) : [] };
    }),
  ];
  const title = `VirtualService: ${nameIn(namespace, virtualService)}`;
  const facts = routes.flatMap((route) => (route.matches ? route.facts.map((fact) => `   ${fact}`) : []));
  const notes = routes.flatMap((route) => (route.matches ? [] : route.facts.map((fact) => `      ${fact}`)));
  const matching = routes.filter(({ matches }) => matches).length;
  if (matching === 0) {
    const none = (count: number, kind: string) =>
      count === 0 ? [] : [`   WARNING: No destinations match pod subsets (checked ${count} ${kind} routes)`];
    return [title, ...none(http.length, 'HTTP'), ...none(tcp.length, 'TCP'), ...notes];
  }
  const others = http.length + tcp.length + tls.length - matching;
  if (others > 0) {
    const rest = `   ${others} additional destination(s) that will not reach this pod`;
    return [title, ...facts, rest, ...(facts.length === 0 ? notes : [])];
  }
  if (facts.length > 0) return [title, ...facts];
  const count = (number: number, kind: string) => (number === 0 ? [] : [`   ${number} ${kind} route(s)`]);
  return [title, ...count(http.length, 'HTTP'), ...count(tcp.length, 'TCP')];
}

function leadsTo(host: string, { metadata }: VirtualService, service: Service): boolean {
  const { name, namespace } = service.metadata;
  const whole = resolveShortName(host, metadata.namespace, DOMAIN);
  return [`${name}.${namespace}`, `${name}.${namespace}.svc.${DOMAIN}`].includes(whole);
}

function httpFacts(
  route: HttpRoute,
  virtualService: VirtualService,
  { service, subsets, rule }: Destination,
  namespace: string,
): RouteFacts {
  const facts: string[] = [];
  const notes: string[] = [];
  let matches = false;
  for (const { destination, weight = 0 } of route.route ?? []) {
    const { host, subset } = destination;
    if (!leadsTo(host, virtualService, service)) {
      facts.push(
        subset
          ? `Route to ${host} with invalid config`
          : `Route to host ${JSON.stringify(host)} with weight ${weight}%`,
      );
      continue;
    }
    if (subset && !subsets.matching.includes(subset)) {
      notes.push(
        subsets.others.includes(subset)
          ? `Route to non-matching subset ${subset} for (${describeMatches(route)})`
          : rule === undefined
            ? `Warning: Route to subset ${subset} but NO DESTINATION RULE defining subsets!`
            : `Warning: Route to UNKNOWN subset ${subset}; check DestinationRule ${nameIn(namespace, rule)}`,
      );
      continue;
    }
    matches = true;
    const where = subset ? `${JSON.stringify(host)} subset ${JSON.stringify(subset)}` : JSON.stringify(host);
    if (weight > 0) facts.push(`Route to host ${where} with weight ${weight}%`);
  }
  if (!matches) return { matches, facts: [...facts, ...notes] };
  const conditions = (route.match ?? []).map(describeMatch);
  if (route.fault) conditions.unshift(`Fault injection ${protoText(route.fault)}`);
  return { matches, facts: conditions.length === 0 ? facts : [...facts, conditions.join(', ')] };
}

type Match = NonNullable<HttpRoute['match']>[number];

function describeMatches({ match = [] }: HttpRoute): string {
  return match.length === 0 ? 'everything' : match.map(describeMatch).join(', ');
}

function describeMatch({ uri, ignoreUriCase, headers = {} }: Match): string {
  const path = uri === undefined ? '' : `${describeString(uri)}${ignoreUriCase ? ' uncased' : ''}`;
  const conditions = Object.entries(headers).map(([name, value]) => `${name}=${describeString(value)}`);
  const rest = conditions.length === 0 ? '' : ` when headers are ${conditions.sort().join('; ')}`;
  return `Match: ${path}${rest}`.trim();
}

function describeString({ exact, prefix, regex }: NonNullable<Match['uri']>): string {
  if (exact !== undefined) return exact;
  if (prefix !== undefined) return `${prefix}*`;
  return regex === undefined ? '' : `regex:${JSON.stringify(regex)}`;
}
