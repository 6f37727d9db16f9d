import { isDeepStrictEqual } from 'node:util';
import type { ConfigObject } from '../object.ts';
import type { ConfigChange } from './snapshot.ts';

/** What a store remembers of an object beside its document. */
export interface Identity {
  /** Milliseconds since 1970. */
  readonly created: number;
  /** Counts the versions of the object's content. */
  readonly generation: number;
}

/** Gives a document its place in time: when its object was first accepted, and how often it has changed since. */
export function withIdentity(object: ConfigObject, identity: Identity): ConfigObject {
  const { metadata } = object;
  return {
    ...object,
    metadata: {
      ...metadata,
      creationTimestamp: metadata.creationTimestamp || identity.created,
      generation: metadata.generation ?? identity.generation,
    },
  };
}

/** Whether two versions of an object say the same; where they stand in a file does not count. */
export function sameContent(a: ConfigObject, b: ConfigObject): boolean {
  return isDeepStrictEqual(a.raw, b.raw) && a.metadata.namespace === b.metadata.namespace;
}

/** Those who want to know of changes. */
export class Subscribers {
  private readonly listeners = new Set<(change: ConfigChange) => void>();

  add(listener: (change: ConfigChange) => void): () => void {
    const own = (change: ConfigChange): void => listener(change);
    this.listeners.add(own);
    return () => this.listeners.delete(own);
  }

  /** Tells everyone, also when one of them throws; the first error is thrown at the end. */
  notify(change: ConfigChange): void {
    let failure: { readonly error: unknown } | undefined;
    for (const listener of [...this.listeners]) {
      try {
        listener(change);
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== undefined) throw failure.error;
  }

  clear(): void {
    this.listeners.clear();
  }
}
