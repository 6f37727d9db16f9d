import { GrpcClientCall } from '../../wire/grpc/client.ts';
import { type GrpcCall, type GrpcCallHandler, GrpcCode, type GrpcTransport } from '../../wire/grpc/transport.ts';
import type { Headers } from '../../wire/headers.ts';
import type { MessageError, OutgoingStream, ResetReason, StreamHandler } from '../../wire/http.ts';
import { ANY_HOST } from '../cluster/any-host.ts';
import type { Cancelable, ClusterSource, UpstreamOptions, UpstreamStreamHandler } from '../cluster/cluster.ts';

const OPTIONS: UpstreamOptions = {
  priority: 'default',
  downstreamProtocol: 'HTTP/2',
  alpn: undefined,
  sni: undefined,
  subjectAltNames: undefined,
};

/** Envoy has no limit, and the clusters of a large mesh come in one message: this one is against a server gone mad. */
const MAX_MESSAGE = 512 * 1024 * 1024;

export interface ClusterTransportOptions {
  /** `envoy_grpc.authority`; the cluster's name unless told. */
  readonly authority?: string;
  /** Metadata of every call, from `initial_metadata`. */
  readonly metadata?: readonly (readonly [string, string])[];
  readonly timeoutMs?: number;
}

/** gRPC through a cluster of this proxy (Envoy's `envoy_grpc`): its endpoints, TLS and statistics hold for the calls. */
export class ClusterGrpcTransport implements GrpcTransport {
  readonly #clusters: ClusterSource;
  readonly #clusterName: string;
  readonly #options: ClusterTransportOptions;

  constructor(clusters: ClusterSource, clusterName: string, options: ClusterTransportOptions = {}) {
    this.#clusters = clusters;
    this.#clusterName = clusterName;
    this.#options = options;
  }

  call(path: string, metadata: readonly (readonly [string, string])[], handler: GrpcCallHandler): GrpcCall {
    const call = new GrpcClientCall(
      {
        path,
        authority: this.#options.authority ?? this.#clusterName,
        scheme: 'http',
        metadata: [...(this.#options.metadata ?? []), ...metadata],
        timeout: this.#options.timeoutMs,
        maxMessageSize: MAX_MESSAGE,
      },
      handler,
    );
    const cluster = this.#clusters.get(this.#clusterName);
    const host = cluster?.pick(ANY_HOST);
    if (cluster === undefined || host === undefined) {
      const message =
        cluster === undefined ? `no cluster ${this.#clusterName}` : `no healthy upstream in ${this.#clusterName}`;
      queueMicrotask(() => call.fail({ code: GrpcCode.Unavailable, message }));
      return call;
    }
    const bridge = new Bridge(call);
    bridge.waiting = cluster.openHttp(host, OPTIONS, bridge);
    return new CancelableCall(call, bridge);
  }
}

/** Brings the events of an upstream stream to the call. */
class Bridge implements UpstreamStreamHandler {
  readonly #call: GrpcClientCall;
  #inner: StreamHandler | undefined = undefined;
  waiting: Cancelable | undefined = undefined;

  constructor(call: GrpcClientCall) {
    this.#call = call;
  }

  onReady(stream: OutgoingStream): void {
    this.waiting = undefined;
    this.#call.start((handler) => {
      this.#inner = handler;
      return stream;
    });
  }

  onFailure(reason: ResetReason, details: string): void {
    this.waiting = undefined;
    this.#call.fail({ code: GrpcCode.Unavailable, message: `${reason}${details ? `: ${details}` : ''}` });
  }

  onHeaders(headers: Headers, end: boolean): void {
    this.#inner?.onHeaders(headers, end);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    this.#inner?.onData(chunk, end);
  }

  onTrailers(trailers: Headers): void {
    this.#inner?.onTrailers(trailers);
  }

  onReset(reason: ResetReason, details: string): void {
    this.#inner?.onReset(reason, details);
  }

  onError(error: MessageError): void {
    this.#inner?.onError(error);
  }

  onWriteBackpressure(high: boolean): void {
    this.#inner?.onWriteBackpressure(high);
  }
}

/** A call that may still wait for its connection when it is cancelled. */
class CancelableCall implements GrpcCall {
  readonly #call: GrpcClientCall;
  readonly #bridge: Bridge;

  constructor(call: GrpcClientCall, bridge: Bridge) {
    this.#call = call;
    this.#bridge = bridge;
  }

  get bufferedBytes(): number {
    return this.#call.bufferedBytes;
  }

  send(message: Uint8Array): void {
    this.#call.send(message);
  }

  end(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#bridge.waiting?.cancel();
    this.#call.cancel();
  }
}
