import { matchesLabels } from '../../config/labels.ts';
import { subsetsOf } from './destination-rule.ts';
import { type AskProxy, find, type MeshObjects, type Pod, SEPARATOR, type Service, stale } from './subject.ts';
import { describeVirtualService } from './virtual-service.ts';

/** How services are reached from outside, by the ingress gateways that run. */
export async function describeIngress(
  services: readonly Service[],
  labels: readonly Readonly<Record<string, string>>[],
  mesh: MeshObjects,
  ask: AskProxy,
  namespace: string,
): Promise<string[]> {
  const pods = mesh.pods.filter(
    ({ object, phase }) => object.metadata.labels.istio === 'ingressgateway' && phase === 'Running',
  );
  if (pods.length === 0) return ['Skipping Gateway information (no ingress gateway pods)'];
  const entries = mesh.services.flatMap((service) => {
    const behind = pods.filter((pod) => isBehind(pod, service));
    return behind.length === 0 ? [] : [{ service, pods: behind }];
  });
  if (entries.length === 0) return ['Skipping Gateway information (no ingress gateway service)'];
  const lines: string[] = [];
  const told = new Set<string>();
  for (const pod of pods) {
    const proxy = await ask(pod);
    for (const service of services) {
      for (const { port } of service.spec.ports ?? []) {
        const ruleReference = proxy.destinationRule(service, port);
        const rule = find(mesh.destinationRules, ruleReference);
        if (ruleReference !== undefined && rule === undefined) lines.push(stale('destination rule', ruleReference));
        const reference = proxy.virtualService(service, port);
        if (reference === undefined) continue;
        const route = find(mesh.virtualServices, reference);
        if (route === undefined) {
          lines.push(stale('virtual service', reference));
          continue;
        }
        for (const name of route.spec.gateways ?? []) {
          const [own, of] = name.includes('/') ? name.split('/', 2) : [route.metadata.namespace, name];
          const id = `${own}/${of}`;
          if (name === '' || name === 'mesh' || told.has(id)) continue;
          const gateway = find(mesh.gateways, { namespace: own!, name: of! });
          if (gateway === undefined) {
            lines.push(`WARNING: Proxy is stale; it references to non-existent gateway ${id}`);
            continue;
          }
          told.add(id);
          const { selector = {} } = gateway.spec;
          const at = entries.filter((entry) =>
            entry.pods.some(({ object }) => matchesLabels(selector, object.metadata.labels)),
          );
          if (at.length === 0) continue;
          const subsets = subsetsOf(rule, labels);
          lines.push(SEPARATOR, ...at.flatMap((entry) => urlsOf(entry.service, mesh)));
          lines.push(...describeVirtualService(route, { service, subsets, rule }, namespace));
        }
      }
    }
  }
  return lines;
}

function isBehind({ object: { metadata } }: Pod, service: Service): boolean {
  const { selector = {} } = service.spec;
  const hasSelector = Object.keys(selector).length > 0;
  return hasSelector && metadata.namespace === service.metadata.namespace && matchesLabels(selector, metadata.labels);
}

/** The most basic ports: those of others only listen once somebody asks for them. */
const SHOWN_PORTS: ReadonlySet<string> = new Set(['http', 'http2']);

function urlsOf({ metadata, spec }: Service, { urls }: MeshObjects): string[] {
  const ports = (spec.ports ?? []).filter(({ name }) => SHOWN_PORTS.has(name ?? ''));
  return ports.flatMap(({ port }) =>
    urls
      .filter((published) => published.gateway === metadata.name && published.port === port)
      .map(({ url }) => `Exposed on Ingress Gateway ${url.includes('://') ? url : `http://${url}`}`),
  );
}
