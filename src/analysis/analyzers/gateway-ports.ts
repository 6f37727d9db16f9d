import type { Analyzer } from '../analyzer.ts';
import { firstLabel, formatSelector, selects } from '../selectors.ts';

const NO_TRANSLATION_LABEL = 'experimental.istio.io/disable-gateway-port-translation';

/** Gateways that select no pod, and ports of theirs that no service of their pods leads to. */
export const gatewayPortsAnalyzer: Analyzer = {
  name: 'gateway.IngressGatewayPortAnalyzer',
  description: "Checks a gateway's ports against the gateway's Kubernetes service ports",
  analyze(context) {
    for (const gateway of context.list('Gateway')) {
      const { selector, servers = [] } = gateway.spec;
      const pods = context.workloads.filter(({ labels }) => selects(selector, labels));
      const place = ['spec', 'selector', firstLabel(selector)];
      if (pods.length === 0) {
        context.report('IST0101', gateway, ['selector', formatSelector(selector)], place);
        continue;
      }
      if (!context.knows('Service') && !pods.some(({ namespace }) => namespace === context.mesh.rootNamespace))
        continue;
      const ports = new Set<number>();
      for (const service of context.list('Service')) {
        const isTheirs = pods.some(
          ({ namespace, labels }) => namespace === service.namespace && selects(service.spec.selector, labels),
        );
        if (!isTheirs) continue;
        for (const { port = 0, targetPort, protocol = 'TCP' } of service.spec.ports ?? []) {
          if (protocol !== 'TCP') continue;
          const target = Number(targetPort) || port;
          ports.add(target);
          // A Gateway may name the port of the service, which is then that on which the proxy listens.
          if (service.labels[NO_TRANSLATION_LABEL] !== 'true') ports.add(port);
        }
      }
      for (const { port } of servers) {
        if (port?.number === undefined || ports.has(port.number)) continue;
        context.report('IST0162', gateway, [port.number, formatSelector(selector)], place);
      }
    }
  },
};
