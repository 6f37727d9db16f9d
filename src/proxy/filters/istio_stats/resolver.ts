import type { ClusterSource } from '../../cluster/cluster.ts';
import type { Metadata } from '../../cluster/host.ts';
import { DOWNSTREAM_PEER, UPSTREAM_PEER } from '../../observe/filter-state.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import { endpointWorkload, type Workload } from '../../observe/workload.ts';
import { type DestinationService, ownPrincipalOf, type Peers, peerPrincipalOf, type Reporter } from './peers.ts';

/** Clusters without a service of their own are one by their name. */
const NAMED_CLUSTERS: ReadonlySet<string> = new Set([
  'BlackHoleCluster',
  'PassthroughCluster',
  'InboundPassthroughCluster',
  'InboundPassthroughClusterIpv4',
  'InboundPassthroughClusterIpv6',
]);
/** Istio's route of virtual hosts for what no service answers to. */
const NAMED_ROUTES: Readonly<Record<string, string>> = {
  block_all: 'BlackHoleCluster',
  allow_any: 'PassthroughCluster',
};

const PEER_PRINCIPAL = 'io.istio.peer_principal';
const OWN_PRINCIPAL = 'io.istio.local_principal';

/** What is cached is forgotten when it gets more than this: what clients say goes into it. */
const MAX_CACHED = 5000;

/** Tells for an exchange who its peers are, and finds what was made of them before. */
export class PeerResolver<Made> {
  readonly #reporter: Reporter;
  readonly #own: Workload;
  readonly #hostFallback: boolean;
  readonly #make: (peers: Peers) => Made;
  /** By peer, endpoint and service as objects, which are the same for the same peer, and by principals. */
  #made = new Map<object, Map<object, Map<object, Map<string, Made>>>>();
  #madeCount = 0;
  readonly #ofCluster = new WeakMap<Metadata, DestinationService | typeof NOBODY>();
  readonly #ofEndpoint = new WeakMap<Metadata, Workload | typeof NOBODY>();
  #ofHost = new Map<string, DestinationService>();

  constructor(reporter: Reporter, own: Workload, hostFallback: boolean, make: (peers: Peers) => Made) {
    this.#reporter = reporter;
    this.#own = own;
    this.#hostFallback = hostFallback;
    this.#make = make;
  }

  /** `upstreamState` is what filters of the upstream connection know, for connections without requests. */
  resolve(info: StreamInfo, clusters: ClusterSource, upstreamState?: ReadonlyMap<string, unknown>): Made {
    const source = this.#reporter === 'source';
    const upstreamPeer = (upstreamState?.get(UPSTREAM_PEER) ?? info.getFilterState(UPSTREAM_PEER)) as
      | Workload
      | undefined;
    const peer = source
      ? (upstreamPeer ?? this.#endpointOf(info))
      : (info.getFilterState(DOWNSTREAM_PEER) as Workload | undefined);
    const endpoint = this.#reporter === 'waypoint' ? upstreamPeer : undefined;
    const service = this.#serviceOf(info, clusters);
    const tls = source ? info.upstreamConnection?.tls : info.connection.tls;
    let peerPrincipal = peerPrincipalOf(tls);
    let ownPrincipal = ownPrincipalOf(tls);
    if (source) {
      if (peerPrincipal === '') peerPrincipal = peer?.identity ?? '';
    } else {
      const told = info.getFilterState(PEER_PRINCIPAL);
      const own = info.getFilterState(OWN_PRINCIPAL);
      if (typeof told === 'string' || typeof own === 'string') {
        peerPrincipal = typeof told === 'string' ? told : '';
        ownPrincipal = typeof own === 'string' ? own : '';
      }
    }
    const byPrincipals = this.#find(peer ?? NOBODY, endpoint ?? NOBODY, service);
    const key = `${peerPrincipal} ${ownPrincipal}`;
    const known = byPrincipals.get(key);
    if (known !== undefined) return known;
    const made = this.#make({
      reporter: this.#reporter,
      own: this.#own,
      peer,
      endpoint,
      service,
      peerPrincipal,
      ownPrincipal,
    });
    byPrincipals.set(key, made);
    this.#madeCount++;
    return made;
  }

  #find(peer: object, endpoint: object, service: object): Map<string, Made> {
    if (this.#madeCount > MAX_CACHED) {
      this.#made = new Map();
      this.#madeCount = 0;
    }
    return at(at(at(this.#made, peer), endpoint), service);
  }

  /** What the control plane says of the host that the exchange went to. */
  #endpointOf({ upstreamHost }: StreamInfo): Workload | undefined {
    if (upstreamHost === undefined) return undefined;
    const { metadata } = upstreamHost.description;
    let workload = this.#ofEndpoint.get(metadata);
    if (workload === undefined) {
      const text = metadata.get('istio')?.workload;
      workload = (typeof text === 'string' ? endpointWorkload(text) : undefined) ?? NOBODY;
      this.#ofEndpoint.set(metadata, workload);
    }
    return workload === NOBODY ? undefined : (workload as Workload);
  }

  #serviceOf(info: StreamInfo, clusters: ClusterSource): DestinationService {
    const routed = NAMED_ROUTES[info.routeName];
    if (routed === undefined && !NAMED_CLUSTERS.has(info.upstreamCluster)) {
      const metadata = info.clusterMetadata ?? clusters.get(info.upstreamCluster)?.metadata;
      const known = metadata && this.#clusterService(metadata);
      if (known !== undefined) return known;
    }
    const host = this.#hostFallback ? (info.requestHeaders?.authority ?? '') : '';
    const named = routed ?? (NAMED_CLUSTERS.has(info.upstreamCluster) ? info.upstreamCluster : host);
    const key = `${host} ${named}`;
    let service = this.#ofHost.get(key);
    if (service === undefined) {
      if (this.#ofHost.size >= MAX_CACHED) this.#ofHost = new Map();
      this.#ofHost.set(key, (service = { host, name: named, namespace: '' }));
    }
    return service;
  }

  /** The first of the services that a cluster is for (`istio` metadata). */
  #clusterService(metadata: Metadata): DestinationService | undefined {
    let service = this.#ofCluster.get(metadata);
    if (service === undefined) {
      service = serviceOf(metadata) ?? NOBODY;
      this.#ofCluster.set(metadata, service);
    }
    return service === NOBODY ? undefined : (service as DestinationService);
  }
}

const NOBODY = {};

function at<K, InnerKey, Value>(map: Map<K, Map<InnerKey, Value>>, key: K): Map<InnerKey, Value> {
  let inner = map.get(key);
  if (inner === undefined) map.set(key, (inner = new Map()));
  return inner;
}

function serviceOf(metadata: Metadata): DestinationService | undefined {
  const services = metadata.get('istio')?.services;
  const first: unknown = Array.isArray(services) ? services[0] : undefined;
  if (typeof first !== 'object' || first === null) return undefined;
  const { host, name, namespace } = first as Readonly<Record<string, unknown>>;
  const hostText = typeof host === 'string' ? host : '';
  return {
    host: hostText,
    name: typeof name === 'string' ? name : hostText.split('.', 1)[0],
    namespace: typeof namespace === 'string' ? namespace : '',
  };
}
