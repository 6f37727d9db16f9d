import { StatGroup } from '../../observe/stats.ts';

/** Statistics under `STAT_PREFIX.http_local_rate_limit.`. */
export class LocalRateLimitStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set();
  enabled = 0;
  enforced = 0;
  ok = 0;
  rate_limited = 0;
  shadow_mode = 0;
}
