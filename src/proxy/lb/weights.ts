import type { Host } from '../cluster/host.ts';
import { anyWarming, type SlowStart, warmth } from './slow-start.ts';

/** Whether all weights are the same, in which case nothing needs a scheduler. */
function equalWeights(hosts: readonly Host[]): boolean {
  for (let i = 1; i < hosts.length; i++) if (hosts[i].weight !== hosts[0].weight) return false;
  return true;
}

/** Whether hosts of a list differ in weight now, be it by configuration or because some have just come. */
export function needsScheduler(hosts: readonly Host[], slowStart: SlowStart | undefined, now: number): boolean {
  if (hosts.length < 2) return false;
  return !equalWeights(hosts) || (slowStart !== undefined && anyWarming(hosts, slowStart, now));
}

/** The weight of a host at the moment of asking. */
export function weighing(slowStart: SlowStart | undefined, now: () => number): (host: Host) => number {
  if (slowStart === undefined) return (host) => host.weight;
  return (host) => host.weight * warmth(host, slowStart, now());
}
