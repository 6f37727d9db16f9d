import type { PickerFactory } from './load-balancer.ts';

/** `RANDOM`: each host as likely as the other, whatever their weights, as Envoy does it. */
export const random: PickerFactory = {
  build: (hosts, environment) => ({ pick: () => hosts[Math.floor(environment.random() * hosts.length)] }),
};
