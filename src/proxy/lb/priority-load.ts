import type { HostSet } from './host-set.ts';

/** Percent of the requests that go to the healthy and to the degraded hosts of each priority; 100 together. */
export interface PriorityLoads {
  readonly healthy: readonly number[];
  readonly degraded: readonly number[];
}

/** How the load is spread over priorities, and what it was worked out from. */
export interface PriorityState {
  readonly loads: PriorityLoads;
  /** Percent to which each priority could carry everything, with its healthy and its degraded hosts. */
  readonly availability: PriorityLoads;
  /** Priorities whose hosts are used whatever their health. */
  readonly panic: readonly boolean[];
}

/**
 * Spreads requests over priorities by how much of each is available, as Envoy does: the first priority takes what it can
 * carry, the next what is left, healthy hosts before degraded ones.
 */
export function priorityState(sets: readonly HostSet[], panicThreshold: number): PriorityState {
  const availability = {
    healthy: sets.map((set) => available(set, 'healthy')),
    degraded: sets.map((set) => available(set, 'degraded')),
  };
  const total = totalAvailability(availability);
  const none = sets.map(() => 0);
  if (panicThreshold === 0 && total === 0) {
    // Nothing is there and health may not be ignored: the first priority gets all of it, and has no host to give.
    return { loads: { healthy: none.with(0, 100), degraded: none }, availability, panic: sets.map(() => false) };
  }
  const panic = sets.map((set) => total !== 100 && inPanic(set, panicThreshold));
  if (panic.every(Boolean)) return { loads: { healthy: bySize(sets), degraded: none }, availability, panic };
  return {
    loads: total === 0 ? { healthy: none, degraded: none } : spreadLoad(availability, total),
    availability,
    panic,
  };
}

/** Sum over all priorities, 100 at most. */
export function totalAvailability({ healthy, degraded }: PriorityLoads): number {
  return Math.min(100, sum(healthy) + sum(degraded));
}

/** Whether so few hosts of a priority are available that their health is ignored. */
export function inPanic(set: HostSet, panicThreshold: number): boolean {
  const count = set.hosts.length - set.excluded;
  const percent = count === 0 ? 0 : (100 * (set.healthy.length + set.degraded.length)) / count;
  return percent < panicThreshold;
}

function available(set: HostSet, part: 'healthy' | 'degraded'): number {
  const { hosts, excluded, overprovisioning, weightedHealth } = set;
  if (hosts.length - excluded <= 0) return 0;
  const weigh = (list: HostSet['hosts']) => list.reduce((n, host) => n + host.weight, 0);
  const all = weightedHealth ? weigh(hosts.filter((host) => !host.excluded)) : hosts.length - excluded;
  const some = weightedHealth ? weigh(set[part]) : set[part].length;
  return Math.min(100, Math.floor((overprovisioning * some) / all));
}

/** Spreads 100 percent over what is available, the healthy hosts of the first priorities first. */
export function spreadLoad({ healthy, degraded }: PriorityLoads, total: number): PriorityLoads {
  let left = 100;
  const share = (part: readonly number[]) =>
    part.map((percent) => {
      const load = Math.min(left, Math.floor((percent * 100) / total));
      left -= load;
      return load;
    });
  const loads = { healthy: share(healthy), degraded: share(degraded) };
  // What rounding has left goes to the first priority that has anybody.
  const first = healthy.findIndex((percent) => percent > 0);
  if (first >= 0) loads.healthy[first] += left;
  else loads.degraded[degraded.findIndex((percent) => percent > 0)] += left;
  return loads;
}

/** In a panic everywhere, priorities get as much as they have hosts. */
function bySize(sets: readonly HostSet[]): number[] {
  const total = sum(sets.map((set) => set.hosts.length));
  if (total === 0) return sets.map((_, i) => (i === 0 ? 100 : 0));
  const loads = sets.map((set) => Math.floor((100 * set.hosts.length) / total));
  loads[sets.findIndex((set) => set.hosts.length > 0)] += 100 - sum(loads);
  return loads;
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

/** A priority, and which of its hosts. */
export interface PriorityChoice {
  readonly priority: number;
  readonly degraded: boolean;
}

/** The part of the load that a point from 1 to 100 falls into. */
export function choosePriority(point: number, { healthy, degraded }: PriorityLoads): PriorityChoice {
  let limit = 0;
  for (let priority = 0; priority < healthy.length; priority++) {
    limit += healthy[priority];
    if (point <= limit) return { priority, degraded: false };
  }
  for (let priority = 0; priority < degraded.length; priority++) {
    limit += degraded[priority];
    if (point <= limit) return { priority, degraded: true };
  }
  return { priority: 0, degraded: false };
}
