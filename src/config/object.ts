import type { SourceLocation } from '../base/errors.ts';

/** A path into an object, such as `['spec', 'http', 0, 'route']`. */
export type FieldPath = readonly (string | number)[];

/** `spec.http[0].route`, the way kubectl and istioctl write it. */
export function formatPath(path: FieldPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

export interface ObjectMeta {
  readonly name: string;
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Milliseconds since 1970; of files, when the object was first accepted. Decides which of two conflicting objects wins, as in Istio. */
  readonly creationTimestamp: number;
  readonly generation?: number;
  readonly uid?: string;
}

/**
 * One Kubernetes-shaped object that was read and found valid: what every part of the control plane works with.
 * `Spec` is the type of the kind's `spec`; kinds without one (Secret, ConfigMap, ServiceAccount ...) have their body
 * there, that is the object without apiVersion, kind, metadata and status.
 */
export interface ConfigObject<Spec = unknown> {
  /** As written, such as `networking.istio.io/v1alpha3`. */
  readonly apiVersion: string;
  /** The part of apiVersion before the slash, empty for the core group. */
  readonly group: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec: Spec;
  /** The whole document as plain JSON, for printing. */
  readonly raw: Readonly<Record<string, unknown>>;
  /** Where the field, or the nearest parent of it that was written, stands. An empty path is the document itself. */
  locate(path: FieldPath): SourceLocation;
}

/** `Kind/namespace/name`: what tells two objects of a mesh apart. The API version is not part of it. */
export function objectKey(kind: string, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}
