import { Histogram } from '../observe/histogram.ts';
import { ResponseCodes } from '../observe/response-codes.ts';
import { StatGroup } from '../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set();

/** What is counted of the requests of one virtual cluster or of a route with a `stat_prefix` (Envoy's `vhost.NAME.`). */
export class RequestStats extends StatGroup {
  readonly gauges = GAUGES;
  readonly upstream_rq_time = new Histogram(true);
  upstream_rq_completed = 0;
  upstream_rq_retry = 0;
  upstream_rq_retry_limit_exceeded = 0;
  upstream_rq_retry_overflow = 0;
  upstream_rq_retry_success = 0;
  upstream_rq_timeout = 0;
  upstream_rq_total = 0;
  readonly #codes = new ResponseCodes();

  countResponse(status: number): void {
    this.upstream_rq_completed++;
    this.#codes.count(status);
  }

  override dynamic(): Iterable<readonly [string, number]> {
    return this.#codes.stats('');
  }

  override clearDynamic(): void {
    this.#codes.clear();
  }
}
