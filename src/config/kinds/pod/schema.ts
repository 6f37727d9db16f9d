import type { PodSpec } from '../shared/pod-spec.ts';

export { podSpec as podSchema } from '../shared/pod-spec.ts';
export type { PodSpec };
