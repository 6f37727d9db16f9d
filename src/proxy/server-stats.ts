import { Histogram } from './observe/histogram.ts';
import { type AbsentStats, StatGroup, type StatsStore } from './observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set([
  'concurrency',
  'days_until_first_cert_expiring',
  'hot_restart_epoch',
  'live',
  'memory_allocated',
  'memory_heap_size',
  'memory_physical_size',
  'parent_connections',
  'seconds_until_first_ocsp_response_expiring',
  'state',
  'stats_recent_lookups',
  'total_connections',
  'uptime',
  'version',
]);

/** Watchdogs, flushes of statistics and what else this runtime does not have. */
const ABSENT: AbsentStats = {
  counters: [
    'dropped_stat_flushes',
    'envoy_notifications',
    'main_thread.watchdog_mega_miss',
    'main_thread.watchdog_miss',
    'worker_0.watchdog_mega_miss',
    'worker_0.watchdog_miss',
  ],
  gauges: ['compilation_settings.fips_mode'],
};

/** Statistics of the process (Envoy's `server.`). */
export class ServerStats extends StatGroup {
  readonly gauges = GAUGES;
  override readonly absent = ABSENT;
  readonly initialization_time_ms = new Histogram();
  concurrency = 1;
  days_until_first_cert_expiring = 0;
  debug_assertion_failures = 0;
  dynamic_unknown_fields = 0;
  envoy_bug_failures = 0;
  hot_restart_epoch = 0;
  live = 0;
  memory_allocated = 0;
  memory_heap_size = 0;
  memory_physical_size = 0;
  parent_connections = 0;
  seconds_until_first_ocsp_response_expiring = 0;
  state = 0;
  static_unknown_fields = 0;
  stats_recent_lookups = 0;
  total_connections = 0;
  uptime = 0;
  version = 0;
  wip_protos = 0;

  show(store: StatsStore): void {
    store.add('server.', this);
  }
}
