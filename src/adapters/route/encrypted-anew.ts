import { gatewayNamespace } from '../../config/default-gateway.ts';
import type { DestinationRuleSpec, Subset } from '../../config/kinds/destination-rule/schema.ts';
import type { MeshConfig } from '../../config/kinds/mesh-config/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { ConfigSnapshot } from '../../config/store/snapshot.ts';
import { exportToOf } from '../../registry/export-to.ts';
import { HostMap, resolveShortName } from '../../registry/host.ts';

type Rule = ConfigObject<DestinationRuleSpec>;

/** The name under which OpenShift knows a service of a namespace. */
const shortName = (host: string) => host.replace(/\.cluster\.local$/, '');

/**
 * The body of a DestinationRule with a subset of a service that is reached over TLS under an authority of one Route's
 * own. Routes to the same service differ in their authorities, so the subset is the Route's, and has all of its pods.
 *
 * It stands in the gateway's namespace, where it hides a rule of the service's own from the gateway; so it says what that
 * says, too. As in OpenShift's router an authority that is named is all that is asked for: any name will do.
 */
export function destinationRule(
  host: string,
  subset: string,
  credentialName: string,
  selector: Readonly<Record<string, string>>,
  hidden: Pick<DestinationRuleSpec, 'trafficPolicy' | 'subsets'>,
): object {
  const { trafficPolicy, subsets = [] } = hidden;
  const tls = { mode: 'SIMPLE', credentialName, sni: shortName(host) };
  return {
    spec: {
      host,
      exportTo: ['.'],
      workloadSelector: { matchLabels: selector },
      ...(trafficPolicy && { trafficPolicy }),
      subsets: [{ name: subset, trafficPolicy: { tls } }, ...subsets],
    },
  };
}

/** What rules say about a service, as the mesh's gateway sees it, of everybody's making. */
export function visibleRule(
  config: ConfigSnapshot,
  mesh: MeshConfig,
  service: { readonly host: string; readonly namespace: string },
): Pick<DestinationRuleSpec, 'trafficPolicy' | 'subsets'> {
  const gateway = gatewayNamespace(mesh);
  const usual = new Set(mesh.defaultDestinationRuleExportTo ?? ['*']);
  const rules = config.list('DestinationRule').filter(({ spec }) => spec.workloadSelector === undefined);
  for (const namespace of new Set([gateway, service.namespace])) {
    const hosts = new HostMap<Rule[]>();
    for (const rule of rules) {
      if (rule.metadata.namespace !== namespace) continue;
      const to = exportToOf(rule.spec.exportTo, namespace) ?? usual;
      const isVisible = to.has('*') || to.has(gateway) || (to.has('.') && namespace === gateway);
      if (!isVisible) continue;
      const host = resolveShortName(rule.spec.host, namespace, 'cluster.local');
      hosts.set(host, [...(hosts.get(host) ?? []), rule]);
    }
    const found = hosts.mostSpecific(service.host);
    if (found) return merged(found);
  }
  return {};
}

/** Rules for the same host: the first policy, and the first subset of each name. */
function merged(rules: readonly Rule[]): Pick<DestinationRuleSpec, 'trafficPolicy' | 'subsets'> {
  const subsets = new Map<string, Subset>();
  for (const { spec } of rules)
    for (const subset of spec.subsets ?? []) if (!subsets.has(subset.name)) subsets.set(subset.name, subset);
  const trafficPolicy = rules.find(({ spec }) => spec.trafficPolicy)?.spec.trafficPolicy;
  return { trafficPolicy, ...(subsets.size > 0 && { subsets: [...subsets.values()] }) };
}
