import type { Container, Probe } from '../../config/kinds/shared/pod-spec.ts';
import { PROXY_PORTS } from '../proxy-ports.ts';

type Annotations = Readonly<Record<string, string>>;

const KINDS = { livenessProbe: 'livez', readinessProbe: 'readyz', startupProbe: 'startupz' } as const;
const REWRITE = 'sidecar.istio.io/rewriteAppHTTPProbers';

/**
 * `ISTIO_KUBE_APP_PROBERS`, as Istio's injector writes it: what the agent is to ask of the programs for those who probe
 * `/app-health/CONTAINER/readyz` at its port, past mutual TLS. Undefined if there is nothing to ask.
 */
export function appProbers(containers: readonly Container[], annotations: Annotations): string | undefined {
  if (annotations[REWRITE]?.toLowerCase() === 'false') return undefined;
  const probers: Record<string, object> = {};
  for (const container of containers) {
    for (const [kind, name] of Object.entries(KINDS) as [keyof typeof KINDS, string][]) {
      const { httpGet, tcpSocket, grpc, timeoutSeconds } = container[kind] ?? {};
      const port = portNumber(httpGet?.port ?? tcpSocket?.port ?? grpc?.port, container);
      if (port === undefined) continue;
      probers[`/app-health/${container.name}/${name}`] = {
        ...(httpGet && { httpGet: { ...httpGet, port } }),
        ...(tcpSocket && { tcpSocket: { ...tcpSocket, port } }),
        ...(grpc && { grpc: { ...grpc, port } }),
        ...(timeoutSeconds !== undefined && { timeoutSeconds }),
      };
    }
  }
  return Object.keys(probers).length === 0 ? undefined : JSON.stringify(probers);
}

/** The container with the probes as Istio's injector rewrites them: the agent is asked, and asks the program. */
export function withRewrittenProbes(container: Container, annotations: Annotations): Container {
  if (annotations[REWRITE]?.toLowerCase() === 'false') return container;
  const rewritten: Partial<Record<keyof typeof KINDS, Probe>> = {};
  for (const [kind, name] of Object.entries(KINDS) as [keyof typeof KINDS, string][]) {
    const { httpGet, tcpSocket, grpc, ...times } = container[kind] ?? {};
    if (!(httpGet ?? tcpSocket ?? grpc)) continue;
    const { httpHeaders } = httpGet ?? {};
    const path = `/app-health/${container.name}/${name}`;
    rewritten[kind] = { ...times, httpGet: { path, port: PROXY_PORTS.status, ...(httpHeaders && { httpHeaders }) } };
  }
  return { ...container, ...rewritten };
}

/** Names of ports are the container's own. */
function portNumber(port: number | string | undefined, { ports = [] }: Container): number | undefined {
  if (typeof port === 'number' || port === undefined) return port;
  return ports.find(({ name }) => name === port)?.containerPort;
}

/**
 * `ISTIO_PROMETHEUS_ANNOTATIONS`, as Istio's injector writes it: where the agent finds the metrics of the program, which
 * it serves with its own. Undefined if the pod does not say so, or does not want it.
 */
export function scrapeAnnotations(annotations: Annotations): string | undefined {
  if (annotations['prometheus.istio.io/merge-metrics'] === 'false') return undefined;
  if (annotations['prometheus.io/scrape'] !== 'true') return undefined;
  const path = annotations['prometheus.io/path'] ?? '';
  const port = annotations['prometheus.io/port'] ?? '';
  return JSON.stringify({ scrape: 'true', path, port });
}

/** The probe of the proxy with what annotations say of it (`readiness.status.sidecar.istio.io/*`). */
export function proxyReadiness(probe: Probe, annotations: Annotations): Probe {
  const number = (name: string) => {
    const text = annotations[`readiness.status.sidecar.istio.io/${name}`] ?? '';
    return /^\d{1,6}$/.test(text) ? { [name]: Number(text) } : {};
  };
  return { ...probe, ...number('initialDelaySeconds'), ...number('periodSeconds'), ...number('failureThreshold') };
}
