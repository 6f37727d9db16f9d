import { goSort } from '../output/go-sort.ts';
import { compareText, type Message } from '../output/json.ts';
import { formatTable } from '../output/table.ts';
import { messageAt, messagesAt, numberAt, textAt, valueAt } from './fields.ts';

export interface EndpointFilter {
  readonly address?: string;
  readonly port?: number;
  readonly cluster?: string;
  readonly status?: string;
}

interface Endpoint {
  readonly cluster: string;
  readonly address: string;
  readonly port: number;
  readonly status: string;
  readonly outlier: boolean;
}

/** Clusters of an `envoy.admin.v3.Clusters` with at least one wanted endpoint, whole. */
export function clustersWithEndpoints(clusters: Message, filter: EndpointFilter): Message[] {
  return messagesAt(clusters, 'clusterStatuses').filter((cluster) =>
    endpointsOf(cluster).some((endpoint) => isWantedEndpoint(endpoint, filter)),
  );
}

/** The table of `proxy-config endpoint`: what the proxy knows of each host, its health included. */
export function summarizeEndpoints(clusters: Message, filter: EndpointFilter): string {
  const endpoints = messagesAt(clusters, 'clusterStatuses')
    .flatMap(endpointsOf)
    .filter((endpoint) => isWantedEndpoint(endpoint, filter));
  goSort(endpoints, (a, b) => compareEndpoints(a, b) < 0);
  const rows = endpoints.map(({ address, port, status, outlier, cluster }) => [
    port === 0 ? address : `${address}:${port}`,
    status,
    outlier ? 'FAILED' : 'OK',
    cluster,
  ]);
  return formatTable([['ENDPOINT', 'STATUS', 'OUTLIER CHECK', 'CLUSTER'], ...rows]);
}

function compareEndpoints(a: Endpoint, b: Endpoint): number {
  return compareText(a.address, b.address) || a.port - b.port || compareText(a.cluster, b.cluster);
}

function endpointsOf(cluster: Message): Endpoint[] {
  return messagesAt(cluster, 'hostStatuses').map((host) => ({
    cluster: textAt(cluster, 'name'),
    ...addressOf(host),
    status: textAt(host, 'healthStatus', 'edsHealthStatus') || 'UNKNOWN',
    outlier: valueAt(host, 'healthStatus', 'failedOutlierCheck') === true,
  }));
}

function addressOf(host: Message): { address: string; port: number } {
  const socket = messageAt(host, 'address', 'socketAddress');
  if (socket !== undefined) return { address: textAt(socket, 'address'), port: numberAt(socket, 'portValue') };
  const internal = messageAt(host, 'address', 'envoyInternalAddress');
  if (internal !== undefined) return { address: describeInternalAddress(internal), port: 0 };
  return { address: `unix://${textAt(host, 'address', 'pipe', 'path')}`, port: 0 };
}

/** An address within the proxy, which another listener of it serves. */
export function describeInternalAddress(address: Message): string {
  const listener = `envoy://${textAt(address, 'serverListenerName')}`;
  const id = textAt(address, 'endpointId');
  return id === '' ? listener : `${listener}/${id}`;
}

/** Without regard to case. */
export function isWantedEndpoint(endpoint: Omit<Endpoint, 'outlier'>, filter: EndpointFilter): boolean {
  const { address, port, cluster, status } = filter;
  return (
    isSame(endpoint.address, address) &&
    (!port || endpoint.port === port) &&
    isSame(endpoint.cluster, cluster) &&
    isSame(endpoint.status, status)
  );
}

function isSame(text: string, wanted: string | undefined): boolean {
  return !wanted || text.toLowerCase() === wanted.toLowerCase();
}
