import type { LoadBalancerContext } from './cluster.ts';

/** Requests of the proxy's own, which no client stands behind: any host will do. */
export const ANY_HOST: LoadBalancerContext = {
  hash: undefined,
  metadataMatch: undefined,
  headers: undefined,
  downstream: undefined,
  overrideAddress: undefined,
  rejects: () => false,
};
