import { type AbsentStats, StatGroup } from '../../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set();

const ABSENT: AbsentStats = {
  counters: [
    'passthrough_internal_redirect_bad_location',
    'passthrough_internal_redirect_no_route',
    'passthrough_internal_redirect_predicate',
    'passthrough_internal_redirect_too_many_redirects',
    'passthrough_internal_redirect_unsafe_scheme',
    'rq_overload_local_reply',
  ],
};

/** Statistics of the router filter (Envoy's `http.STAT_PREFIX.`). */
export class RouterStats extends StatGroup {
  readonly gauges = GAUGES;
  override readonly absent = ABSENT;
  no_route = 0;
  no_cluster = 0;
  rq_direct_response = 0;
  rq_redirect = 0;
  rq_reset_after_downstream_response_started = 0;
  rq_retry_skipped_request_not_complete = 0;
  rq_total = 0;
}
