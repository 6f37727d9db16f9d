import type { Analyzer } from '../analyzer.ts';

/** Fields that Istio has given up. */
export const deprecationAnalyzer: Analyzer = {
  name: 'deprecation.DeprecationAnalyzer',
  description: 'Checks for deprecated Istio types and fields',
  analyze(context) {
    for (const virtualService of context.list('VirtualService')) {
      for (const [i, { fault }] of (virtualService.spec.http ?? []).entries()) {
        if ((fault?.delay?.percent ?? 0) <= 0) continue;
        const text = 'HTTPRoute.fault.delay.percent is deprecated; use HTTPRoute.fault.delay.percentage';
        context.report('IST0002', virtualService, [text], ['spec', 'http', i, 'fault', 'delay', 'percent']);
      }
    }
    for (const sidecar of context.list('Sidecar')) {
      if (sidecar.spec.outboundTrafficPolicy?.egressProxy === undefined) continue;
      const path = ['spec', 'outboundTrafficPolicy', 'egressProxy'];
      context.report('IST0002', sidecar, ['OutboundTrafficPolicy.EgressProxy ignored'], path);
    }
  },
};
