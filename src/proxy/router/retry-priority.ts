import { type PriorityLoads, type PriorityState, spreadLoad, totalAvailability } from '../lb/priority-load.ts';

/**
 * `envoy.retry_priorities.previous_priorities`: retries go to priorities that have not been tried. After every
 * `updateFrequency` attempts those that were tried until then get no more load; when none is left, all are as they were.
 */
export class PreviousPriorities {
  readonly #updateFrequency: number;
  #attempted: number[] = [];
  #excluded = new Set<number>();
  #loads: PriorityLoads | undefined = undefined;

  constructor(updateFrequency: number) {
    this.#updateFrequency = updateFrequency;
  }

  /** An attempt went to a host of this priority. */
  note(priority: number): void {
    this.#attempted.push(priority);
  }

  /** How the load of the next attempt is spread. */
  loads(state: PriorityState): PriorityLoads {
    const count = this.#attempted.length;
    if (count < this.#updateFrequency) return state.loads;
    if (count % this.#updateFrequency === 0) {
      for (const priority of this.#attempted) this.#excluded.add(priority);
      this.#loads = this.#remaining(state);
    }
    return this.#loads ?? state.loads;
  }

  #remaining({ availability }: PriorityState): PriorityLoads | undefined {
    let left = this.#available(availability);
    let total = totalAvailability(left);
    if (total === 0) {
      this.#excluded.clear();
      this.#attempted = [];
      left = availability;
      total = totalAvailability(left);
    }
    return total === 0 ? undefined : spreadLoad(left, total);
  }

  #available({ healthy, degraded }: PriorityLoads): PriorityLoads {
    const kept = (percents: readonly number[]) => percents.map((p, i) => (this.#excluded.has(i) ? 0 : p));
    return { healthy: kept(healthy), degraded: kept(degraded) };
  }
}
