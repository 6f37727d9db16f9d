import type { Policy } from './load-balancer.ts';

/** `RANDOM`: each host as likely as the other, whatever their weights, as Envoy does it. */
export const random: Policy = {
  name: 'RANDOM',
  build: (hosts, environment) => ({ pick: () => hosts[Math.floor(environment.random() * hosts.length)] }),
};
