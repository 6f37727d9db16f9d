import type { JoiningGroup } from './joining-group.ts';
import { isRevisioned, istiodAddress, type Json } from './proxy-config.ts';

export interface ClusterEnvOptions {
  readonly istioNamespace: string;
  readonly revision: string;
  /** Address of the machine in its own network, or the one by which others reach it; at most one of them. */
  readonly internalIp?: string;
  readonly externalIp?: string;
}

/** Ports that are never captured: ssh, so that a machine can always be reached, metrics, readiness, and the agent's. */
const EXCLUDED_PORTS = [22, 15090, 15021];
const STATUS_PORT = 15020;

/** The variables of `cluster.env`: the proxy's own (`proxyMetadata`), over them those about capture and identity. */
export function clusterEnv(group: JoiningGroup, proxyConfig: Json, options: ClusterEnvOptions): Record<string, string> {
  const { name, namespace, spec } = group;
  const { istioNamespace, revision, internalIp, externalIp } = options;
  const ports = Object.values(spec.template?.ports ?? {}).sort((a, b) => a - b);
  const statusPort = Number(proxyConfig.statusPort ?? 0) || STATUS_PORT;
  return {
    ...(proxyConfig.proxyMetadata as Readonly<Record<string, string>>),
    ISTIO_INBOUND_PORTS: ports.length > 0 ? ports.join(',') : '*',
    ISTIO_NAMESPACE: namespace,
    ISTIO_SERVICE: `${name}.${namespace}`,
    ISTIO_SERVICE_CIDR: '*',
    ISTIO_LOCAL_EXCLUDE_PORTS: [...new Set([...EXCLUDED_PORTS, statusPort])].join(','),
    SERVICE_ACCOUNT: spec.template?.serviceAccount ?? 'default',
    ...(isRevisioned(revision) && { CA_ADDR: istiodAddress(istioNamespace, revision) }),
    ...(internalIp && { ISTIO_SVC_IP: internalIp }),
    ...(!internalIp && externalIp && { ISTIO_SVC_IP: externalIp, REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION: 'true' }),
  };
}

/** Variables as lines that a shell can read, sorted. Ends with a newline. */
export function formatClusterEnv(env: Readonly<Record<string, string>>): string {
  const lines = Object.entries(env).map(([name, value]) => `${name}='${value.replaceAll("'", `'"'"'`)}'`);
  return `${lines.sort().join('\n')}\n`;
}

/** Reads what {@link formatClusterEnv} has written, and lines `NAME=value` without quotes. Other lines say nothing. */
export function parseClusterEnv(text: string): Record<string, string> {
  const env: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const match = /^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*?)\s*$/.exec(line);
    if (match) env[match[1]!] = unquote(match[2]!);
  }
  return env;
}

/** Pieces in single or double quotes, and bare ones, stand side by side as in a shell; nothing is expanded. */
function unquote(text: string): string {
  return text.replace(/'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/g, (_, single, double, escaped) => {
    if (single !== undefined) return single;
    return double !== undefined ? double.replace(/\\(["\\$`])/g, '$1') : escaped;
  });
}
