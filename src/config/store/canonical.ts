import type { ConfigObject } from '../object.ts';
import { isRecord } from '../schema/index.ts';

/** Fields of metadata that an API server sets, and that say nothing about what a person wants. */
const SERVER_FIELDS = new Set([
  'creationTimestamp',
  'deletionGracePeriodSeconds',
  'deletionTimestamp',
  'generation',
  'managedFields',
  'resourceVersion',
  'selfLink',
  'uid',
]);

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/**
 * An object as a person would write it: who it is first, its namespace spelled out, without what an API server adds.
 * Two objects that say the same are equal in this form.
 */
export function canonical({ apiVersion, kind, metadata, raw }: ConfigObject): Record<string, unknown> {
  const { apiVersion: _v, kind: _k, metadata: _m, status: _s, ...body } = raw;
  const written = isRecord(raw.metadata) ? raw.metadata : {};
  const kept: Record<string, unknown> = { name: metadata.name };
  if (metadata.namespace !== '') kept.namespace = metadata.namespace;
  for (const [field, value] of Object.entries(written)) {
    if (field === 'name' || field === 'namespace' || SERVER_FIELDS.has(field) || value === null) continue;
    if (field === 'annotations' && isRecord(value)) {
      const { [LAST_APPLIED]: _, ...annotations } = value;
      if (Object.keys(annotations).length > 0) kept.annotations = annotations;
    } else kept[field] = value;
  }
  return { apiVersion, kind, metadata: kept, ...body };
}

/** An object with everything that was said of it, for those who speak as an API server does: status, uid, times. */
export function whole({ metadata, raw }: ConfigObject): Record<string, unknown> {
  if (metadata.namespace === '') return raw;
  return { ...raw, metadata: { ...(raw.metadata as object), namespace: metadata.namespace } };
}
