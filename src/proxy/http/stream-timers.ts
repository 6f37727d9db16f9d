import { GrpcCode } from '../../wire/grpc/transport.ts';
import type { Timer, Timers } from '../timers.ts';
import type { HcmConfig } from './config.ts';
import type { LocalReply } from './filter.ts';

const REQUEST_TIMEOUT: LocalReply = { status: 408, body: 'request timeout', details: 'request_overall_timeout' };
const HEADERS_TIMEOUT: LocalReply = { status: 408, body: 'request header timeout', details: 'request_header_timeout' };
/** For a request that is still coming; one that is here as a whole gets 504. */
const DURATION_TIMEOUT: LocalReply = {
  status: 408,
  body: 'downstream duration timeout',
  details: 'max_duration_timeout',
  grpcStatus: GrpcCode.DeadlineExceeded,
};
const DURATION_TIMEOUT_ANSWER: LocalReply = { ...DURATION_TIMEOUT, status: 504 };

/** The stream whose time is measured. */
export interface TimedStream {
  /** Nothing has moved for the whole of the idle timeout. */
  onIdleTimeout(): void;
  sendLocalReply(reply: LocalReply): void;
}

/** What the stream timers take from the configuration: limits in milliseconds, 0 for none, and what counts them. */
export type StreamTimerConfig = Pick<
  HcmConfig,
  'streamIdleTimeoutMs' | 'requestTimeoutMs' | 'requestHeadersTimeoutMs' | 'maxStreamDurationMs'
> & {
  readonly stats: Pick<
    HcmConfig['stats'],
    | 'downstream_rq_idle_timeout'
    | 'downstream_rq_timeout'
    | 'downstream_rq_header_timeout'
    | 'downstream_rq_max_duration_reached'
  >;
};

/**
 * The time limits of one stream (Envoy's `stream_idle_timeout`, `request_timeout`, `request_headers_timeout` and
 * `max_stream_duration`). All but the idle timeout answer by themselves; all are counted here.
 */
export class StreamTimers {
  readonly #stream: TimedStream;
  readonly #timers: Timers;
  readonly #stats: StreamTimerConfig['stats'];
  #requestEnded = false;
  #idleMs = 0;
  #lastActivity = 0;
  #idle: Timer | undefined = undefined;
  #request: Timer | undefined = undefined;
  #headers: Timer | undefined = undefined;
  #duration: Timer | undefined = undefined;

  /** Starts the limits that are configured. */
  constructor(stream: TimedStream, timers: Timers, config: StreamTimerConfig) {
    const { stats, streamIdleTimeoutMs, requestTimeoutMs, requestHeadersTimeoutMs, maxStreamDurationMs } = config;
    this.#stream = stream;
    this.#timers = timers;
    this.#stats = stats;
    if (streamIdleTimeoutMs > 0) this.setIdleTimeout(streamIdleTimeoutMs);
    if (requestTimeoutMs > 0) {
      this.#request = timers.start(requestTimeoutMs, () => {
        stats.downstream_rq_timeout++;
        stream.sendLocalReply(REQUEST_TIMEOUT);
      });
    }
    if (requestHeadersTimeoutMs > 0) {
      this.#headers = timers.start(requestHeadersTimeoutMs, () => {
        stats.downstream_rq_header_timeout++;
        stream.sendLocalReply(HEADERS_TIMEOUT);
      });
    }
    if (maxStreamDurationMs > 0) this.setMaxDuration(maxStreamDurationMs);
  }

  /** `max_stream_duration`: the stream ends `ms` from now, whatever happens; never for undefined. */
  setMaxDuration(ms: number | undefined): void {
    this.#duration?.cancel();
    if (ms === undefined) return;
    this.#duration = this.#timers.start(ms, () => {
      this.#stats.downstream_rq_max_duration_reached++;
      this.#stream.sendLocalReply(this.#requestEnded ? DURATION_TIMEOUT_ANSWER : DURATION_TIMEOUT);
    });
  }

  /** Nothing may be still for longer than `ms`, from now on; 0 for ever. */
  setIdleTimeout(ms: number): void {
    this.#idle?.cancel();
    this.#idle = undefined;
    if (ms <= 0) return;
    this.#idleMs = ms;
    this.#lastActivity = this.#timers.now();
    this.#armIdle(ms);
  }

  /** A timer is not moved each time that something moves: when it fires, it looks how long that has been. */
  #armIdle(ms: number): void {
    this.#idle = this.#timers.start(ms, () => {
      const left = this.#lastActivity + this.#idleMs - this.#timers.now();
      if (left > 0) {
        this.#armIdle(left);
        return;
      }
      this.#stats.downstream_rq_idle_timeout++;
      this.#stream.onIdleTimeout();
    });
  }

  /** Something moved in the stream. */
  touch(): void {
    if (this.#idle !== undefined) this.#lastActivity = this.#timers.now();
  }

  /** The headers of the request are here. */
  headersCame(): void {
    this.#headers?.cancel();
  }

  /** The request is here as a whole. */
  requestEnded(): void {
    this.#requestEnded = true;
    this.#request?.cancel();
  }

  /** The stream is over. */
  cancel(): void {
    this.#idle?.cancel();
    this.#request?.cancel();
    this.#headers?.cancel();
    this.#duration?.cancel();
  }
}
