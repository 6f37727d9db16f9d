import {
  RateLimitResponse_Code as Code,
  type RateLimitResponse,
} from '../../../api/gen/envoy/service/ratelimit/v3/rls_pb.ts';
import type { Cancelable } from '../../cluster/cluster.ts';
import { type NetworkFilter, type NetworkFilterCallbacks, NetworkStatus } from '../../net/network-filter.ts';
import { StatGroup } from '../../observe/stats.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import type { RateLimitDescriptor } from '../../router/rate-limits.ts';
import type { RateLimitService } from '../ratelimit/service.ts';

const GAUGES: ReadonlySet<string> = new Set(['active']);

/** Statistics under `ratelimit.STAT_PREFIX.`. */
export class NetworkRateLimitStats extends StatGroup {
  readonly gauges = GAUGES;
  active = 0;
  cx_closed = 0;
  error = 0;
  failure_mode_allowed = 0;
  ok = 0;
  over_limit = 0;
  total = 0;
}

export type DescriptorMaker = (info: StreamInfo) => RateLimitDescriptor;

export interface NetworkRateLimitConfig {
  readonly stats: NetworkRateLimitStats;
  readonly service: RateLimitService;
  readonly domain: string;
  readonly descriptors: readonly DescriptorMaker[];
  readonly failureModeDeny: boolean;
}

const NAMESPACE = 'envoy.filters.network.ratelimit';

/** Asks a rate limit service about each new connection, before anything behind knows of it. */
export class NetworkRateLimitFilter implements NetworkFilter {
  readonly #config: NetworkRateLimitConfig;
  readonly #callbacks: NetworkFilterCallbacks;
  #phase: 'idle' | 'asking' | 'over' = 'idle';
  #call: Cancelable | undefined = undefined;
  #withinCall = false;
  #passes = false;

  constructor(config: NetworkRateLimitConfig, callbacks: NetworkFilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }

  onNewConnection(): NetworkStatus {
    const { stats, service, domain, descriptors } = this.#config;
    const { info } = this.#callbacks;
    stats.total++;
    stats.active++;
    this.#phase = 'asking';
    this.#withinCall = true;
    const asked = descriptors.map((make) => make(info));
    const call = service.ask(domain, asked, info, (response) => this.#answered(response));
    this.#withinCall = false;
    if (this.#phase === 'asking') this.#call = call;
    return this.#passes ? NetworkStatus.Continue : NetworkStatus.Stop;
  }

  #answered(response: RateLimitResponse | undefined): void {
    const { stats, failureModeDeny } = this.#config;
    const { connection, info } = this.#callbacks;
    this.#phase = 'over';
    this.#call = undefined;
    stats.active--;
    const over = response?.overallCode === Code.OVER_LIMIT;
    if (response === undefined) stats.error++;
    else if (over) stats.over_limit++;
    else stats.ok++;
    const metadata = response?.dynamicMetadata;
    if (metadata !== undefined && Object.keys(metadata).length > 0) info.setDynamicMetadata(NAMESPACE, metadata);
    if (over || (response === undefined && failureModeDeny)) {
      stats.cx_closed++;
      connection.close('ratelimit_close');
      return;
    }
    if (response === undefined) stats.failure_mode_allowed++;
    this.#passes = true;
    if (!this.#withinCall) this.#callbacks.continueReading();
  }

  onClose(): void {
    if (this.#phase === 'asking') this.#config.stats.active--;
    this.#phase = 'over';
    this.#call?.cancel();
  }
}
