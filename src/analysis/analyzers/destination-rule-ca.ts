import type { ClientTls } from '../../config/kinds/shared/tls.ts';
import type { FieldPath } from '../../config/object.ts';
import type { Analyzer } from '../analyzer.ts';
import { fullName, type Loose } from '../resource.ts';

/** TLS to a destination of which nobody checks the certificate. */
export const destinationRuleCaAnalyzer: Analyzer = {
  name: 'destinationrule.CaCertificateAnalyzer',
  description: 'Checks if caCertificates is set when TLS mode is SIMPLE/MUTUAL',
  analyze(context) {
    for (const rule of context.list('DestinationRule')) {
      const { host = '', trafficPolicy, workloadSelector } = rule.spec;
      const isUnverified = (tls: Loose<ClientTls> | undefined): tls is Loose<ClientTls> => {
        if (tls?.mode !== 'SIMPLE' && tls?.mode !== 'MUTUAL') return false;
        // A secret, which only works for the workloads that are selected, has the certificates as well.
        return !tls.caCertificates && !(tls.credentialName && workloadSelector !== undefined);
      };
      const common = (tls: Loose<ClientTls>) => [fullName(rule), rule.namespace, tls.mode!, host];
      const path: FieldPath = ['spec', 'trafficPolicy'];
      if (isUnverified(trafficPolicy?.tls))
        context.report('IST0128', rule, common(trafficPolicy.tls), [...path, 'tls', 'mode']);
      for (const [i, { port, tls }] of (trafficPolicy?.portLevelSettings ?? []).entries()) {
        if (!isUnverified(tls)) continue;
        const portText = port?.number === undefined ? '' : `number:${port.number}`;
        const place = [...path, 'portLevelSettings', i, 'tls', 'mode'];
        context.report('IST0129', rule, [...common(tls), portText], place);
      }
    }
  },
};
