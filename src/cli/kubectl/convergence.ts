import type { ConvergenceState } from '../../config/control/api.ts';

/** How far a change has got, in a line, and a line for each proxy that does not have it. */
export function describeConvergence({ snapshot, converged, affected, laggards }: ConvergenceState): string[] {
  const proxies = (count: number) => `${count} affected ${count === 1 ? 'proxy' : 'proxies'}`;
  if (converged) {
    return affected.length === 0
      ? [`snapshot ${snapshot} is in force: it changes nothing for any proxy`]
      : [`snapshot ${snapshot} is in force: ${proxies(affected.length)} acknowledged it`];
  }
  return [
    `snapshot ${snapshot} is not in force everywhere; without it: ${laggards.length} of ${proxies(affected.length)}`,
    ...laggards.map(({ proxy, reason }) => aboutProxy(proxy, reason)),
  ];
}

/** A sentence with the proxy that it is about, which it may name itself. */
export function aboutProxy(proxy: string, sentence: string): string {
  return sentence.startsWith(`${proxy} `) ? sentence : `${proxy}: ${sentence}`;
}
