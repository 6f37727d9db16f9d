import type { Cell, TypeUrl } from './cell.ts';

/** All that one proxy may ask for under one snapshot. Resources are made when they are asked for, and then kept. */
export interface Translation {
  /** Number of the snapshot. */
  readonly number: number;
  /** Every resource of a type that is subscribed to as a whole: listeners and clusters. */
  all(type: TypeUrl): readonly Cell[];
  /** One resource by name (routes, endpoints, secrets by SDS name); undefined if there is none of that name for this proxy. */
  get(type: TypeUrl, name: string): Cell | undefined;
  /** Sentences about what people wrote that cannot all be had by this proxy. */
  warnings?(): readonly string[];
}

/**
 * Turns snapshots into resources. Holds the cells of the snapshots in use, and hands the same cell out again when none
 * of its inputs changed.
 */
export interface Translator<Snapshot, Node> {
  translate(snapshot: Snapshot, node: Node): Translation;
  /** Whether a change between two snapshots can alter anything for the node: false means that no push is needed. */
  affects(before: Snapshot, after: Snapshot, node: Node): boolean;
}
