import type { Runtime } from '../runtime.ts';

const NO_LIMIT = Number.POSITIVE_INFINITY;

/**
 * How many connections clients may have at a time: with each listener (runtime key
 * `envoy.resource_limits.listener.NAME.connection_limit`), and with all of them together (the overload manager's
 * `global_downstream_max_connections`, or the runtime key that it has taken the place of).
 */
export class ConnectionLimits {
  readonly #runtime: Pick<Runtime, 'number'>;
  readonly #max: number | undefined;
  #open = 0;

  constructor(runtime: Pick<Runtime, 'number'>, max: number | undefined) {
    this.#runtime = runtime;
    this.#max = max;
  }

  /** The limit of a listener, by its name. */
  ofListener(name: string): number {
    return this.#runtime.number(`envoy.resource_limits.listener.${name}.connection_limit`, NO_LIMIT);
  }

  /** Whether there is a place left for one more. */
  get hasRoom(): boolean {
    const max = this.#max ?? this.#runtime.number('overload.global_downstream_max_connections', NO_LIMIT);
    return this.#open < max;
  }

  take(): void {
    this.#open++;
  }

  free(): void {
    this.#open--;
  }
}
