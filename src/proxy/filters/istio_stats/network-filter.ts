import { type NetworkFilter, type NetworkFilterCallbacks, NetworkStatus } from '../../net/network-filter.ts';
import { DOWNSTREAM_PEER, NO_PEER, UPSTREAM_PEER } from '../../observe/filter-state.ts';
import { formatFlags } from '../../observe/response-flags.ts';
import type { Timer } from '../../timers.ts';
import type { ConnectionSeries } from './buckets.ts';
import type { IstioStatsConfig } from './config.ts';

/** Counts a TCP connection and its bytes while it is open, as soon as it is known whose it is, and at its end. */
export class IstioStatsNetworkFilter implements NetworkFilter {
  readonly #config: IstioStatsConfig;
  readonly #callbacks: NetworkFilterCallbacks;
  #timer: Timer | undefined = undefined;
  #series: ConnectionSeries | undefined = undefined;
  /** What the expressions came to when the connection was first counted. */
  #values: readonly string[] = [];
  /** Bytes that have been counted. */
  #sent = 0;
  #received = 0;

  constructor(config: IstioStatsConfig, callbacks: NetworkFilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }

  onNewConnection(): NetworkStatus {
    this.#reportLater();
    return NetworkStatus.Continue;
  }

  #reportLater(): void {
    const { reportMs } = this.#config;
    if (reportMs <= 0) return;
    this.#timer = this.#callbacks.worker.timers.start(reportMs, () => {
      if (this.#series !== undefined || this.#peerKnown()) this.#report();
      this.#reportLater();
    });
  }

  /** What the filters of the upstream connection know counts where the peer is the upstream. */
  get #upstreamState(): ReadonlyMap<string, unknown> | undefined {
    return this.#config.reporter === 'source' ? this.#callbacks.info.upstreamConnection?.filterState : undefined;
  }

  #peerKnown(): boolean {
    const { info } = this.#callbacks;
    const state = this.#upstreamState;
    const has = (name: string) => (state ? state.has(name) : info.getFilterState(name) !== undefined);
    return has(this.#config.reporter === 'source' ? UPSTREAM_PEER : DOWNSTREAM_PEER) || has(NO_PEER);
  }

  #report(): ConnectionSeries {
    const { info, clusters } = this.#callbacks;
    let series = this.#series;
    if (series === undefined) {
      const bucket = this.#config.peers.resolve(info, clusters, this.#upstreamState);
      this.#values = this.#config.values(info);
      this.#series = series = bucket.connections(formatFlags(info.flags, true), this.#values);
      if (series.opened) series.opened.value++;
    }
    if (series.sent) series.sent.value += info.bytesSent - this.#sent;
    if (series.received) series.received.value += info.bytesReceived - this.#received;
    this.#sent = info.bytesSent;
    this.#received = info.bytesReceived;
    return series;
  }

  onClose(): void {
    this.#timer?.cancel();
    const { closed } = this.#report();
    if (closed) closed.value++;
    if (this.#values.length > 0) this.#config.recordCustom(this.#values);
  }
}
