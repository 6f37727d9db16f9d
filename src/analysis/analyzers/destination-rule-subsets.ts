import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext, Workload } from '../context.ts';
import { KnownHosts } from '../known-hosts.ts';
import { type Labels, selects } from '../selectors.ts';

/** Labels of a node that its pods have as well, as far as a mesh is concerned. */
const TOPOLOGY_LABELS = [
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
] as const;
const HOSTNAME_LABEL = 'kubernetes.io/hostname';

/** Destination rules for hosts that do not exist, and subsets without a pod. */
export const destinationRuleSubsetsAnalyzer: Analyzer = {
  name: 'destinationrule.SubsetSelectPodAnalyzer',
  description: 'Checks if pods are selected by subsets in destination rules.',
  analyze(context) {
    const hosts = new KnownHosts(context);
    const pods = context.workloads.map((workload) => labelsOf(workload, context));
    for (const rule of context.list('DestinationRule')) {
      const { host = '', exportTo, subsets = [] } = rule.spec;
      const destination = hosts.lookup(host, rule.namespace, exportTo);
      if (destination === undefined) {
        context.report('IST0174', rule, [host], ['spec', 'host']);
        continue;
      }
      for (const [i, { name = '', labels }] of subsets.entries()) {
        const selector = { ...destination.selector, ...labels };
        if (pods.some((pod) => selects(selector, pod))) continue;
        context.report('IST0173', rule, [name], ['spec', 'subsets', i, 'name']);
      }
    }
  },
};

function labelsOf({ labels, nodeName }: Workload, context: AnalysisContext): Labels {
  const node = nodeName === undefined ? undefined : context.find('Node', '', nodeName);
  if (node === undefined) return labels;
  const topology = TOPOLOGY_LABELS.filter((label) => node.labels[label]).map((label) => [label, node.labels[label]!]);
  return { ...labels, ...Object.fromEntries(topology), [HOSTNAME_LABEL]: node.name };
}
