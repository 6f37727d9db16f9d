import type { FieldPath } from '../../config/object.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import { fullHost } from '../known-hosts.ts';
import { fullName, type Resource } from '../resource.ts';
import { selects } from '../selectors.ts';

type Rule = Resource<'DestinationRule'>;
type Policy = NonNullable<Rule['spec']['trafficPolicy']>;

/**
 * Mutual TLS to a gateway that tells its servers apart by the name that clients ask for, by a rule that has them ask for
 * none of those names: without `sni` a sidecar asks for that of its cluster, `outbound_.443_.subset_.host`.
 */
export const missingSniAnalyzer: Analyzer = {
  name: 'isthmus.MissingSniAnalyzer',
  description: 'Checks that destination rules for gateways name a host that the gateway serves',
  analyze(context) {
    for (const rule of context.list('DestinationRule')) {
      const gateways = gatewaysBehind(rule, context);
      if (gateways.length === 0) continue;
      for (const { path, port } of withoutSni(rule)) {
        const server = gateways
          .flatMap((gateway) => (gateway.spec.servers ?? []).map((one) => ({ gateway, server: one })))
          .find(({ server: { port: own, hosts = [], tls } }) => {
            const isTerminated = tls?.mode === 'SIMPLE' || tls?.mode === 'MUTUAL' || tls?.mode === 'ISTIO_MUTUAL';
            const isAny = hosts.some((host) => host.replace(/^.*\//, '') === '*');
            return isTerminated && !isAny && (port === undefined || own?.number === port);
          });
        if (server === undefined) continue;
        const hosts = (server.server.hosts ?? []).join(', ');
        const parameters = [fullName(server.gateway), server.server.port?.number ?? 0, hosts];
        context.report('ISTH0011', rule, parameters, path);
      }
    }
  },
};

/** The Gateways whose pods a rule's host leads to: by its Service, or where that is not known by the names of Istio's own. */
function gatewaysBehind(rule: Rule, context: AnalysisContext): Resource<'Gateway'>[] {
  const host = fullHost(rule.spec.host ?? '', rule.namespace);
  const service = context.list('Service').find(({ name, namespace }) => fullHost(name, namespace) === host);
  return context.list('Gateway').filter(({ spec: { selector } }) => {
    if (selector === undefined || Object.keys(selector).length === 0) return false;
    if (service !== undefined) return selects(selector, (service.spec.selector ?? {}) as Record<string, string>);
    return selector.istio !== undefined && host.startsWith(`istio-${selector.istio}.`);
  });
}

/** Places that ask for the mesh's mutual TLS without a name, and the port that they are for if it is one. */
function* withoutSni({ spec }: Rule): Iterable<{ readonly path: FieldPath; readonly port: number | undefined }> {
  const policies: (readonly [Policy | undefined, FieldPath])[] = [
    [spec.trafficPolicy, ['spec', 'trafficPolicy']],
    ...(spec.subsets ?? []).map(
      (subset, i) => [subset.trafficPolicy, ['spec', 'subsets', i, 'trafficPolicy']] as const,
    ),
  ];
  for (const [policy, path] of policies) {
    if (isNameless(policy?.tls)) yield { path: [...path, 'tls'], port: undefined };
    for (const [i, { port, tls }] of (policy?.portLevelSettings ?? []).entries())
      if (isNameless(tls)) yield { path: [...path, 'portLevelSettings', i, 'tls'], port: port?.number };
  }
}

const isNameless = (tls: Policy['tls']): boolean => tls?.mode === 'ISTIO_MUTUAL' && !tls.sni;
