import type { TlsInfo } from '../../net/connection.ts';
import type { SeriesLabels } from '../../observe/series-family.ts';
import type { Workload } from '../../observe/workload.ts';

/** Whose view a metric is: `source` beside the client, `destination` beside the server, `waypoint` in between. */
export type Reporter = 'source' | 'destination' | 'waypoint';

/** The service that a request is for, as labels name it. Empty where it is not known. */
export interface DestinationService {
  readonly host: string;
  readonly name: string;
  readonly namespace: string;
}

/** What is known of both ends of an exchange. */
export interface Peers {
  readonly reporter: Reporter;
  /** This proxy's workload. */
  readonly own: Workload;
  /** The other end: the server's for `source`, or else the client's. */
  readonly peer: Workload | undefined;
  /** The server, for `waypoint`. */
  readonly endpoint: Workload | undefined;
  readonly service: DestinationService;
  /** Identities (SPIFFE URIs), empty for none. */
  readonly peerPrincipal: string;
  readonly ownPrincipal: string;
}

export const UNKNOWN = 'unknown';
const LATEST = 'latest';

/** The labels that say who talks to whom, in Istio's order. */
export function peerLabels(peers: Peers): SeriesLabels {
  return [['reporter', peers.reporter], ...(peers.reporter === 'source' ? clientSide(peers) : serverSide(peers))];
}

const or = (value: string | undefined, otherwise: string) => (value === undefined || value === '' ? otherwise : value);

/** `spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT` -> NAMESPACE. */
function principalNamespace(principal: string): string {
  return /\/ns\/([^/]*)/.exec(principal)?.[1] ?? '';
}

function clientSide({ own, peer, service, peerPrincipal, ownPrincipal }: Peers): SeriesLabels {
  const namespace = or(principalNamespace(peerPrincipal), or(peer?.namespace, UNKNOWN));
  return [
    ['source_workload', own.name],
    ['source_canonical_service', own.service],
    ['source_canonical_revision', own.revision],
    ['source_workload_namespace', own.namespace],
    ['source_principal', or(ownPrincipal, UNKNOWN)],
    ['source_app', own.app],
    ['source_version', own.version],
    ['source_cluster', own.cluster],
    ['destination_workload', or(peer?.name, UNKNOWN)],
    ['destination_workload_namespace', namespace],
    ['destination_principal', or(peerPrincipal, UNKNOWN)],
    ['destination_app', or(peer?.app, UNKNOWN)],
    ['destination_version', or(peer?.version, UNKNOWN)],
    ['destination_service', or(service.host, UNKNOWN)],
    ['destination_canonical_service', or(peer?.service, UNKNOWN)],
    ['destination_canonical_revision', or(peer?.revision, LATEST)],
    ['destination_service_name', or(service.name, UNKNOWN)],
    ['destination_service_namespace', or(service.namespace, namespace)],
    ['destination_cluster', or(peer?.cluster, UNKNOWN)],
  ];
}

function serverSide(peers: Peers): SeriesLabels {
  const { peer, peerPrincipal } = peers;
  return [
    ['source_workload', or(peer?.name, UNKNOWN)],
    ['source_canonical_service', or(peer?.service, UNKNOWN)],
    ['source_canonical_revision', or(peer?.revision, LATEST)],
    ['source_workload_namespace', or(principalNamespace(peerPrincipal), or(peer?.namespace, UNKNOWN))],
    ['source_principal', or(peerPrincipal, UNKNOWN)],
    ['source_app', or(peer?.app, UNKNOWN)],
    ['source_version', or(peer?.version, UNKNOWN)],
    ['source_cluster', or(peer?.cluster, UNKNOWN)],
    ...(peers.reporter === 'waypoint' ? behindWaypoint(peers) : ownDestination(peers)),
  ];
}

function ownDestination({ own, service, ownPrincipal }: Peers): SeriesLabels {
  return [
    ['destination_workload', own.name],
    ['destination_workload_namespace', own.namespace],
    ['destination_principal', or(ownPrincipal, UNKNOWN)],
    ['destination_app', own.app],
    ['destination_version', own.version],
    ['destination_service', or(service.host, own.service)],
    ['destination_canonical_service', own.service],
    ['destination_canonical_revision', own.revision],
    ['destination_service_name', or(service.name, own.service)],
    ['destination_service_namespace', own.namespace],
    ['destination_cluster', own.cluster],
  ];
}

function behindWaypoint({ endpoint, service }: Peers): SeriesLabels {
  return [
    ['destination_workload', or(endpoint?.name, UNKNOWN)],
    ['destination_workload_namespace', or(endpoint?.namespace, UNKNOWN)],
    ['destination_principal', or(endpoint?.identity, UNKNOWN)],
    ['destination_app', or(endpoint?.app, UNKNOWN)],
    ['destination_version', or(endpoint?.version, UNKNOWN)],
    ['destination_service', or(service.host, UNKNOWN)],
    ['destination_canonical_service', or(endpoint?.service, UNKNOWN)],
    ['destination_canonical_revision', or(endpoint?.revision, UNKNOWN)],
    ['destination_service_name', or(service.name, UNKNOWN)],
    ['destination_service_namespace', or(service.namespace, UNKNOWN)],
    ['destination_cluster', or(endpoint?.cluster, UNKNOWN)],
  ];
}

/** `connection_security_policy`: only a server can tell. */
export function securityPolicy({ reporter, peerPrincipal, ownPrincipal }: Peers): string {
  if (reporter === 'source') return UNKNOWN;
  return peerPrincipal !== '' && ownPrincipal !== '' ? 'mutual_tls' : 'none';
}

/** SPIFFE ID of the peer, or empty. */
export function peerPrincipalOf(tls: TlsInfo | undefined): string {
  return tls?.peer?.uriSans[0] ?? '';
}

/** SPIFFE ID of this end of the connection, or empty. */
export function ownPrincipalOf(tls: TlsInfo | undefined): string {
  return tls?.localUriSans[0] ?? '';
}
