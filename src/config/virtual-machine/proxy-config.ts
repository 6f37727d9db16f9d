import { UserError } from '../../base/errors.ts';
import { parseYaml } from '../yaml/parse.ts';
import type { JoiningGroup } from './joining-group.ts';

/** JSON as it was written in YAML. */
export type Json = { readonly [key: string]: unknown };

type Texts = Readonly<Record<string, string>>;

export interface MembershipOptions {
  /** Namespace of the control plane. */
  readonly istioNamespace: string;
  /** Of the control plane that the machine joins; empty or `default` for the only one. */
  readonly revision: string;
  readonly clusterId: string;
  /** The control plane makes a WorkloadEntry of the machine when it connects. */
  readonly autoRegister: boolean;
  /** The agent answers the machine's DNS queries. */
  readonly captureDns: boolean;
}

const PROXY_CONFIG = 'proxy.istio.io/config';
const XDS_PORT = 15012;

export function isRevisioned(revision: string): boolean {
  return revision !== '' && revision !== 'default';
}

/** The name that a control plane's certificate is for, and that machines find it by. */
export function istiodHost(istioNamespace: string, revision: string): string {
  return `istiod${isRevisioned(revision) ? `-${revision}` : ''}.${istioNamespace}.svc`;
}

export function istiodAddress(istioNamespace: string, revision: string): string {
  return `${istiodHost(istioNamespace, revision)}:${XDS_PORT}`;
}

/**
 * The configuration of a machine's proxy (ProxyConfig as JSON): the mesh's, over it that of the group's annotations, and
 * what makes the proxy a member of the group.
 */
export function memberProxyConfig(group: JoiningGroup, mesh: Json, options: MembershipOptions): Json {
  const { name, namespace, spec } = group;
  const { istioNamespace, revision } = options;
  const base = (mesh.defaultConfig ?? {}) as Json;
  let config: Json = { ...base };
  if (isRevisioned(revision) && !config.discoveryAddress)
    config = { ...config, discoveryAddress: istiodAddress(istioNamespace, revision) };
  const metadata: Record<string, string> = { ...(base.proxyMetadata as Texts | undefined) };
  for (const annotations of [group.annotations, spec.metadata?.annotations ?? {}]) {
    const text = annotations[PROXY_CONFIG];
    if (text === undefined) continue;
    const over = readAnnotation(text, `annotation ${PROXY_CONFIG} of ${namespace}/${name}`);
    config = { ...config, ...over };
    Object.assign(metadata, over.proxyMetadata);
  }
  Object.assign(metadata, membership(group, mesh, config, options));
  const { readinessProbe: _, ...rest } = config;
  return { ...rest, proxyMetadata: metadata, ...(spec.probe && { readinessProbe: spec.probe }) };
}

function readAnnotation(text: string, name: string): Json {
  const { documents, problems } = parseYaml(text, name);
  if (problems[0]) throw new UserError(`${name}: ${problems[0].message}`);
  return (documents[0]?.value ?? {}) as Json;
}

/** The variables by which an agent, and the control plane through its node's metadata, know what the machine is. */
function membership(
  { name, namespace, spec }: JoiningGroup,
  mesh: Json,
  config: Json,
  options: MembershipOptions,
): Texts {
  const { template } = spec;
  const labels: Texts = { ...spec.metadata?.labels, ...template?.labels };
  const service = labels['service.istio.io/canonical-name'] || labels['app.kubernetes.io/name'] || labels.app || name;
  const revision =
    labels['service.istio.io/canonical-revision'] || labels['app.kubernetes.io/version'] || labels.version || 'latest';
  const ports = Object.entries(template?.ports ?? {}).map(([port, containerPort]) => ({ name: port, containerPort }));
  ports.sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    CANONICAL_SERVICE: service,
    CANONICAL_REVISION: revision,
    POD_NAMESPACE: namespace,
    SERVICE_ACCOUNT: template?.serviceAccount ?? 'default',
    TRUST_DOMAIN: String(mesh.trustDomain ?? ''),
    ISTIO_META_CLUSTER_ID: options.clusterId,
    ISTIO_META_MESH_ID: String(config.meshId ?? ''),
    ISTIO_META_NETWORK: template?.network ?? '',
    ...(ports.length > 0 && { ISTIO_META_POD_PORTS: JSON.stringify(ports) }),
    ISTIO_META_WORKLOAD_NAME: name,
    ISTIO_METAJSON_LABELS: sortedJson({
      ...labels,
      'service.istio.io/canonical-name': service,
      'service.istio.io/canonical-revision': revision,
    }),
    ...(options.captureDns && { ISTIO_META_DNS_CAPTURE: 'true' }),
    ...(options.autoRegister && { ISTIO_META_AUTO_REGISTER_GROUP: name }),
  };
}

function sortedJson(labels: Texts): string {
  return JSON.stringify(Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))));
}
