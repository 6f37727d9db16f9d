import { StatGroup } from '../../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set();

/** Statistics of the JWT filter (Envoy's `http.STAT_PREFIX.jwt_authn.`). */
export class JwtStats extends StatGroup {
  readonly gauges = GAUGES;
  allowed = 0;
  cors_preflight_bypassed = 0;
  denied = 0;
  jwks_fetch_failed = 0;
  jwks_fetch_success = 0;
  jwt_cache_hit = 0;
  jwt_cache_miss = 0;
}
