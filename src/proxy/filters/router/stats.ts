import { type AbsentStats, StatGroup } from '../../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set();

const ABSENT: AbsentStats = { counters: ['rq_overload_local_reply', 'rq_redirect'] };

/** Statistics of the router filter (Envoy's `http.STAT_PREFIX.`). */
export class RouterStats extends StatGroup {
  readonly gauges = GAUGES;
  override readonly absent = ABSENT;
  no_route = 0;
  no_cluster = 0;
  passthrough_internal_redirect_bad_location = 0;
  passthrough_internal_redirect_no_route = 0;
  passthrough_internal_redirect_predicate = 0;
  passthrough_internal_redirect_too_many_redirects = 0;
  passthrough_internal_redirect_unsafe_scheme = 0;
  rq_direct_response = 0;
  rq_reset_after_downstream_response_started = 0;
  rq_total = 0;
}
