import type { ProxyConfig } from '../agent/environment/proxy-config.ts';
import { UserError } from '../base/errors.ts';
import {
  applyProxyConfig,
  type CompleteProxyConfig,
  DEFAULT_PROXY_CONFIG,
} from '../config/kinds/mesh-config/defaults.ts';
import type { MeshProxyConfig } from '../config/kinds/mesh-config/proxy-schema.ts';

/** The texts that make up the configuration of a proxy, from the weakest to the strongest. */
export interface ProxyConfigTexts {
  /** Mesh configuration, whose `defaultConfig` counts. */
  readonly meshConfig: string | undefined;
  readonly meshConfigFile: string;
  /** `PROXY_CONFIG`. */
  readonly environment: string | undefined;
  /** The annotation `proxy.istio.io/config` of the pod. */
  readonly annotation: string | undefined;
  /** `--serviceCluster` and `--concurrency`; the defaults of pilot-agent say nothing. */
  readonly serviceCluster: string;
  readonly concurrency: number;
}

export interface EffectiveProxyConfig {
  readonly proxyConfig: ProxyConfig;
  readonly json: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
}

const DEFAULT_SERVICE_CLUSTER = 'istio-proxy';

/** The defaults as they stand in a text: durations with their units. */
const DEFAULT_JSON = {
  ...DEFAULT_PROXY_CONFIG,
  drainDuration: `${DEFAULT_PROXY_CONFIG.drainDuration / 1000}s`,
  terminationDrainDuration: `${DEFAULT_PROXY_CONFIG.terminationDrainDuration / 1000}s`,
};

/** Fields that are read and have no effect here, with the reason. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  readinessProbe: 'the health of a workload is not reported to the control plane',
  zipkinAddress: 'tracing is set up with the Telemetry API',
  tracing: 'tracing is set up with the Telemetry API',
  statsdUdpAddress: 'metrics are for Prometheus only',
  envoyAccessLogService: 'access logs are set up with the Telemetry API',
  envoyMetricsService: 'metrics are for Prometheus only',
  privateKeyProvider: 'there is no hardware for private keys',
};

/** Lays the texts over the defaults as pilot-agent does. Throws a UserError that names text, line and field of what is wrong. */
export async function effectiveProxyConfig(texts: ProxyConfigTexts): Promise<EffectiveProxyConfig> {
  const warnings: string[] = [];
  const flags: MeshProxyConfig = {
    ...(texts.serviceCluster !== DEFAULT_SERVICE_CLUSTER && { serviceCluster: texts.serviceCluster }),
    ...(texts.concurrency > 0 && { concurrency: texts.concurrency }),
  };
  let config: CompleteProxyConfig = DEFAULT_PROXY_CONFIG;
  // The same fields, as they were written: to lay one over the other does not depend on how their values are spelled.
  let json = DEFAULT_JSON as unknown as CompleteProxyConfig;
  for (const layer of [...(await readLayers(texts, warnings)), { config: flags, json: flags }]) {
    config = applyProxyConfig(layer.config, config);
    json = applyProxyConfig(layer.json, json);
  }
  for (const [field, reason] of Object.entries(WITHOUT_EFFECT)) {
    if (config[field as keyof CompleteProxyConfig] !== undefined)
      warnings.push(`proxyConfig.${field} has no effect: ${reason}`);
  }
  return { proxyConfig: config, json: withoutUndefined(json), warnings };
}

interface Layer {
  readonly config: MeshProxyConfig;
  readonly json: MeshProxyConfig;
}

/** The reader is loaded only if there is something to read: it is larger than the rest of an agent. */
async function readLayers(texts: ProxyConfigTexts, warnings: string[]): Promise<Layer[]> {
  const { meshConfig, environment, annotation, meshConfigFile } = texts;
  if (!meshConfig && !environment && !annotation) return [];
  const { readMeshConfig, readProxyConfig } = await import('../config/kinds/mesh-config/read.ts');
  const { parseYaml } = await import('../config/yaml/parse.ts');
  const { formatMessage } = await import('../config/message.ts');
  const rawOf = (text: string, name: string) => (parseYaml(text, name).documents[0]?.value ?? {}) as object;
  const layers: Layer[] = [];
  if (meshConfig) {
    const { value, errors, warnings: found } = readMeshConfig(meshConfig, meshConfigFile);
    if (!value) throw new UserError(errors.map(formatMessage).join('\n'));
    warnings.push(...found.map(formatMessage));
    const raw = rawOf(meshConfig, meshConfigFile) as { readonly defaultConfig?: MeshProxyConfig };
    layers.push({ config: value.defaultConfig ?? {}, json: raw.defaultConfig ?? {} });
  }
  for (const [text, name] of [
    [environment, 'PROXY_CONFIG'],
    [annotation, 'annotation proxy.istio.io/config'],
  ] as const) {
    if (!text) continue;
    const { value, errors, warnings: found } = readProxyConfig(text, name);
    if (!value) throw new UserError(errors.map(formatMessage).join('\n'));
    warnings.push(...found.map(formatMessage));
    layers.push({ config: value, json: rawOf(text, name) });
  }
  return layers;
}

function withoutUndefined(json: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(json).filter(([, value]) => value !== undefined));
}
