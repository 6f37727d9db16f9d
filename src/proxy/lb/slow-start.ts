import type { Host } from '../cluster/host.ts';

/** `slow_start_config`: a host that has just become usable gets its share of requests by and by. */
export interface SlowStart {
  /** Milliseconds until a host gets all of its weight. */
  readonly windowMs: number;
  /** 1 grows linearly; above it, faster at the beginning. */
  readonly aggression: number;
  /** Percent of its weight that a host gets from the first moment on. */
  readonly minWeightPercent: number;
}

/** Whether any of the hosts is still warming up, so that weights change with time. */
export function anyWarming(hosts: readonly Host[], { windowMs }: SlowStart, now: number): boolean {
  return hosts.some((host) => host.healthy && now - host.healthySince < windowMs);
}

/** The share of its weight that a host gets at this moment, above 0 and up to 1. */
export function warmth(host: Host, { windowMs, aggression, minWeightPercent }: SlowStart, now: number): number {
  const age = now - host.healthySince;
  if (age >= windowMs || !host.healthy) return 1;
  const share = Math.max(1, age) / windowMs;
  return Math.max(aggression === 1 ? share : share ** (1 / aggression), minWeightPercent / 100);
}
