import type { AcquireStats } from '../../observe/stat-leases.ts';
import { StatGroup } from '../../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set();

/** Statistics of enforced rules. */
class EnforcedStats extends StatGroup {
  readonly gauges = GAUGES;
  allowed = 0;
  denied = 0;
}

/** Statistics of shadow rules. */
class ShadowStats extends StatGroup {
  readonly gauges = GAUGES;
  shadow_allowed = 0;
  shadow_denied = 0;
}

/** Counters by policy (`track_per_rule_stats`); there are as many as policies that were configured. */
class PolicyStats extends StatGroup {
  readonly gauges = GAUGES;
  readonly #counts = new Map<string, number>();

  count(policy: string, what: string): void {
    const name = `policy.${policy}.${what}`;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  override dynamic(): Iterable<readonly [string, number]> {
    return this.#counts;
  }

  /** Sets all counters back to nothing. */
  override clearDynamic(): void {
    this.#counts.clear();
  }
}

/** As Envoy joins prefixes and names. */
function withDot(prefix: string): string {
  return prefix.endsWith('.') ? prefix : `${prefix}.`;
}

/** Counts what was decided, under Envoy's names. */
export class RbacStats {
  readonly #enforced: EnforcedStats;
  readonly #shadow: ShadowStats;
  readonly #policies: PolicyStats | undefined;

  /** `prefix` ends in `rbac.`; the other two are the prefixes that a configuration puts behind it. */
  constructor(acquire: AcquireStats, prefix: string, rules: string, shadowRules: string, byPolicy: boolean) {
    this.#enforced = acquire(withDot(prefix + rules), EnforcedStats);
    this.#shadow = acquire(withDot(prefix + shadowRules), ShadowStats);
    this.#policies = byPolicy ? acquire(prefix, PolicyStats) : undefined;
  }

  countEnforced(allowed: boolean, policy: string): void {
    if (allowed) this.#enforced.allowed++;
    else this.#enforced.denied++;
    if (policy !== '') this.#policies?.count(policy, allowed ? 'allowed' : 'denied');
  }

  countShadow(allowed: boolean, policy: string): void {
    if (allowed) this.#shadow.shadow_allowed++;
    else this.#shadow.shadow_denied++;
    if (policy !== '') this.#policies?.count(policy, allowed ? 'shadow_allowed' : 'shadow_denied');
  }
}
