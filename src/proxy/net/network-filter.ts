import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { AccessLog as AccessLogProto } from '../../api/gen/envoy/config/accesslog/v3/accesslog_pb.ts';
import type { Filter as ClusterFilterProto } from '../../api/gen/envoy/config/cluster/v3/filter_pb.ts';
import type { DataSource } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { ClusterSource } from '../cluster/cluster.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { WorkerContext } from '../context.ts';
import type { AccessLog } from '../observe/access-log/access-log.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { CloseReason, Connection, ConnectionHandler } from './connection.ts';

export const NetworkStatus = {
  Continue: 0,
  /** The filters behind wait for `continueReading`; what the client sends is kept, within bounds. */
  Stop: 1,
  /** What is there stays until more has come; then this filter sees all of it again, or at the latest at the end. */
  NeedMore: 2,
} as const;
export type NetworkStatus = (typeof NetworkStatus)[keyof typeof NetworkStatus];

/** Bytes on their way through the filters: `start` to `end`. A filter that takes bytes from the front moves `start`. */
export interface NetworkData {
  readonly bytes: Buffer;
  start: number;
  readonly end: number;
}

/** A filter of one connection that looks at it before the last filter of the chain gets to. */
export interface NetworkFilter {
  onNewConnection?(): NetworkStatus;
  /** Called for the end as well, with no bytes. A filter that has seen enough may take it away from itself. */
  onData?: ((data: NetworkData, end: boolean) => NetworkStatus) | undefined;
  /** Called with more that came while this filter has stopped the connection, and which waits as well. */
  onHeldData?(data: NetworkData): void;
  /** Told what goes to the peer, before it goes, and that no more will. It is only lent. */
  onWrite?(bytes: Uint8Array, end: boolean): void;
  /** The connection is gone; its account is complete. */
  onClose?(reason: CloseReason): void;
}

/** What a network filter can do with its connection. */
export interface NetworkFilterCallbacks {
  readonly connection: Connection;
  /** The account of the connection as a whole. */
  readonly info: StreamInfo;
  readonly worker: WorkerContext;
  readonly clusters: ClusterSource;
  /** Lets a connection that this filter stopped go on. */
  continueReading(): void;
  /** Leaves bytes out of the account of the connection, which this filter exchanged with the peer's for itself. */
  exclude(received: number, sent: number): void;
}

export type NetworkFilterFactory = (
  | {
      readonly terminal: false;
      /** Undefined if this filter has nothing to do for the connection: it then costs nothing more. */
      create(callbacks: NetworkFilterCallbacks): NetworkFilter | undefined;
    }
  | {
      /** The last filter of a chain: from here on it owns the connection. */
      readonly terminal: true;
      create(callbacks: NetworkFilterCallbacks): ConnectionHandler;
      /** The connection ended before it came to this filter, whose access log tells of it all the same. */
      refused?(callbacks: NetworkFilterCallbacks): void;
    }
) & {
  /** Its configuration has not come yet (`config_discovery`): there are no connections until then. */
  readonly missing?: boolean;
  /** The configuration goes: lets go of subscriptions and the like. Connections that run keep what they have. */
  dispose?(): void;
};

/** What network filters get when they are compiled. */
export interface NetworkBuildContext {
  readonly worker: WorkerContext;
  readonly clusters: ClusterSource;
  readonly listener: ListenerFacts;
  /** The content of a DataSource, or undefined if it cannot be had, which is in the errors then. */
  readonly readData: (source: DataSource | undefined, errors: ConfigErrors) => Buffer | undefined;
  buildAccessLogs(protos: readonly AccessLogProto[], errors: ConfigErrors): AccessLog[];
  /** A file for lines in a format of the filter's own. */
  openLog(path: string): { write(text: string): void };
  /** What has to be there before the listener may take connections, such as routes that RDS sends. */
  readonly waitFor: (pending: InitTarget) => void;
}

/** Makes a filter of each connection of a cluster (`Cluster.filters`). */
export interface UpstreamFilterFactory {
  /** The connection is established. Undefined if the filter has nothing to do for it: it then costs nothing more. */
  create(connection: Connection): NetworkFilter | undefined;
}

/** Compiles `Cluster.filters`; what is wrong goes to the errors. */
export type UpstreamFilterBuilder = (
  protos: readonly ClusterFilterProto[],
  errors: ConfigErrors,
) => readonly UpstreamFilterFactory[];

/** What the filters of a cluster's connections get when they are compiled. */
export interface UpstreamBuildContext {
  readonly worker: WorkerContext;
}

/** Something that a listener waits for when it comes up. */
export interface InitTarget {
  /** Calls back once, maybe at once. */
  whenReady(callback: () => void): void;
}

export interface ListenerFacts {
  readonly name: string;
  /** `listener.ADDRESS.`: what the names of its statistics begin with. */
  readonly statPrefix: string;
  readonly direction: 'inbound' | 'outbound' | 'unspecified';
  readonly bufferLimit: number;
  /** Metadata of the listener, for filters that read it. */
  readonly metadata: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  /** Whether its connections are to end while the server is told to fail health checks (`drain_type`). */
  readonly drainsWhenUnhealthy: boolean;
  /** Set while the listener drains: connections are to end when they can. */
  readonly drain: DrainSignal;
}

/** Tells connections that their listener, or their filter chain, is going away. */
export interface DrainSignal {
  readonly draining: boolean;
  /**
   * Whether the process is to end, and connections that nobody uses end at once. Otherwise a client may be about to use
   * one, and there is time to tell it with the next response.
   */
  readonly urgent: boolean;
  /** Called when draining begins, and when it becomes urgent; the returned function unsubscribes. */
  onDrain(listener: () => void): () => void;
}

/** One kind of network filter; a folder under `proxy/filters` and one line in its list. */
export interface NetworkFilterDefinition<Config extends Message = Message> {
  readonly name: string;
  readonly schema: DescMessage;
  readonly supported: Readonly<Record<string, readonly string[]>>;
  compile(config: Config, context: NetworkBuildContext, errors: ConfigErrors): NetworkFilterFactory;
  /** For filters that connections to upstreams may have as well (`Cluster.filters`). */
  compileUpstream?(config: Config, context: UpstreamBuildContext, errors: ConfigErrors): UpstreamFilterFactory;
}
