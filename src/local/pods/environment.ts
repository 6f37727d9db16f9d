import os from 'node:os';
import type { Container, EnvironmentVariable } from '../../config/kinds/shared/pod-spec.ts';
import type { DesiredPod } from './desired-pod.ts';

/** Something that a pod needs and that is not there, in Kubernetes' words. */
export class MissingObject extends Error {}

/** Values of ConfigMaps and Secrets by name, in the namespace of the pod. */
export interface Values {
  configMap(name: string): ReadonlyMap<string, Uint8Array> | undefined;
  secret(name: string): ReadonlyMap<string, Uint8Array> | undefined;
}

/** What a pod is told about itself. */
export interface PodFacts {
  readonly pod: DesiredPod;
  readonly uid: string;
  readonly podIp: string;
  /** Its address of IPv6, if it has one as well. */
  readonly podIpv6?: string | undefined;
  readonly serviceAccount: string;
}

/**
 * The variables that a container names, over those in `base`, with `$(NAME)` replaced as Kubernetes does. Throws
 * MissingObject for a key that is required and not there.
 */
export function containerEnvironment(
  container: Container,
  base: Readonly<Record<string, string>>,
  facts: PodFacts,
  values: Values,
): Record<string, string> {
  const env: Record<string, string> = { ...base };
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const kind = configMapRef ? 'configmap' : 'secret';
    const ref = configMapRef ?? secretRef;
    if (ref?.name === undefined) continue;
    const found = configMapRef ? values.configMap(ref.name) : values.secret(ref.name);
    if (found === undefined && !ref.optional) throw new MissingObject(`${kind} "${ref.name}" not found`);
    for (const [key, value] of found ?? []) env[prefix + key] = Buffer.from(value).toString('utf8');
  }
  for (const variable of container.env ?? []) {
    const value = variableValue(variable, facts, values);
    if (value !== undefined) env[variable.name] = expand(value, env);
  }
  return env;
}

function variableValue(variable: EnvironmentVariable, facts: PodFacts, values: Values): string | undefined {
  const { value, valueFrom } = variable;
  if (valueFrom === undefined) return value ?? '';
  const { fieldRef, configMapKeyRef, secretKeyRef } = valueFrom;
  if (fieldRef !== undefined) return fieldOf(fieldRef.fieldPath, facts);
  const ref = configMapKeyRef ?? secretKeyRef;
  if (ref === undefined) return resourceOf(valueFrom.resourceFieldRef);
  const kind = configMapKeyRef ? 'configmap' : 'secret';
  const name = ref.name ?? '';
  const found = configMapKeyRef ? values.configMap(name) : values.secret(name);
  const bytes = found?.get(ref.key);
  if (bytes !== undefined) return Buffer.from(bytes).toString('utf8');
  if (ref.optional) return undefined;
  throw new MissingObject(
    found === undefined ? `${kind} "${name}" not found` : `couldn't find key ${ref.key} in ${kind} "${name}"`,
  );
}

/** A field of the pod by its path, as the downward API has it. Throws MissingObject for one that it does not have. */
export function fieldOf(path: string, { pod, uid, podIp, podIpv6, serviceAccount }: PodFacts): string {
  switch (path) {
    case 'metadata.name':
      return pod.name;
    case 'metadata.namespace':
      return pod.namespace;
    case 'metadata.uid':
      return uid;
    case 'metadata.labels':
      return lines(pod.labels);
    case 'metadata.annotations':
      return lines(pod.annotations);
    case 'spec.nodeName':
      return pod.spec.nodeName ?? os.hostname();
    case 'spec.serviceAccountName':
      return serviceAccount;
    case 'status.podIP':
      return podIp;
    case 'status.podIPs':
      return podIpv6 === undefined ? podIp : `${podIp},${podIpv6}`;
    case 'status.hostIP':
    case 'status.hostIPs':
      return '127.0.0.1';
  }
  const [, kind, key] = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path) ?? [];
  if (kind !== undefined && key !== undefined) return pod[kind as 'labels' | 'annotations'][key] ?? '';
  throw new MissingObject(`a pod has no field ${path}`);
}

/** `key="value"` a line, sorted: the file that Kubernetes makes of labels and annotations. */
export function lines(entries: Readonly<Record<string, string>>): string {
  return Object.keys(entries)
    .sort()
    .map((key) => `${key}=${JSON.stringify(entries[key])}`)
    .join('\n');
}

/** Where no limit is set, Kubernetes gives what the node has. */
function resourceOf(ref: unknown): string | undefined {
  const resource = (ref as { resource?: unknown } | undefined)?.resource;
  if (resource === 'limits.cpu' || resource === 'requests.cpu') return String(os.availableParallelism());
  if (resource === 'limits.memory' || resource === 'requests.memory') return String(os.totalmem());
  return undefined;
}

/** Replaces `$(NAME)` by the variable's value; one that is not there stays as it is, and `$$(NAME)` is `$(NAME)`. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^()]*)\)/g, (match, name: string | undefined) => {
    if (match === '$$') return '$';
    return name !== undefined && Object.hasOwn(env, name) ? env[name]! : match;
  });
}
