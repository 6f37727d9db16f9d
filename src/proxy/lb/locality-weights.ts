import { EdfScheduler } from './edf.ts';
import type { HostSet, LocalityHosts } from './host-set.ts';

/** Chooses localities by their weights, as far as they have hosts of one kind (`locality_weighted_lb_config`). */
export class LocalityScheduler {
  readonly #scheduler: EdfScheduler<{ readonly index: number; readonly weight: number }>;

  private constructor(scheduler: EdfScheduler<{ readonly index: number; readonly weight: number }>) {
    this.#scheduler = scheduler;
  }

  /** Undefined where no locality has both weight and hosts, so that localities do not count. */
  static create(set: HostSet, part: 'healthy' | 'degraded', random: () => number): LocalityScheduler | undefined {
    const entries = set.localities
      .map((locality, index) => ({ index, weight: effectiveWeight(locality, part, set.overprovisioning) }))
      .filter(({ weight }) => weight > 0);
    if (entries.length === 0) return undefined;
    return new LocalityScheduler(EdfScheduler.withRandomStart(entries, (entry) => entry.weight, random));
  }

  /** Index among the localities of the host set. */
  pick(): number {
    return this.#scheduler.pick((entry) => entry.weight)!.index;
  }
}

/** A locality that has lost hosts gets less, once the spare capacity is used up. */
function effectiveWeight(locality: LocalityHosts, part: 'healthy' | 'degraded', overprovisioning: number): number {
  const count = locality.hosts.length - locality.excluded;
  if (count <= 0) return 0;
  return locality.weight * Math.min(1, ((overprovisioning / 100) * locality[part].length) / count);
}
