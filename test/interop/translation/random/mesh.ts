import { extensionProvider } from '../../../../src/config/kinds/mesh-config/extension-provider.ts';
import {
  type MeshConfig,
  meshConfigSchema,
  meshProxyConfigSchema,
} from '../../../../src/config/kinds/mesh-config/schema.ts';
import { validateMeshConfig } from '../../../../src/config/kinds/mesh-config/validate.ts';
import { validateMeshProxyConfig } from '../../../../src/config/kinds/mesh-config/validate-proxy.ts';
import { Report } from '../../../../src/config/report.ts';
import { readWith, type Schema, type Violation } from '../../../../src/config/schema/index.ts';
import { remove } from './objects.ts';
import type { Random } from './prng.ts';
import { MESH_RATES, MESH_RULES, PROVIDERS } from './rules-mesh.ts';
import { NETWORKING_RATES, NETWORKING_RULES } from './rules-networking.ts';
import { POLICY_RATES, POLICY_RULES } from './rules-policy.ts';
import { type Walk, walk } from './walk.ts';

type Fields = Record<string, unknown>;

const settingsOf = (random: Random, density: number): Walk => ({
  random,
  rules: { ...NETWORKING_RULES, ...POLICY_RULES, ...MESH_RULES },
  rates: { ...NETWORKING_RATES, ...POLICY_RATES, ...MESH_RATES },
  density,
});

/** A mesh configuration that istiod starts with. */
export function randomMesh(random: Random): Fields {
  const settings = settingsOf(random, random.pick([0, 0.05, 0.15, 0.3]));
  const mesh = walk(settings, meshConfigSchema, 'MeshConfig') as Fields;
  if (random.chance(0.7)) mesh.extensionProviders = providers(settings);
  mesh.defaultConfig = { ...(mesh.defaultConfig as Fields | undefined), discoveryAddress: '127.0.0.1:1' };
  return repaired(mesh, meshConfigSchema, validateMeshConfig as (value: MeshConfig, report: Report) => void);
}

/** What the agent of a proxy tells of its configuration. */
export function randomProxyConfig(random: Random): Fields {
  const made = walk(settingsOf(random, random.pick([0.05, 0.2])), meshProxyConfigSchema, 'MeshConfig.defaultConfig');
  const config = { ...(made as Fields), discoveryAddress: '127.0.0.1:1' };
  return repaired(config, meshProxyConfigSchema, validateMeshProxyConfig);
}

function providers(settings: Walk): Fields[] {
  const { random } = settings;
  return random.sample(PROVIDERS, random.int(1, PROVIDERS.length)).map(([name, type, needed]) => {
    const schema = extensionProvider.fields[type];
    const made = walk(settings, schema, `MeshConfig.extensionProviders[].${type}`) as Fields;
    const fields = { ...made, ...needed };
    if (name === 'otel-grpc') delete fields.http;
    if (name === 'otel-http') {
      fields.http ??= { path: '/v1/traces' };
      delete fields.grpc;
    }
    if (type === 'lightstep') fields.accessToken ??= 'token';
    return { name, [type]: fields };
  });
}

function repaired<T>(json: Fields, schema: Schema<T>, validate: (value: T, report: Report) => void): Fields {
  for (let i = 0; i < 60; i++) {
    const { value, violations } = readWith(schema, json);
    const found: Violation[] = [...violations];
    if (value !== undefined) validate(value, new Report(found));
    const first = found.find(({ severity }) => severity === 'error');
    if (first === undefined) return json;
    if (!remove({ '': json }, ['', ...first.path])) throw new Error(`${first.path.join('.')} ${first.message}`);
  }
  throw new Error('a random mesh configuration could not be made valid');
}
