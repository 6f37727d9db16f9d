import type { Analyzer } from '../analyzer.ts';

const REGISTRIES = ['Mock', 'Kubernetes', 'External'];
const REMOTE_SECRET_LABEL = 'istio/multiCluster';

/** Networks whose endpoints are those of a cluster that nobody knows. */
export const meshNetworksAnalyzer: Analyzer = {
  name: 'meshnetworks.MeshNetworksAnalyzer',
  description: 'Check the validity of MeshNetworks in the cluster',
  analyze(context) {
    const remote = context.list('Secret').filter(({ labels }) => labels[REMOTE_SECRET_LABEL] === 'true');
    const clusters = remote.flatMap(({ spec }) => Object.keys(spec.data ?? {}));
    const known = new Set([...REGISTRIES, ...clusters]);
    for (const networks of context.list('MeshNetworks')) {
      for (const [name, network] of Object.entries(networks.spec.networks ?? {})) {
        for (const [i, { fromRegistry }] of (network?.endpoints ?? []).entries()) {
          if (fromRegistry === undefined || known.has(fromRegistry)) continue;
          context.report('IST0126', networks, [fromRegistry, name], ['networks', name, 'endpoints', i]);
        }
      }
    }
  },
};
