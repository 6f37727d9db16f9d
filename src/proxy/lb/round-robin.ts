import type { Host } from '../cluster/host.ts';
import { EdfScheduler } from './edf.ts';
import type { BalancerEnvironment, Picker, PickerFactory } from './load-balancer.ts';
import type { SlowStart } from './slow-start.ts';
import { needsScheduler, weighing } from './weights.ts';

class Rotation implements Picker {
  readonly #hosts: readonly Host[];
  next: number;

  constructor(hosts: readonly Host[], start: number) {
    this.#hosts = hosts;
    this.next = start % hosts.length;
  }

  pick(): Host {
    const hosts = this.#hosts;
    const at = this.next;
    this.next = at + 1 === hosts.length ? 0 : at + 1;
    return hosts[at];
  }
}

class WeightedRotation implements Picker {
  readonly #scheduler: EdfScheduler<Host>;
  readonly #weightOf: (host: Host) => number;

  constructor(hosts: readonly Host[], weightOf: (host: Host) => number, random: () => number) {
    this.#weightOf = weightOf;
    this.#scheduler = EdfScheduler.withRandomStart(hosts, weightOf, random);
  }

  pick(): Host | undefined {
    return this.#scheduler.pick(this.#weightOf);
  }
}

/** `ROUND_ROBIN`: in turn, in proportion to the weights. */
export function roundRobin(slowStart: SlowStart | undefined): PickerFactory {
  return {
    build(hosts: readonly Host[], { random, now }: BalancerEnvironment, previous: Picker | undefined) {
      if (needsScheduler(hosts, slowStart, now())) return new WeightedRotation(hosts, weighing(slowStart, now), random);
      const start = previous instanceof Rotation ? previous.next : Math.floor(random() * hosts.length);
      return new Rotation(hosts, start);
    },
  };
}
