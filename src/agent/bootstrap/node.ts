import type { AgentEnvironment } from '../environment/environment.ts';
import type { ProxyConfig } from '../environment/proxy-config.ts';

/** What an agent knows about the proxy that it runs. */
export interface NodeOptions {
  readonly role: 'sidecar' | 'router';
  readonly environment: AgentEnvironment;
  readonly proxyConfig: ProxyConfig;
  /** The same as JSON, as a control plane reads it from the node. */
  readonly proxyConfigJson: Readonly<Record<string, unknown>>;
  /** `--domain`: DNS domain of the node; `NAMESPACE.svc.cluster.local` unless told. */
  readonly domain: string | undefined;
  /** From the downward API. */
  readonly podLabels: Readonly<Record<string, string>>;
  readonly podAnnotations: Readonly<Record<string, string>>;
  /** Istio's version whose behaviour this is. */
  readonly version: string;
  /** `--outlierLogPath`: file of the ejections of hosts. */
  readonly outlierLogPath?: string | undefined;
  /** Names that discovery's certificate may be for; empty without TLS. */
  readonly pilotSan: readonly string[];
}

export interface Locality {
  readonly region?: string;
  readonly zone?: string;
  readonly sub_zone?: string;
}

/** `node` of a bootstrap, as JSON. */
export interface BootstrapNode {
  readonly id: string;
  readonly cluster: string;
  readonly locality: Locality;
  readonly metadata: Readonly<Record<string, unknown>>;
}

const LOCALITY_LABEL = 'istio-locality';
/** Added by Deployments to tell their ReplicaSets apart; says nothing about the workload. */
const TEMPLATE_HASH_LABEL = 'pod-template-hash';
const META_PREFIX = 'ISTIO_META_';
const NO_NAME = 'istio-proxy';

/** The node by which a proxy makes itself known: `TYPE~IP~POD.NAMESPACE~DOMAIN`, and Istio's metadata. */
export function buildNode(options: NodeOptions): BootstrapNode {
  const { role, environment, domain } = options;
  const { podName, podNamespace, instanceIp } = environment;
  const labels = labelsOf(options);
  const locality = labels[LOCALITY_LABEL] ?? '';
  const metadata = metadataOf(options, labels);
  return {
    id: [
      role,
      instanceIp,
      `${podName}.${podNamespace}`,
      domain === undefined || domain === '' ? `${podNamespace}.svc.cluster.local` : domain,
    ].join('~'),
    cluster: clusterName(options.proxyConfig, metadata, labels, podNamespace),
    locality: parseLocality(locality),
    metadata,
  };
}

function labelsOf({ environment, podLabels }: NodeOptions): Record<string, string> {
  const labels: Record<string, string> = { ...environment.labels };
  for (const [key, value] of Object.entries(podLabels)) if (key !== TEMPLATE_HASH_LABEL) labels[key] = value;
  const locality = labels[LOCALITY_LABEL];
  if (locality !== undefined) labels[LOCALITY_LABEL] = sanitizeLocality(locality);
  return labels;
}

/** A label cannot hold a slash, so that dots stand for it: `region.zone.subzone`. */
function sanitizeLocality(label: string): string {
  return label.includes('/') ? label : label.replaceAll('.', '/');
}

function parseLocality(text: string): Locality {
  const [region, zone, sub_zone] = text.split('/');
  return { ...(region && { region }), ...(zone && { zone }), ...(sub_zone && { sub_zone }) };
}

function metadataOf(options: NodeOptions, labels: Readonly<Record<string, string>>): Record<string, unknown> {
  const { environment, proxyConfig, proxyConfigJson, podAnnotations, version, pilotSan } = options;
  const { podName, podNamespace, serviceAccount, instanceIps, exitOnZeroActiveConnections } = environment;
  const metadata: Record<string, unknown> = { ISTIO_VERSION: version };
  for (const [name, value] of Object.entries(proxyConfig.proxyMetadata ?? {})) {
    if (name.startsWith(META_PREFIX)) metadata[name.slice(META_PREFIX.length)] = value;
  }
  Object.assign(metadata, environment.metadata);
  const annotations = { ...(metadata.ANNOTATIONS as object | undefined), ...podAnnotations };
  return {
    ...metadata,
    ...(Object.keys(annotations).length > 0 && { ANNOTATIONS: annotations }),
    ...(environment.clusterId !== undefined && { CLUSTER_ID: environment.clusterId }),
    ENVOY_PROMETHEUS_PORT: environment.prometheusListenerPort,
    ENVOY_STATUS_PORT: environment.statusListenerPort,
    ...(exitOnZeroActiveConnections && { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true' }),
    INSTANCE_IPS: instanceIps.join(','),
    LABELS: labels,
    NAME: podName,
    NAMESPACE: podNamespace,
    ...(options.outlierLogPath && { OUTLIER_LOG_PATH: options.outlierLogPath }),
    ...(pilotSan.length > 0 && { PILOT_SAN: pilotSan }),
    PROXY_CONFIG: proxyConfigJson,
    SERVICE_ACCOUNT: serviceAccount,
  };
}

/** `node.cluster`, by which traces and access logs call the workload. */
function clusterName(
  config: ProxyConfig,
  metadata: Readonly<Record<string, unknown>>,
  labels: Readonly<Record<string, string>>,
  namespace: string,
): string {
  const workload = typeof metadata.WORKLOAD_NAME === 'string' ? metadata.WORKLOAD_NAME : '';
  const orDefault = (name: string) => {
    if (name !== '' && name !== NO_NAME) return name;
    return `${labels.app || workload || NO_NAME}.${namespace}`;
  };
  const canonical =
    labels['service.istio.io/canonical-name'] || labels['app.kubernetes.io/name'] || labels.app || workload || NO_NAME;
  switch (config.tracingServiceName) {
    case 'CANONICAL_NAME_ONLY':
      return orDefault(canonical);
    case 'CANONICAL_NAME_AND_NAMESPACE':
      return `${canonical}.${namespace}`;
    case 'APP_LABEL_AND_NAMESPACE':
      return orDefault('');
    default:
      return orDefault(config.serviceCluster ?? '');
  }
}
