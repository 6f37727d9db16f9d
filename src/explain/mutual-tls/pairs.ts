import { readSamples, type Sample } from './metrics-text.ts';

/** How two workloads speak: as the destination's proxy has seen it; `unknown` where that is not there to tell. */
export type Security = 'mutual_tls' | 'none' | 'unknown';

/** One end of what was measured. Whatever is not known is empty. */
export interface End {
  readonly namespace: string;
  /** A client without a proxy has no name, even if its certificate says of which namespace it is. */
  readonly workload: string;
  /** SPIFFE URI; empty where none was shown. */
  readonly principal: string;
}

/** Two workloads that have spoken with each other, in one protocol and with one security. */
export interface Pair {
  readonly source: End;
  readonly destination: End;
  /** Hosts of the services that were asked for. */
  readonly services: readonly string[];
  readonly protocol: 'http' | 'grpc' | 'tcp';
  readonly security: Security;
  /** Requests of HTTP and gRPC, connections of TCP. */
  readonly count: number;
}

/** By whatever tells proxies apart: the counters of each that say who has spoken with whom. */
export type Measurement = ReadonlyMap<string, readonly Sample[]>;

const METRICS: ReadonlySet<string> = new Set(['istio_requests_total', 'istio_tcp_connections_opened_total']);

/** Part of the names of all these metrics, for a proxy that can filter. */
export const METRICS_FILTER = 'istio_(requests|tcp_connections_opened)_total';

export function readCounters(text: string): Sample[] {
  return readSamples(text, METRICS);
}

/** What has been counted since an earlier measurement. A proxy that has started anew since then counts from nothing. */
export function since(earlier: Measurement, later: Measurement): Measurement {
  const result = new Map<string, readonly Sample[]>();
  for (const [proxy, samples] of later) {
    const before = new Map(earlier.get(proxy)?.map((sample) => [seriesKey(sample), sample.value]));
    const restarted = samples.some((sample) => sample.value < (before.get(seriesKey(sample)) ?? 0));
    result.set(
      proxy,
      restarted
        ? samples
        : samples.map((sample) => ({ ...sample, value: sample.value - (before.get(seriesKey(sample)) ?? 0) })),
    );
  }
  return result;
}

function seriesKey({ name, labels }: Sample): string {
  return JSON.stringify([name, [...labels].sort()]);
}

/**
 * Who has spoken with whom, and how. Only the destination's proxy knows how a request came, so it is the one that is
 * believed. Where it counts nothing, as gateways do, or there is none, the source's proxy says that there was a request,
 * and that it was mutual TLS if both have shown each other who they are. Plaintext comes first, then what nobody can
 * tell, each in the order of names.
 */
export function pairsOf(measurement: Measurement): Pair[] {
  const samples = [...measurement.values()].flat();
  const counting = new Set(samples.filter((sample) => isBy('destination', sample)).map(destinationKey));
  const pairs = new Map<
    string,
    { readonly pair: Omit<Pair, 'services' | 'count'>; services: Set<string>; count: number }
  >();
  for (const sample of samples) {
    if (sample.value <= 0) continue;
    const security = securityOf(sample, counting);
    if (security === undefined) continue;
    const label = (name: string) => known(sample.labels.get(name));
    const pair = {
      source: endOf(sample, 'source'),
      destination: endOf(sample, 'destination'),
      protocol: protocolOf(sample),
      security,
    };
    const service = label('destination_service');
    // Without a workload to tell them apart, services are.
    const key = JSON.stringify([pair, pair.destination.workload === '' ? service : '']);
    let found = pairs.get(key);
    if (found === undefined) pairs.set(key, (found = { pair, services: new Set(), count: 0 }));
    if (service !== '') found.services.add(service);
    found.count += sample.value;
  }
  return [...pairs.values()]
    .map(({ pair, services, count }) => ({ ...pair, services: [...services].sort(), count }))
    .sort((a, b) => ORDER.indexOf(a.security) - ORDER.indexOf(b.security) || compare(sortKey(a), sortKey(b)));
}

const ORDER: readonly Security[] = ['none', 'unknown', 'mutual_tls'];

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sortKey({ source, destination, services, protocol }: Pair): string {
  const name = ({ namespace, workload, principal }: End) => [namespace, workload, principal].join('\0');
  return [name(source), name(destination), ...services, protocol].join('\0');
}

function isBy(reporter: 'source' | 'destination', { labels }: Sample): boolean {
  return labels.get('reporter') === reporter;
}

function destinationKey({ labels }: Sample): string {
  return `${labels.get('destination_workload_namespace')}/${labels.get('destination_workload')}`;
}

/** Undefined for a sample that says nothing, or of which another proxy knows more: that of a destination that counts. */
function securityOf(sample: Sample, counting: ReadonlySet<string>): Security | undefined {
  const { labels } = sample;
  if (isBy('destination', sample)) {
    return labels.get('connection_security_policy') === 'mutual_tls' ? 'mutual_tls' : 'none';
  }
  if (!isBy('source', sample) || counting.has(destinationKey(sample))) return undefined;
  // Requests that the source's proxy has answered itself have never left it.
  if (!hasLeft(labels) || labels.get('destination_service_name') === BLACK_HOLE) return undefined;
  if (known(labels.get('destination_service')) === '') return undefined;
  const principals = [labels.get('source_principal'), labels.get('destination_principal')];
  return principals.every((principal) => known(principal) !== '') ? 'mutual_tls' : 'unknown';
}

/** What Istio calls the destination of what goes nowhere. */
const BLACK_HOLE = 'BlackHoleCluster';
const NO_FLAGS = '-';
/** The client ended the connection, which is how a tunnel ends. */
const CLIENT_ENDED = 'DC';

function hasLeft(labels: Sample['labels']): boolean {
  const flags = labels.get('response_flags');
  return flags === NO_FLAGS || (flags === CLIENT_ENDED && labels.get('response_code') !== '0');
}

function protocolOf({ name, labels }: Sample): Pair['protocol'] {
  if (name !== 'istio_requests_total') return 'tcp';
  return labels.get('request_protocol') === 'grpc' ? 'grpc' : 'http';
}

function endOf({ labels }: Sample, side: 'source' | 'destination'): End {
  return {
    namespace: known(labels.get(`${side}_workload_namespace`)),
    workload: known(labels.get(`${side}_workload`)),
    principal: known(labels.get(`${side}_principal`)),
  };
}

function known(value: string | undefined): string {
  return value === undefined || value === 'unknown' ? '' : value;
}
