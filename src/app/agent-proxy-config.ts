import type { ProxyConfig } from '../agent/environment/proxy-config.ts';
import { UserError } from '../base/errors.ts';
import {
  applyProxyConfig,
  type CompleteProxyConfig,
  DEFAULT_PROXY_CONFIG,
} from '../config/kinds/mesh-config/defaults.ts';
import { type MeshProxyConfig, meshProxyConfigSchema } from '../config/kinds/mesh-config/proxy-schema.ts';
import type { MeshReading } from '../config/kinds/mesh-config/read.ts';
import { validateMeshProxyConfig } from '../config/kinds/mesh-config/validate-proxy.ts';
import { formatMessage } from '../config/message.ts';
import { Report } from '../config/report.ts';
import { readWith } from '../config/schema/index.ts';

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
  privateKeyProvider: 'private keys are worked with in software',
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

const ENVIRONMENT = 'PROXY_CONFIG';
const ANNOTATION = 'annotation proxy.istio.io/config';

async function readLayers(texts: ProxyConfigTexts, warnings: string[]): Promise<Layer[]> {
  const layers: Layer[] = [];
  if (texts.meshConfig) layers.push(await readMeshLayer(texts.meshConfig, texts.meshConfigFile, warnings));
  if (texts.environment) layers.push(await readLayer(texts.environment, ENVIRONMENT, warnings));
  if (texts.annotation) layers.push(await readLayer(texts.annotation, ANNOTATION, warnings));
  return layers;
}

async function readMeshLayer(text: string, file: string, warnings: string[]): Promise<Layer> {
  const [{ readMeshConfig }, { parseYaml }] = await Promise.all([
    import('../config/kinds/mesh-config/read.ts'),
    import('../config/yaml/parse.ts'),
  ]);
  const { defaultConfig = {} } = taken(readMeshConfig(text, file), warnings);
  const raw = parseYaml(text, file).documents[0]?.value as { readonly defaultConfig?: MeshProxyConfig } | undefined;
  return { config: defaultConfig, json: raw?.defaultConfig ?? {} };
}

/** Most texts are JSON, written by an injector, and good: then a sidecar does without a reader of YAML. */
async function readLayer(text: string, name: string, warnings: string[]): Promise<Layer> {
  const json = parseJson(text);
  if (json !== undefined) {
    const { value, violations } = readWith(meshProxyConfigSchema, json);
    if (value !== undefined) {
      const found = [...violations];
      validateMeshProxyConfig(value, new Report(found));
      if (found.length === 0) return { config: value, json };
    }
  }
  const [{ readProxyConfig }, { parseYaml }] = await Promise.all([
    import('../config/kinds/mesh-config/read.ts'),
    import('../config/yaml/parse.ts'),
  ]);
  const config = taken(readProxyConfig(text, name), warnings);
  return { config, json: (parseYaml(text, name).documents[0]?.value ?? {}) as MeshProxyConfig };
}

function parseJson(text: string): MeshProxyConfig | undefined {
  try {
    return JSON.parse(text) as MeshProxyConfig;
  } catch {
    return undefined;
  }
}

function taken<T>({ value, errors, warnings: found }: MeshReading<T>, warnings: string[]): T {
  if (value === undefined) throw new UserError(errors.map(formatMessage).join('\n'));
  warnings.push(...found.map(formatMessage));
  return value;
}

function withoutUndefined(json: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(json).filter(([, value]) => value !== undefined));
}
