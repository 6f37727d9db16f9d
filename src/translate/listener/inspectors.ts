import { create } from '@bufbuild/protobuf';
import {
  type FilterChain,
  type ListenerFilter,
  type ListenerFilterChainMatchPredicate,
  ListenerFilterChainMatchPredicateSchema,
} from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { httpInspector, tlsInspector } from '../filters/listener-filters.ts';
import { TLS_TRANSPORT } from './filter-chain.ts';

/** Which ports of a listener, 0 standing for all others, need to look into what. */
interface Needs {
  tls: boolean;
  http: boolean;
}

/**
 * The filters that look into what a client says first, kept away from ports where nobody needs to know: the other side
 * may speak first there.
 */
export function inspectorsFor(chains: readonly FilterChain[]): ListenerFilter[] {
  const ports = new Map<number, Needs>();
  for (const { filterChainMatch: match } of chains) {
    const port = match?.destinationPort ?? 0;
    let needs = ports.get(port);
    if (needs === undefined) ports.set(port, (needs = { tls: false, http: false }));
    needs.tls ||= match?.transportProtocol === TLS_TRANSPORT;
    needs.http ||= match?.applicationProtocols.some((name) => name === 'http/1.1' || name === 'h2c') === true;
  }
  const filters: ListenerFilter[] = [];
  const all = [...ports].sort(([a], [b]) => a - b);
  if (all.some(([, { tls }]) => tls)) filters.push(withPorts(tlsInspector(), tlsDisabled(all)));
  if (all.some(([, { http }]) => http)) {
    const without = all.filter(([, { http }]) => !http);
    filters.push(withPorts(httpInspector(), anyOf(without.map(([port]) => port))));
  }
  return filters;
}

function tlsDisabled(all: readonly (readonly [number, Needs])[]): ListenerFilterChainMatchPredicate | undefined {
  const declared = all.filter(([port]) => port !== 0);
  const byDefault = all.some(([port, { tls }]) => port === 0 && tls);
  if (byDefault) return anyOf(declared.filter(([, { tls }]) => !tls).map(([port]) => port));
  const enabled = anyOf(declared.filter(([, { tls }]) => tls).map(([port]) => port));
  return enabled && create(ListenerFilterChainMatchPredicateSchema, { rule: { case: 'notMatch', value: enabled } });
}

function anyOf(ports: readonly number[]): ListenerFilterChainMatchPredicate | undefined {
  const rules = ports.map((port) =>
    create(ListenerFilterChainMatchPredicateSchema, {
      rule: { case: 'destinationPortRange', value: { start: port, end: port + 1 } },
    }),
  );
  if (rules.length < 2) return rules[0];
  return create(ListenerFilterChainMatchPredicateSchema, { rule: { case: 'orMatch', value: { rules } } });
}

function withPorts(filter: ListenerFilter, disabled: ListenerFilterChainMatchPredicate | undefined): ListenerFilter {
  if (disabled !== undefined) filter.filterDisabled = disabled;
  return filter;
}
