import type { Host, OutcomeSink } from '../host.ts';
import type { EjectionReason, OutlierConfig } from './config.ts';
import { SuccessRate } from './success-rate.ts';

/** Told when one host has failed so often in a row that a rule applies. */
export type OnConsecutive = (monitor: HostMonitor, reason: EjectionReason) => void;

/** What outlier detection knows of one host. */
export class HostMonitor implements OutcomeSink {
  readonly host: Host;
  /** Rates of success of the host's answers, and of connecting to it where that is counted apart. */
  readonly external = new SuccessRate();
  readonly local = new SuccessRate();
  /** How many times in a row it was ejected, which is how many times the base time it stays so. */
  multiplier = 0;
  ejections = 0;
  /** Milliseconds of the worker's clock; -1 if never. */
  lastEjection = -1;
  lastUnejection = -1;
  jitterMs = 0;
  readonly #config: OutlierConfig;
  readonly #onConsecutive: OnConsecutive;
  #in5xx = 0;
  #inGatewayFailures = 0;
  #inLocalFailures = 0;

  constructor(host: Host, config: OutlierConfig, onConsecutive: OnConsecutive) {
    this.host = host;
    this.#config = config;
    this.#onConsecutive = onConsecutive;
  }

  httpResponse(status: number): void {
    this.external.total++;
    if (status < 500) {
      this.external.successes++;
      this.#in5xx = 0;
      this.#inGatewayFailures = 0;
      return;
    }
    const { consecutive5xx, consecutiveGatewayFailure } = this.#config;
    if (status >= 502 && status <= 504) {
      if (++this.#inGatewayFailures === consecutiveGatewayFailure)
        this.#onConsecutive(this, 'consecutive_gateway_failure');
    } else this.#inGatewayFailures = 0;
    if (++this.#in5xx === consecutive5xx) this.#onConsecutive(this, 'consecutive_5xx');
  }

  localOrigin(result: 'success' | 'connect-failed' | 'timeout' | 'reset'): void {
    if (!this.#config.splitLocalOrigin) {
      // What went wrong here counts as the answer that a gateway would have given for it.
      if (result !== 'success') this.httpResponse(result === 'timeout' ? 504 : 503);
      return;
    }
    this.local.total++;
    if (result === 'success') {
      this.local.successes++;
      this.#inLocalFailures = 0;
    } else if (++this.#inLocalFailures === this.#config.consecutiveLocalOriginFailure) {
      this.#onConsecutive(this, 'consecutive_local_origin_failure');
    }
  }

  connectionOutcome(result: 'success' | 'connect-failed' | 'timeout'): void {
    if (this.#config.splitLocalOrigin || result !== 'success') this.localOrigin(result);
    else this.httpResponse(200);
  }

  /** Starts counting one rule anew: it has just been applied. */
  reset(reason: EjectionReason): void {
    if (reason === 'consecutive_5xx') this.#in5xx = 0;
    else if (reason === 'consecutive_gateway_failure') this.#inGatewayFailures = 0;
    else if (reason === 'consecutive_local_origin_failure') this.#inLocalFailures = 0;
  }

  /** The host is back: a single failure must not send it away again. */
  resetAll(): void {
    this.#in5xx = 0;
    this.#inGatewayFailures = 0;
    this.#inLocalFailures = 0;
  }
}
