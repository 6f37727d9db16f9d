import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import { isInMesh } from '../in-mesh.ts';
import { fullName, type Resource } from '../resource.ts';
import { type Labels, selects } from '../selectors.ts';

const GATEWAY_MANAGED_LABEL = 'gateway.istio.io/managed';

/** Deployments of which several services disagree on what a port is. */
export const multiServiceAnalyzer: Analyzer = {
  name: 'deployment.MultiServiceAnalyzer',
  description: 'Checks association between services and pods',
  analyze(context) {
    for (const deployment of context.list('Deployment')) {
      if (deployment.labels[GATEWAY_MANAGED_LABEL] === 'istio.io-mesh-controller') continue;
      const { metadata, spec } = deployment.spec.template ?? {};
      const labels = (metadata?.labels ?? {}) as Labels;
      const workload = {
        namespace: deployment.namespace,
        name: deployment.name,
        labels,
        annotations: (metadata?.annotations ?? {}) as Labels,
        containers: spec?.containers ?? [],
      };
      if (!isInMesh(workload, context)) continue;
      const services = context.list('Service').filter(({ namespace, spec: { selector } }) => {
        const selectsSome = Object.keys(selector ?? {}).length > 0;
        return selectsSome && namespace === deployment.namespace && selects(selector, labels);
      });
      reportProtocols(deployment, services, context);
      reportTargetPorts(deployment, services, context);
    }
  },
};

type Services = readonly Resource<'Service'>[];

/** Services that give one port different protocols. */
function reportProtocols(deployment: Resource<'Deployment'>, services: Services, context: AnalysisContext): void {
  const byPort = new Map<number, Map<string, string[]>>();
  for (const service of services) {
    for (const { port = 0, protocol = 'TCP' } of service.spec.ports ?? []) {
      const byProtocol = byPort.get(port) ?? new Map<string, string[]>();
      byPort.set(port, byProtocol.set(protocol, [...(byProtocol.get(protocol) ?? []), fullName(service)]));
    }
  }
  for (const [port, byProtocol] of byPort) {
    if (byProtocol.size < 2) continue;
    const names = [...byProtocol.values()].flat().sort();
    context.report('IST0116', deployment, [deployment.name, port, names], ['metadata', 'name']);
  }
}

/** Services that lead different ports to one. */
function reportTargetPorts(deployment: Resource<'Deployment'>, services: Services, context: AnalysisContext): void {
  const byTarget = new Map<string, Map<number, string>>();
  for (const service of services) {
    for (const { port = 0, targetPort } of service.spec.ports ?? []) {
      const target = String(targetPort || port);
      byTarget.set(target, (byTarget.get(target) ?? new Map<number, string>()).set(port, fullName(service)));
    }
  }
  for (const [target, byPort] of byTarget) {
    if (byPort.size < 2) continue;
    const ports = [...byPort.keys()].sort((a, b) => a - b);
    const names = [...byPort.values()].sort();
    context.report('IST0137', deployment, [deployment.name, names, target, ports], ['metadata', 'name']);
  }
}
