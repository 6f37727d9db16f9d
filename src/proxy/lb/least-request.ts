import type { Host } from '../cluster/host.ts';
import { EdfScheduler } from './edf.ts';
import type { BalancerEnvironment, Picker, PickerFactory } from './load-balancer.ts';
import type { SlowStart } from './slow-start.ts';
import { needsScheduler, weighing } from './weights.ts';

export interface LeastRequestOptions {
  /** `choice_count`: hosts to draw, at least 2. */
  readonly choices: number;
  /** `active_request_bias`: how much requests under way take off a weight; 0 for not at all. */
  readonly bias: number;
  /** `selection_method: FULL_SCAN`: looks at all hosts instead of a few. */
  readonly fullScan: boolean;
  readonly slowStart: SlowStart | undefined;
}

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

  pick(): Host {
    const hosts = this.#hosts;
    const { length } = hosts;
    let best = hosts[Math.floor(this.#random() * length)];
    if (length === 1) return best;
    for (let i = 1; i < this.#choices; i++) {
      const other = hosts[Math.floor(this.#random() * length)];
      if (other.stats.rq_active < best.stats.rq_active) best = other;
    }
    return best;
  }
}

/** Of all hosts, one with the fewest requests under way; any of them where several have as few. */
class BestOfAll implements Picker {
  readonly #hosts: readonly Host[];
  readonly #random: () => number;

  constructor(hosts: readonly Host[], random: () => number) {
    this.#hosts = hosts;
    this.#random = random;
  }

  pick(): Host {
    let best = this.#hosts[0];
    let ties = 1;
    for (let i = 1; i < this.#hosts.length; i++) {
      const host = this.#hosts[i];
      if (host.stats.rq_active > best.stats.rq_active) continue;
      ties = host.stats.rq_active < best.stats.rq_active ? 1 : ties + 1;
      if (ties === 1 || this.#random() * ties < 1) best = host;
    }
    return best;
  }
}

/** All hosts in turn, each with a weight that shrinks with the requests it has under way. */
class ActiveWeights implements Picker {
  readonly #scheduler: EdfScheduler<Host>;
  readonly #weightOf: (host: Host) => number;

  constructor(hosts: readonly Host[], weightOf: (host: Host) => number, bias: number, random: () => number) {
    this.#weightOf =
      bias === 0
        ? weightOf
        : bias === 1
          ? (host) => weightOf(host) / (host.stats.rq_active + 1)
          : (host) => weightOf(host) / (host.stats.rq_active + 1) ** bias;
    this.#scheduler = EdfScheduler.withRandomStart(hosts, this.#weightOf, random);
  }

  pick(): Host | undefined {
    return this.#scheduler.pick(this.#weightOf);
  }
}

/** `LEAST_REQUEST`. */
export function leastRequest({ choices, bias, fullScan, slowStart }: LeastRequestOptions): PickerFactory {
  return {
    build(hosts: readonly Host[], { random, now }: BalancerEnvironment) {
      if (needsScheduler(hosts, slowStart, now())) {
        return new ActiveWeights(hosts, weighing(slowStart, now), bias, random);
      }
      return fullScan ? new BestOfAll(hosts, random) : new BestOfFew(hosts, random, choices);
    },
  };
}
