import type { Headers } from '../../wire/headers.ts';
import type { OutgoingStream, ResetReason, StreamHandler } from '../../wire/http.ts';
import type { PriorityLoads, PriorityState } from '../lb/priority-load.ts';
import type { Connection, ConnectionHandler } from '../net/connection.ts';
import type { ForeignSource } from '../net/socket-options.ts';
import type { StreamInfo, UpstreamConnectionInfo } from '../observe/stream-info.ts';
import type { ClusterStats } from './cluster-stats.ts';
import type { Host, Metadata } from './host.ts';
import type { ResourceManager } from './resources.ts';

/** What a load balancer may look at to choose a host for one request or connection. */
export interface LoadBalancerContext {
  /** The hash that the route's hash policies make of the request; undefined where there are none. */
  readonly hash: bigint | undefined;
  /** Labels that the host must have (subset load balancing), from the route. */
  readonly metadataMatch: Metadata | undefined;
  readonly headers: Headers | undefined;
  readonly downstream: Connection | undefined;
  /** Asked after a choice while retries want another host; a bounded number of times. */
  rejects(host: Host): boolean;
  /** How many more hosts are drawn while `rejects` says so (`host_selection_retry_max_attempts`); 1 unless told. */
  readonly hostAttempts?: number;
  /** Addresses with ports that the request insists on, separated by commas: an override of the policy. */
  readonly overrideAddress: string | undefined;
  /** Rather no host than another one than `overrideAddress`. */
  readonly overrideStrict?: boolean;
  /** Moves load between priorities for this request (`retry_priority`). */
  shiftPriorities?(state: PriorityState): PriorityLoads;
  /** The account of the request, for policies that read or leave metadata. */
  readonly info?: StreamInfo;
}

/** How a request wants its upstream connection to be. Requests share connections only if these are equal. */
export interface UpstreamOptions {
  /** `high` has circuit breakers of its own. */
  readonly priority: 'default' | 'high';
  /** Protocol of the downstream request, for clusters that follow it. */
  readonly downstreamProtocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  /** ALPN instead of the cluster's, set by filters such as `istio.alpn`; undefined for none. */
  readonly alpn: readonly string[] | undefined;
  /** SNI and expected SAN that come from the request (auto_sni), or undefined. */
  readonly sni: string | undefined;
  readonly subjectAltNames: readonly string[] | undefined;
  /** The connection that the request came over, where there is one. */
  readonly downstream?: Connection | undefined;
  /** Another machine's address to connect from (`original_src`); undefined for this one's. */
  readonly source?: ForeignSource | undefined;
}

/** The upstream side of one request. Either `onReady` comes, and the stream's events follow, or `onFailure`. */
export interface UpstreamStreamHandler extends StreamHandler {
  /** May come from within `openHttp`. */
  onReady(stream: OutgoingStream, connection: UpstreamConnectionInfo): void;
  /** `details` is the transport's failure, for `%UPSTREAM_TRANSPORT_FAILURE_REASON%`. */
  onFailure(reason: ResetReason, details: string): void;
}

/** The upstream side of one TCP connection. */
export interface UpstreamConnectionHandler extends ConnectionHandler {
  onReady(connection: Connection): void;
  onFailure(reason: ResetReason, details: string): void;
}

/** Something that has not happened yet and can be given up; nothing is called afterwards. */
export interface Cancelable {
  cancel(): void;
}

/** Why no host was found. */
export interface HostFailure {
  /** `%RESPONSE_CODE_DETAILS%`. */
  readonly failure: string;
}

/** A group of equal upstream hosts. */
export interface Cluster {
  readonly name: string;
  readonly statName: string;
  readonly stats: ClusterStats;
  /** `Cluster.metadata`. */
  readonly metadata: Metadata;
  readonly defaultResources: ResourceManager;
  readonly highResources: ResourceManager;
  /** The number of hosts, of any health. */
  readonly size: number;
  /** `typed_extension_protocol_options` says that the upstream protocol follows the downstream's. */
  readonly followsDownstreamProtocol: boolean;
  /** Protocol that requests will use if they name none: what metrics call the protocol of the cluster. */
  readonly http2: boolean;
  /** Connections are encrypted, unless their host says otherwise. */
  readonly secure: boolean;
  readonly autoSni: boolean;
  /** Header that the SNI of `autoSni` is taken from instead of the host; empty for none. */
  readonly autoSniHeader: string;
  readonly autoSanValidation: boolean;
  /** Port of hosts that requests name without one, where the cluster connects to those; undefined for other clusters. */
  readonly forwardProxyPort?: number | undefined;
  /** `max_stream_duration` of common_http_protocol_options in ms, 0 for none. */
  readonly maxStreamDurationMs: number;
  /** Whether a request is to be turned away, by chance, as the runtime key `upstream.maintenance_mode.NAME` says. */
  inMaintenance(random: () => number): boolean;
  /** Share of 1 of the requests that are to be dropped (`drop_overloads`). */
  readonly dropShare: number;
  /** Undefined if there is no host to use. */
  pick(context: LoadBalancerContext): Host | undefined;
  /**
   * Looks for a host that `pick` did not have, in clusters that ask others for theirs. `onHost` comes once, maybe from
   * within; undefined then, and if there is nothing to look for.
   */
  find?(context: LoadBalancerContext, onHost: (found: Host | HostFailure) => void): Cancelable | undefined;
  /** Sends a request to a host over a new or pooled connection; undefined if it was ready or failed at once. */
  openHttp(host: Host, options: UpstreamOptions, handler: UpstreamStreamHandler): Cancelable | undefined;
  /** Connects to a host. The connection is the handler's alone. */
  openTcp(host: Host, options: UpstreamOptions, handler: UpstreamConnectionHandler): Cancelable | undefined;
}

/** Looks clusters up by name. */
export interface ClusterSource {
  get(name: string): Cluster | undefined;
}
