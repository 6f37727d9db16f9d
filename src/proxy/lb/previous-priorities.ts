import type { Host } from '../cluster/host.ts';
import { type PriorityLoads, type PriorityState, totalAvailability } from './priority-load.ts';

/**
 * `envoy.retry_priorities.previous_priorities`: retries go to priorities that were not tried yet, as far as they can
 * carry the load; the list of those tried is looked at after every so many attempts. One for each request.
 */
export class PreviousPriorities {
  readonly #updateFrequency: number;
  #tried: Host[] = [];
  readonly #excluded = new Set<number>();
  #loads: PriorityLoads | undefined = undefined;

  constructor(updateFrequency: number) {
    this.#updateFrequency = updateFrequency;
  }

  /** A host that was attempted. */
  note(host: Host): void {
    this.#tried.push(host);
  }

  shift(state: PriorityState): PriorityLoads {
    if (this.#tried.length < this.#updateFrequency) return state.loads;
    if (this.#tried.length % this.#updateFrequency === 0) {
      for (const host of this.#tried) this.#excluded.add(host.description.priority);
      this.#loads = this.#without(state);
    }
    return this.#loads ?? state.loads;
  }

  /** Undefined if nobody could carry anything, so that the loads stay as they are. */
  #without(state: PriorityState): PriorityLoads | undefined {
    let availability = this.#availability(state);
    let total = totalAvailability(availability);
    if (total === 0) {
      // All priorities were tried: the next round may try any again.
      this.#excluded.clear();
      this.#tried = [];
      availability = this.#availability(state);
      total = totalAvailability(availability);
    }
    if (total === 0) return undefined;
    const loads = { healthy: availability.healthy.map(() => 0), degraded: availability.degraded.map(() => 0) };
    for (let left = 100; left > 0; ) {
      for (const part of ['healthy', 'degraded'] as const) {
        availability[part].forEach((percent, i) => {
          const load = Math.min(left, Math.floor((percent * 100) / total));
          loads[part][i] += load;
          left -= load;
        });
      }
    }
    return loads;
  }

  #availability({ availability }: PriorityState): PriorityLoads {
    const keep = (percent: number, priority: number) => (this.#excluded.has(priority) ? 0 : percent);
    return { healthy: availability.healthy.map(keep), degraded: availability.degraded.map(keep) };
  }
}
