import type { Analyzer } from '../analyzer.ts';
import { fullName } from '../resource.ts';

const VARIABLE = 'BLOCKED_CIDRS_IN_JWKS_URIS';
/** So many policies are named; of more the number is told. */
const MAX_NAMES = 5;

/** A control plane that fetches keys from wherever RequestAuthentications say, its own network included. */
export const blockedCidrsAnalyzer: Analyzer = {
  name: 'authn.BlockedCIDRsAnalyzer',
  description: `Checks that ${VARIABLE} is configured on istiod when RequestAuthentication resources exist`,
  analyze(context) {
    const policies = context.list('RequestAuthentication').map(fullName);
    if (policies.length === 0) return;
    const more = policies.length - MAX_NAMES;
    const names = policies.slice(0, MAX_NAMES).join(', ') + (more > 0 ? `, and ${more} more` : '');
    for (const deployment of context.list('Deployment')) {
      if (deployment.labels.app !== 'istiod') continue;
      const environment = (deployment.spec.template?.spec?.containers ?? []).flatMap(({ env = [] }) => env);
      if (environment.some(({ name, value }) => name === VARIABLE && value)) continue;
      context.report('IST0175', deployment, [policies.length, names]);
    }
  },
};
