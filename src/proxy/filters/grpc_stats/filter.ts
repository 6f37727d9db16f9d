import type { Headers } from '../../../wire/headers.ts';
import { DataStatus, type FilterCallbacks, HeadersStatus, type HttpFilter, TrailersStatus } from '../../http/filter.ts';
import { GRPC_STATS, type GrpcMessageCounts } from '../../observe/filter-state.ts';
import { isGrpcRequest } from '../common/grpc.ts';
import { MessageCounter } from './message-counter.ts';
import type { GrpcCallStats, GrpcStatGroups } from './stats.ts';

export interface GrpcStatsConfig {
  readonly groups: GrpcStatGroups;
  readonly emitFilterState: boolean;
  readonly upstreamStats: boolean;
  readonly replaceDots: boolean;
  /** Methods that are counted apart: all, or `SERVICE/METHOD` of those that are. */
  readonly methods: 'all' | ReadonlySet<string>;
}

/** The messages of a call as they come. */
class Counts implements GrpcMessageCounts {
  readonly request = new MessageCounter();
  readonly response = new MessageCounter();

  get requestMessages(): number {
    return this.request.count;
  }

  get responseMessages(): number {
    return this.response.count;
  }
}

/** Counts calls of gRPC by their outcome, and the messages in them. Looks on only. */
export class GrpcStatsFilter implements HttpFilter {
  readonly #config: GrpcStatsConfig;
  readonly #callbacks: FilterCallbacks;
  #grpc = false;
  #stats: GrpcCallStats | undefined = undefined;
  #counts: Counts | undefined = undefined;

  constructor(config: GrpcStatsConfig, callbacks: FilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers): HeadersStatus {
    this.#grpc = isGrpcRequest(headers);
    if (this.#grpc) this.#stats = this.#statsFor(headers.path);
    return HeadersStatus.Continue;
  }

  #statsFor(path: string): GrpcCallStats | undefined {
    const { chosenCluster, clusters } = this.#callbacks;
    const cluster = chosenCluster && clusters.get(chosenCluster.name);
    if (cluster === undefined) return undefined;
    const { groups, methods, replaceDots } = this.#config;
    const [, service = '', method = '', more] = path.split(/[/?]/, 4);
    const named = service !== '' && method !== '' && (more === undefined || path.includes('?'));
    if (methods === 'all') {
      if (!named) return undefined;
    } else if (!named || !methods.has(`${service}/${method}`)) return groups.get(cluster.statName, '');
    return groups.get(cluster.statName, `${replaceDots ? service.replaceAll('.', '_') : service}.${method}`);
  }

  requestData(chunk: Uint8Array): DataStatus {
    if (this.#grpc) this.#stats?.count('request_message_count', this.#messages().request.receive(chunk));
    return DataStatus.Continue;
  }

  responseHeaders(headers: Headers, end: boolean): HeadersStatus {
    this.#countStatus(headers);
    if (end) this.#recordTime();
    return HeadersStatus.Continue;
  }

  responseData(chunk: Uint8Array): DataStatus {
    if (this.#grpc) this.#stats?.count('response_message_count', this.#messages().response.receive(chunk));
    return DataStatus.Continue;
  }

  responseTrailers(trailers: Headers): TrailersStatus {
    this.#countStatus(trailers);
    this.#recordTime();
    return TrailersStatus.Continue;
  }

  #countStatus(headers: Headers): void {
    const status = this.#stats && headers.get('grpc-status');
    if (status !== undefined && /^\d{1,10}$/.test(status)) this.#stats!.countStatus(String(Number(status)));
  }

  #recordTime(): void {
    if (!this.#config.upstreamStats || this.#stats === undefined) return;
    const { info, timers } = this.#callbacks;
    if (info.lastUpstreamByteSent >= 0) this.#stats.upstream_rq_time.record(timers.now() - info.lastUpstreamByteSent);
  }

  #messages(): Counts {
    if (this.#counts === undefined) {
      this.#counts = new Counts();
      if (this.#config.emitFilterState) this.#callbacks.info.setFilterState(GRPC_STATS, this.#counts);
    }
    return this.#counts;
  }
}
