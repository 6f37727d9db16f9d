import type { Host } from '../cluster/host.ts';
import { EdfScheduler } from './edf.ts';
import { equalWeights, type Picker, type PickerEnvironment, type Policy } from './load-balancer.ts';

class Rotation implements Picker {
  readonly #hosts: readonly Host[];
  next: number;

  constructor(hosts: readonly Host[], start: number) {
    this.#hosts = hosts;
    this.next = start;
  }

  pick(): Host | undefined {
    const { length } = this.#hosts;
    return length === 0 ? undefined : this.#hosts[this.next++ % length];
  }
}

class WeightedRotation implements Picker {
  readonly #scheduler = new EdfScheduler<Host>();
  readonly #weightOf: (host: Host) => number;

  constructor(hosts: readonly Host[], { weightOf, random }: PickerEnvironment) {
    this.#weightOf = weightOf;
    for (const host of hosts) this.#scheduler.add(weightOf(host), host);
    // A start of its own for each worker and each list, lest all begin with the same host.
    for (let skip = Math.floor(random() * hosts.length); skip > 0; skip--) this.#scheduler.pick(weightOf);
  }

  pick(): Host | undefined {
    return this.#scheduler.pick(this.#weightOf);
  }
}

/** `ROUND_ROBIN`: in turn, in proportion to the weights. `dynamicWeights` is set where slow start changes them. */
export function roundRobin(dynamicWeights: boolean): Policy {
  return {
    name: 'ROUND_ROBIN',
    build(hosts, environment, previous) {
      if (dynamicWeights || !equalWeights(hosts)) return new WeightedRotation(hosts, environment);
      const start =
        previous instanceof Rotation ? previous.next : Math.floor(environment.random() * (hosts.length || 1));
      return new Rotation(hosts, start);
    },
  };
}
