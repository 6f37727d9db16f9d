import type { Analyzer } from '../analyzer.ts';
import { destinationsOf } from './route-destinations.ts';

/** Routes to subsets that no DestinationRule defines. */
export const virtualServiceSubsetsAnalyzer: Analyzer = {
  name: 'virtualservice.DestinationRuleAnalyzer',
  description: 'Checks the destination rules associated with each virtual service',
  analyze(context) {
    const defined = new Set<string>();
    for (const { namespace, spec } of context.list('DestinationRule')) {
      for (const { name } of spec.subsets ?? []) defined.add(`${serviceOf(spec.host ?? '', namespace)}+${name}`);
    }
    for (const virtualService of context.list('VirtualService')) {
      for (const { destination, path, mirror } of destinationsOf(virtualService)) {
        const { host = '', subset } = destination;
        if (!subset || defined.has(`${serviceOf(host, virtualService.namespace)}+${subset}`)) continue;
        const what = mirror ? 'mirror+subset in destinationrule' : 'host+subset in destinationrule';
        context.report('IST0101', virtualService, [what, `${host}+${subset}`], path);
      }
    }
  },
};

/** A host by namespace and name, so that the short and the whole name of a service are the same. */
function serviceOf(host: string, namespace: string): string {
  const match = /^(.+)\.([^.]+)\.svc\.cluster\.local$/.exec(host);
  return match === null ? `${namespace}/${host}` : `${match[2]}/${match[1]}`;
}
