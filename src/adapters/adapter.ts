import type { MeshConfig } from '../config/kinds/mesh-config/schema.ts';
import type { ConfigObject, FieldPath } from '../config/object.ts';
import type { ConfigSnapshot } from '../config/store/snapshot.ts';

/** An object of Istio's that is to stand for one of somebody else's. */
export interface MadeObject {
  readonly raw: Readonly<Record<string, unknown>>;
  /** Where a field comes from: a path in the object that it was made of. */
  readonly origin: (path: FieldPath) => { readonly object: ConfigObject; readonly path: FieldPath };
}

/** Turns kinds of other people's into Istio's. */
export interface Adapter {
  /** All that the outcome depends on, compared by identity: as long as it is the same nothing is made anew. */
  inputs(config: ConfigSnapshot, mesh: MeshConfig): readonly unknown[];
  /** `warn` is told of what is written and has no effect. */
  make(config: ConfigSnapshot, mesh: MeshConfig, warn: Warn): readonly MadeObject[];
}

export type Warn = (object: ConfigObject, path: FieldPath, message: string) => void;
