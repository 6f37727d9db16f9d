import type { Volume } from '../../config/kinds/shared/pod-spec.ts';
import { fieldOf, MissingObject, type PodFacts, type Values } from './environment.ts';

/** A token that a volume holds. */
export interface TokenRequest {
  readonly path: string;
  readonly audience: string;
  readonly expirationSeconds: number;
}

/** What a volume is made of. */
export type VolumeContent =
  | {
      readonly kind: 'files';
      readonly files: ReadonlyMap<string, Uint8Array>;
      readonly tokens: readonly TokenRequest[];
    }
  | { readonly kind: 'empty' }
  /** A folder of the machine. */
  | { readonly kind: 'host'; readonly path: string }
  /** A folder that outlives the pod. */
  | { readonly kind: 'claim'; readonly name: string };

type Items = readonly { readonly key: string; readonly path: string }[] | undefined;
type FilesContent = Extract<VolumeContent, { kind: 'files' }>;

/** Kubernetes' default of `expirationSeconds`. */
const TOKEN_SECONDS = 3607;

/** Reads a volume. Throws MissingObject for an object that is required and not there, or a kind of volume that there is not. */
export function volumeContent(volume: Volume, facts: PodFacts, values: Values): VolumeContent {
  const { name, secret, configMap, downwardAPI, projected, hostPath, emptyDir } = volume;
  if (secret) return files(objectFiles('secret', secret.secretName ?? '', secret.items, secret.optional, values));
  if (configMap)
    return files(objectFiles('configmap', configMap.name ?? '', configMap.items, configMap.optional, values));
  if (downwardAPI) return files(fieldFiles(downwardAPI.items, facts));
  if (projected) return projectedContent(projected, facts, values);
  if (hostPath) return { kind: 'host', path: hostPath.path };
  if (emptyDir) return { kind: 'empty' };
  const { persistentVolumeClaim, ephemeral } = volume;
  if (persistentVolumeClaim) return { kind: 'claim', name: claimName(persistentVolumeClaim) };
  if (ephemeral) return { kind: 'empty' };
  const other = Object.keys(volume).find((key) => key !== 'name');
  if (other === undefined) return { kind: 'empty' };
  throw new MissingObject(`volume "${name}" is of kind ${other}, which there is not on one machine`);
}

function claimName(claim: unknown): string {
  const name = (claim as { claimName?: unknown }).claimName;
  if (typeof name !== 'string' || !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name)) {
    throw new MissingObject('persistentVolumeClaim.claimName is not the name of a claim');
  }
  return name;
}

function files(content: ReadonlyMap<string, Uint8Array>): FilesContent {
  return { kind: 'files', files: content, tokens: [] };
}

function objectFiles(
  kind: 'secret' | 'configmap',
  name: string,
  items: Items,
  optional: boolean | undefined,
  values: Values,
): Map<string, Uint8Array> {
  const found = kind === 'secret' ? values.secret(name) : values.configMap(name);
  if (found === undefined) {
    if (optional) return new Map();
    throw new MissingObject(`${kind} "${name}" not found`);
  }
  if (items === undefined) return new Map(found);
  const chosen = new Map<string, Uint8Array>();
  for (const { key, path } of items) {
    const value = found.get(key);
    if (value !== undefined) chosen.set(inside(path), value);
    else if (!optional) throw new MissingObject(`${kind} "${name}" has no key ${key}`);
  }
  return chosen;
}

function fieldFiles(
  items: readonly { readonly path: string; readonly fieldRef?: { readonly fieldPath: string } }[] | undefined,
  facts: PodFacts,
): Map<string, Uint8Array> {
  return new Map(
    (items ?? []).map(({ path, fieldRef }) => [
      inside(path),
      Buffer.from(fieldRef === undefined ? '' : fieldOf(fieldRef.fieldPath, facts)),
    ]),
  );
}

function projectedContent(projected: NonNullable<Volume['projected']>, facts: PodFacts, values: Values): VolumeContent {
  const all = new Map<string, Uint8Array>();
  const tokens: TokenRequest[] = [];
  for (const { secret, configMap, downwardAPI, serviceAccountToken } of projected.sources ?? []) {
    const parts = [
      secret && objectFiles('secret', secret.name ?? '', secret.items, secret.optional, values),
      configMap && objectFiles('configmap', configMap.name ?? '', configMap.items, configMap.optional, values),
      downwardAPI && fieldFiles(downwardAPI.items, facts),
    ];
    for (const part of parts) for (const [path, bytes] of part ?? []) all.set(path, bytes);
    if (serviceAccountToken) {
      const { path, audience = '', expirationSeconds } = serviceAccountToken;
      tokens.push({ path: inside(path), audience, expirationSeconds: Number(expirationSeconds ?? TOKEN_SECONDS) });
    }
  }
  return { kind: 'files', files: all, tokens };
}

/** A path in a volume must stay in it. */
function inside(path: string): string {
  if (path.startsWith('/') || path.split('/').some((part) => part === '..' || part === '')) {
    throw new MissingObject(`${path} is not a path inside of a volume`);
  }
  return path;
}
