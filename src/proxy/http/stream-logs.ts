import type { AccessLog } from '../observe/access-log/access-log.ts';
import type { LogType, StreamInfo } from '../observe/stream-info.ts';
import type { Timer, Timers } from '../timers.ts';

/** When streams are logged besides at their end (`access_log_options`). */
export interface LogOccasions {
  /** Requests are logged when they begin, too. */
  readonly onNewRequest: boolean;
  /** And every so many milliseconds; 0 for never. */
  readonly intervalMs: number;
  /** And tunnels when they stand. */
  readonly onTunnelEstablished: boolean;
}

/** The access logs of one stream. */
export class StreamLogs {
  readonly #logs: readonly AccessLog[];
  readonly #occasions: LogOccasions;
  readonly #info: StreamInfo;
  readonly #timers: Timers;
  #timer: Timer | undefined = undefined;

  constructor(logs: readonly AccessLog[], occasions: LogOccasions, info: StreamInfo, timers: Timers) {
    this.#logs = logs;
    this.#occasions = occasions;
    this.#info = info;
    this.#timers = timers;
    if (occasions.intervalMs > 0) this.#arm();
  }

  #arm(): void {
    this.#timer = this.#timers.start(this.#occasions.intervalMs, () => {
      this.#log('DownstreamPeriodic');
      this.#arm();
    });
  }

  /** The route is known, and the filters are about to see the request. */
  requestBegins(): void {
    if (this.#occasions.onNewRequest) this.#log('DownstreamStart');
  }

  tunnelEstablished(): void {
    if (this.#occasions.onTunnelEstablished) this.#log('DownstreamTunnelSuccessfullyEstablished');
  }

  streamEnds(): void {
    this.#timer?.cancel();
    this.#log('DownstreamEnd');
  }

  #log(type: LogType): void {
    this.#info.logType = type;
    for (const log of this.#logs) log.log(this.#info);
  }
}
