import type { Host } from '../cluster/host.ts';
import { EdfScheduler } from './edf.ts';
import { equalWeights, type Picker, type PickerEnvironment, type Policy } from './load-balancer.ts';

/** Of a few hosts drawn at random, the one with the fewest requests under way. */
class BestOfFew implements Picker {
  readonly #hosts: readonly Host[];
  readonly #random: () => number;
  readonly #choices: number;

  constructor(hosts: readonly Host[], random: () => number, choices: number) {
    this.#hosts = hosts;
    this.#random = random;
    this.#choices = choices;
  }

  pick(): Host | undefined {
    const hosts = this.#hosts;
    const { length } = hosts;
    if (length < 2) return hosts[0];
    let best = hosts[Math.floor(this.#random() * length)];
    for (let i = 1; i < this.#choices; i++) {
      const other = hosts[Math.floor(this.#random() * length)];
      if (other.stats.rq_active < best.stats.rq_active) best = other;
    }
    return best;
  }
}

/** All hosts in turn, each with a weight that shrinks with the requests it has under way. */
class ActiveWeights implements Picker {
  readonly #scheduler = new EdfScheduler<Host>();
  readonly #weightOf: (host: Host) => number;

  constructor(hosts: readonly Host[], { weightOf, random }: PickerEnvironment, bias: number) {
    this.#weightOf = (host) => weightOf(host) / (host.stats.rq_active + 1) ** bias;
    for (const host of hosts) this.#scheduler.add(weightOf(host), host);
    for (let skip = Math.floor(random() * hosts.length); skip > 0; skip--) this.#scheduler.pick(this.#weightOf);
  }

  pick(): Host | undefined {
    return this.#scheduler.pick(this.#weightOf);
  }
}

export interface LeastRequestOptions {
  /** `choice_count`, at least 2. */
  readonly choices: number;
  /** `active_request_bias`. */
  readonly bias: number;
  readonly dynamicWeights: boolean;
}

/** `LEAST_REQUEST`. */
export function leastRequest(options: LeastRequestOptions): Policy {
  return {
    name: 'LEAST_REQUEST',
    build(hosts, environment) {
      if (options.dynamicWeights || !equalWeights(hosts)) return new ActiveWeights(hosts, environment, options.bias);
      return new BestOfFew(hosts, environment.random, options.choices);
    },
  };
}
