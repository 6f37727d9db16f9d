import { type ConfigMessage, messageFrom } from '../../message.ts';
import type { FieldPath } from '../../object.ts';
import { Report } from '../../report.ts';
import { readWith, type Schema, type Violation } from '../../schema/index.ts';
import { parseYaml } from '../../yaml/parse.ts';
import { type MeshNetworks, meshNetworksSchema } from './networks.ts';
import { type MeshConfig, type MeshProxyConfig, meshConfigSchema, meshProxyConfigSchema } from './schema.ts';
import { validateMeshConfig, validateMeshNetworks } from './validate.ts';
import { validateMeshProxyConfig } from './validate-proxy.ts';

/** A piece of the mesh's own configuration; `value` is undefined when there are errors. */
export interface MeshReading<T> {
  readonly value: T | undefined;
  readonly errors: readonly ConfigMessage[];
  readonly warnings: readonly ConfigMessage[];
}

/** Reads a mesh configuration: the file of `--meshConfig`, or the text under `mesh` of the ConfigMap `istio`. */
export function readMeshConfig(text: string, file: string): MeshReading<MeshConfig> {
  return readYaml(text, file, meshConfigSchema, validateMeshConfig);
}

/** Reads the networks of a mesh: the file of `--networksConfig`, or the text under `meshNetworks` of the ConfigMap. */
export function readMeshNetworks(text: string, file: string): MeshReading<MeshNetworks> {
  return readYaml(text, file, meshNetworksSchema, validateMeshNetworks);
}

/** Reads the configuration of a proxy, such as the annotation `proxy.istio.io/config` of a pod. */
export function readProxyConfig(text: string, file: string): MeshReading<MeshProxyConfig> {
  return readYaml(text, file, meshProxyConfigSchema, validateMeshProxyConfig);
}

function readYaml<T>(
  text: string,
  file: string,
  schema: Schema<T>,
  validate: (value: T, report: Report) => void,
): MeshReading<T> {
  const { documents, problems } = parseYaml(text, file);
  if (problems.length > 0) return { value: undefined, errors: problems, warnings: [] };
  if (documents.length > 1) {
    const at = documents[1]!.locate([]);
    return { value: undefined, errors: [{ message: 'must be one document', at }], warnings: [] };
  }
  const document = documents[0];
  const { value, violations } = readAndValidate(document?.value ?? {}, schema, validate);
  const locate = (path: FieldPath) => document?.locate(path) ?? { file };
  const of = (severity: Violation['severity']): ConfigMessage[] =>
    violations.filter((v) => v.severity === severity).map((v) => messageFrom(v, undefined, locate));
  return { value, errors: of('error'), warnings: of('warning') };
}

function readAndValidate<T>(
  json: unknown,
  schema: Schema<T>,
  validate: (value: T, report: Report) => void,
): { readonly value: T | undefined; readonly violations: readonly Violation[] } {
  const reading = readWith(schema, json);
  if (reading.value === undefined) return reading;
  const violations = [...reading.violations];
  validate(reading.value, new Report(violations));
  return { value: violations.some((v) => v.severity === 'error') ? undefined : reading.value, violations };
}

/** Checks mesh configuration that stands as text inside of another object; paths go into the text. */
export function validateEmbedded(text: string, what: 'mesh' | 'meshNetworks', report: Report): void {
  const { documents, problems } = parseYaml(text, '');
  for (const problem of problems) report.error(`${problem.message} in its line ${problem.at.line}`);
  if (problems.length > 0) return;
  const json = documents[0]?.value ?? {};
  const { violations } =
    what === 'mesh'
      ? readAndValidate(json, meshConfigSchema, validateMeshConfig)
      : readAndValidate(json, meshNetworksSchema, validateMeshNetworks);
  for (const { path, message, severity } of violations) {
    if (severity === 'error') report.error(message, ...path);
    else report.warning(message, ...path);
  }
}
