import type { SourceLocation } from '../base/errors.ts';
import type { KindId, SpecOf } from '../config/kinds/index.ts';
import type { MeshNetworks } from '../config/kinds/mesh-config/networks.ts';
import type { MeshConfig } from '../config/kinds/mesh-config/schema.ts';
import type { ConfigMessage } from '../config/message.ts';
import type { FieldPath } from '../config/object.ts';
import type { ClusterKindId, ClusterSpecOf } from './cluster-kinds.ts';

/**
 * A type of which any part may be missing: analyzers also look at resources that are refused, and of those only what
 * could be read is there.
 */
export type Loose<T> = T extends readonly (infer Item)[]
  ? readonly Loose<Item>[]
  : T extends object
    ? { readonly [K in keyof T]?: Loose<T[K]> }
    : T;

/** Kinds that are looked at: those that the mesh reads, those that only a cluster has, and the mesh's own configuration. */
export type ResourceKind = KindId | ClusterKindId | 'MeshConfig' | 'MeshNetworks';

type SpecOfResource<K extends ResourceKind> = K extends ClusterKindId
  ? ClusterSpecOf<K>
  : K extends 'MeshConfig'
    ? MeshConfig
    : K extends 'MeshNetworks'
      ? MeshNetworks
      : K extends KindId
        ? SpecOf<K>
        : never;

/** What an analyzer gets to see of one object. */
export interface Resource<K extends ResourceKind = ResourceKind> {
  readonly id: K;
  /** As written. Two groups may have a kind of this name. */
  readonly kind: string;
  /** Empty for what is in no namespace, or when the namespace is not known. */
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: Loose<SpecOfResource<K>>;
  readonly status: unknown;
  /** Cluster that it was read from, when there are several. */
  readonly cluster?: string;
  /** Undefined for what no file has. */
  readonly at: SourceLocation | undefined;
  /** Where a field stands; undefined when it was not written. */
  find(path: FieldPath): SourceLocation | undefined;
  /** What refuses it. */
  readonly errors: readonly ConfigMessage[];
  readonly warnings: readonly ConfigMessage[];
}

/** `namespace/name`, or the name of what is in no namespace. */
export function fullName({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

/** A reference as people write it, `name` or `namespace/name`, from an object in a namespace. */
export function parseReference(reference: string, namespace: string): { namespace: string; name: string } {
  const slash = reference.indexOf('/');
  return slash === -1
    ? { namespace, name: reference }
    : { namespace: reference.slice(0, slash), name: reference.slice(slash + 1) };
}
