import { type AbsentStats, StatGroup } from '../../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set();
const ABSENT: AbsentStats = {
  counters: [
    'filter_state_name_collision',
    'omitted_response_headers',
    'request_header_limits_reached',
    'response_header_limits_reached',
    'shadow_denied',
    'shadow_error',
  ],
};

/** Statistics of the filter (Envoy's `http.STAT_PREFIX.ext_authz.`). */
export class ExtAuthzStats extends StatGroup {
  readonly gauges = GAUGES;
  ok = 0;
  denied = 0;
  error = 0;
  disabled = 0;
  failure_mode_allowed = 0;
  invalid = 0;
  ignored_dynamic_metadata = 0;
  override readonly absent = ABSENT;
}
