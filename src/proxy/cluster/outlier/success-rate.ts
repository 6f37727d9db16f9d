/** Requests and successes of one host in the interval that runs and in the one before, which is what is judged. */
export class SuccessRate {
  total = 0;
  successes = 0;
  #lastTotal = 0;
  #lastSuccesses = 0;
  /** Percent in the last interval with enough requests; -1 if it had not enough. For `/clusters`. */
  shown = -1;

  /** The running interval is over. */
  tick(): void {
    this.#lastTotal = this.total;
    this.#lastSuccesses = this.successes;
    this.total = 0;
    this.successes = 0;
    this.shown = -1;
  }

  /** Requests in the last interval. */
  get volume(): number {
    return this.#lastTotal;
  }

  /** Percent of successes in the last interval; only if it had requests. */
  get percent(): number {
    return (100 * this.#lastSuccesses) / this.#lastTotal;
  }
}

/** Mean of some success rates, and the rate below which a host is an outlier. */
export interface EjectionThreshold {
  readonly average: number;
  readonly threshold: number;
}

export const NO_THRESHOLD: EjectionThreshold = { average: -1, threshold: -1 };

/** The rate below which hosts stand out: so many standard deviations below the average of all (percent). */
export function ejectionThreshold(percents: readonly number[], deviations: number): EjectionThreshold {
  const average = percents.reduce((a, b) => a + b, 0) / percents.length;
  const variance = percents.reduce((sum, percent) => sum + (percent - average) ** 2, 0) / percents.length;
  return { average, threshold: average - Math.sqrt(variance) * deviations };
}
