import type { Headers } from '../../../wire/headers.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter } from '../../http/filter.ts';
import {
  DOWNSTREAM_PEER,
  GRPC_STATS,
  type GrpcMessageCounts,
  NO_PEER,
  UPSTREAM_PEER,
} from '../../observe/filter-state.ts';
import { formatFlags } from '../../observe/response-flags.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import type { Timer } from '../../timers.ts';
import { isGrpcRequest } from '../common/grpc.ts';
import type { PeerBucket } from './buckets.ts';
import type { IstioStatsConfig } from './config.ts';

/** Counts a request when it is over, and the messages of a gRPC call while it runs. */
export class IstioStatsHttpFilter implements HttpFilter {
  readonly #config: IstioStatsConfig;
  readonly #callbacks: FilterCallbacks;
  #grpc = false;
  #timer: Timer | undefined = undefined;
  #bucket: PeerBucket | undefined = undefined;
  /** Messages that have been counted. */
  #requestMessages = 0;
  #responseMessages = 0;

  constructor(config: IstioStatsConfig, callbacks: FilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers): HeadersStatus {
    this.#grpc = isGrpcRequest(headers);
    if (this.#grpc) this.#reportLater();
    return HeadersStatus.Continue;
  }

  #reportLater(): void {
    const { reportMs } = this.#config;
    if (reportMs <= 0) return;
    this.#timer = this.#callbacks.timers.start(reportMs, () => {
      if (this.#bucket !== undefined || this.#peerKnown()) this.#countMessages();
      this.#reportLater();
    });
  }

  #peerKnown(): boolean {
    const { info } = this.#callbacks;
    const key = this.#config.reporter === 'source' ? UPSTREAM_PEER : DOWNSTREAM_PEER;
    return info.getFilterState(key) !== undefined || info.getFilterState(NO_PEER) !== undefined;
  }

  #peers(): PeerBucket {
    const { info, clusters } = this.#callbacks;
    return (this.#bucket ??= this.#config.peers.resolve(info, clusters));
  }

  #countMessages(): void {
    const counts = this.#callbacks.info.getFilterState(GRPC_STATS) as GrpcMessageCounts | undefined;
    if (counts === undefined) return;
    const { request, response } = this.#peers().messages(this.#config.values(this.#callbacks.info));
    if (request) request.value += counts.requestMessages - this.#requestMessages;
    if (response) response.value += counts.responseMessages - this.#responseMessages;
    this.#requestMessages = counts.requestMessages;
    this.#responseMessages = counts.responseMessages;
  }

  onComplete(): void {
    const { info } = this.#callbacks;
    this.#timer?.cancel();
    if (this.#grpc) this.#countMessages();
    const status = this.#grpc ? grpcStatus(info) : '';
    const values = this.#config.values(info);
    const series = this.#peers().requests(this.#grpc, info.responseCode, status, formatFlags(info.flags), values);
    if (series.requests) series.requests.value++;
    series.duration?.value.record(info.end - info.start);
    series.requestBytes?.value.record(info.requestHeaderBytes + info.bytesReceived);
    series.responseBytes?.value.record(info.responseHeaderBytes + info.bytesSent);
    if (values.length > 0) this.#config.recordCustom(values);
  }

  destroy(): void {
    this.#timer?.cancel();
  }
}

/** `grpc_response_status`: what the trailers say, or the headers of a response without body. */
function grpcStatus({ responseTrailers, responseHeaders }: StreamInfo): string {
  const text = responseTrailers?.get('grpc-status') ?? responseHeaders?.get('grpc-status') ?? '';
  return /^\d{1,10}$/.test(text) ? String(Number(text)) : '';
}
