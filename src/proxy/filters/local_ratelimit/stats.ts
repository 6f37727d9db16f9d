import { type AbsentStats, StatGroup } from '../../observe/stats.ts';

const ABSENT: AbsentStats = { counters: ['shadow_mode'] };

/** Statistics under `STAT_PREFIX.http_local_rate_limit.`. */
export class LocalRateLimitStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set();
  enabled = 0;
  enforced = 0;
  ok = 0;
  rate_limited = 0;
  override readonly absent = ABSENT;
}
