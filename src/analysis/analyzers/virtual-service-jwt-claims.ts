import type { Analyzer } from '../analyzer.ts';
import { fullName, parseReference, type Resource } from '../resource.ts';
import { selects } from '../selectors.ts';

const CLAIM_PREFIX = '@request.auth.claims';

/** Routes by claims of a token that nobody has verified. */
export const virtualServiceJwtClaimsAnalyzer: Analyzer = {
  name: 'virtualservice.JWTClaimRouteAnalyzer',
  description: 'Checks the VirtualService using JWT claim based routing has corresponding RequestAuthentication',
  analyze(context) {
    const policies = context.list('RequestAuthentication');
    for (const virtualService of context.list('VirtualService')) {
      const claim = claimOf(virtualService);
      if (claim === undefined) continue;
      for (const reference of virtualService.spec.gateways ?? []) {
        if (reference === 'mesh') continue;
        const { namespace, name } = parseReference(reference, virtualService.namespace);
        const gateway = context.find('Gateway', namespace, name);
        if (gateway === undefined) continue;
        for (const pod of context.workloads) {
          if (!selects(gateway.spec.selector, pod.labels)) continue;
          const isVerified = policies.some(
            (policy) =>
              (policy.namespace === 'istio-system' || policy.namespace === pod.namespace) &&
              selects(policy.spec.selector?.matchLabels, pod.labels),
          );
          if (!isVerified) context.report('IST0149', virtualService, [claim, fullName(gateway), pod.name]);
        }
      }
    }
  },
};

/** The first claim that routes are chosen by. */
function claimOf({ spec }: Resource<'VirtualService'>): string | undefined {
  const matches = (spec.http ?? []).flatMap(({ match = [] }) => match);
  return matches
    .flatMap(({ headers, withoutHeaders }) => [...Object.keys(headers ?? {}), ...Object.keys(withoutHeaders ?? {})])
    .find((name) => name.startsWith(CLAIM_PREFIX));
}
