import type { Headers } from '../../../wire/headers.ts';
import { DataStatus, type FilterCallbacks, HeadersStatus, type HttpFilter, TrailersStatus } from '../../http/filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import type { Timer } from '../../timers.ts';
import { ResponseRateLimiter } from './rate-limiter.ts';
import type { Abort, Fault, FaultSettings } from './settings.ts';
import type { FaultStats } from './stats.ts';

/** Delays requests, answers them with an error, and slows responses down, for those that are to see how that is. */
export class FaultFilter implements HttpFilter {
  readonly #stats: FaultStats;
  readonly #settings: FaultSettings;
  readonly #bufferLimit: number;
  readonly #callbacks: FilterCallbacks;
  #downstreamCluster = '';
  #active = false;
  #timer: Timer | undefined = undefined;
  #limiter: ResponseRateLimiter | undefined = undefined;

  constructor(stats: FaultStats, settings: FaultSettings, bufferLimit: number, callbacks: FilterCallbacks) {
    this.#stats = stats;
    this.#settings = settings;
    this.#bufferLimit = bufferLimit;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers): HeadersStatus {
    if (!this.#isMeant(headers)) return HeadersStatus.Continue;
    if (this.#settings.countByCluster) {
      this.#downstreamCluster = headers.get('x-envoy-downstream-service-cluster') ?? '';
    }
    this.#limitResponse(headers);
    if (this.#delay(headers) || this.#abort(headers)) return HeadersStatus.StopAll;
    return HeadersStatus.Continue;
  }

  #isMeant(headers: Headers): boolean {
    const { upstreamCluster, downstreamNodes } = this.#settings;
    if (upstreamCluster !== '' && this.#callbacks.chosenCluster?.name !== upstreamCluster) return false;
    if (downstreamNodes.size > 0 && !downstreamNodes.has(headers.get('x-envoy-downstream-service-node') ?? '')) {
      return false;
    }
    return this.#settings.headers.every((test) => test(headers));
  }

  /** What a fault does to this request, or undefined if it is not among those that get it. */
  #drawn<T>(fault: Fault<T> | undefined, headers: Headers): T | undefined {
    const share = fault?.share(headers, this.#downstreamCluster) ?? 0;
    if (share <= 0 || (share < 1 && this.#callbacks.random() >= share)) return undefined;
    return fault!.value(headers, this.#downstreamCluster);
  }

  /** A request with several faults counts once; false if there are too many already. */
  #count(): boolean {
    const stats = this.#stats;
    if (!this.#active) {
      if (stats.active_faults >= this.#settings.maxActiveFaults()) {
        stats.faults_overflow++;
        return false;
      }
      this.#active = true;
      stats.active_faults++;
    }
    return true;
  }

  #note(flag: number): void {
    const { info } = this.#callbacks;
    info.flags |= flag;
    info.setDynamicMetadata('envoy.filters.http.fault', this.#settings.metadata);
  }

  #limitResponse(headers: Headers): void {
    const kbps = this.#drawn(this.#settings.rateLimit, headers);
    if (kbps === undefined || !this.#count()) return;
    this.#stats.response_rl_injected++;
    this.#limiter = new ResponseRateLimiter(kbps, this.#bufferLimit, this.#callbacks);
  }

  #delay(headers: Headers): boolean {
    const ms = this.#drawn(this.#settings.delay, headers);
    if (ms === undefined || ms === 0 || !this.#count()) return false;
    this.#stats.delays_injected++;
    if (this.#downstreamCluster !== '') this.#stats.countFor(this.#downstreamCluster, 'delays_injected');
    this.#note(ResponseFlag.DelayInjected);
    this.#timer = this.#callbacks.timers.start(ms, () => {
      if (!this.#abort(headers)) this.#callbacks.continueRequest();
    });
    return true;
  }

  #abort(headers: Headers): boolean {
    const abort: Abort | undefined = this.#drawn(this.#settings.abort, headers);
    if (abort === undefined || !this.#count()) return false;
    this.#stats.aborts_injected++;
    if (this.#downstreamCluster !== '') this.#stats.countFor(this.#downstreamCluster, 'aborts_injected');
    this.#note(ResponseFlag.FaultInjected);
    this.#callbacks.sendLocalReply({
      status: abort.status,
      body: 'fault filter abort',
      details: 'fault_filter_abort',
      grpcStatus: abort.grpcStatus,
    });
    return true;
  }

  responseData(chunk: Uint8Array, end: boolean): DataStatus {
    if (this.#limiter === undefined) return DataStatus.Continue;
    this.#limiter.data(chunk, end);
    return DataStatus.StopNoBuffer;
  }

  responseTrailers(): TrailersStatus {
    return this.#limiter?.trailers() ? TrailersStatus.Stop : TrailersStatus.Continue;
  }

  destroy(): void {
    this.#timer?.cancel();
    this.#limiter?.destroy();
    if (this.#active) this.#stats.active_faults--;
  }
}
