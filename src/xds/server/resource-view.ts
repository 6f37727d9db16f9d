import type { ServedResource } from '../session/messages.ts';

/** Everything that one client may have, at one moment: one snapshot, translated for it. */
export interface ResourceView {
  /** Number of the snapshot. */
  readonly number: number;
  /** Every resource of a type that is subscribed to as a whole; the same array for as long as nothing in it changes. */
  all(typeUrl: string): readonly ServedResource[];
  get(typeUrl: string, name: string): ServedResource | undefined;
}
