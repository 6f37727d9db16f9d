import type { KindId } from '../../config/kinds/index.ts';
import type { ConfigObject, FieldPath } from '../../config/object.ts';

/** Something in EnRoute's objects that does not fit together. */
export interface Finding {
  readonly object: ConfigObject;
  readonly path: FieldPath;
  /** A clause that follows the field. */
  readonly message: string;
  /** The kind of which something is missing, where that is what is wrong. */
  readonly missing: KindId | undefined;
}

/** Collects what does not fit together, each thing once. */
export class Findings {
  readonly #found = new Map<string, Finding>();

  /** Notes it and returns the message, which is also what a request is told that runs into it. */
  add(object: ConfigObject, path: FieldPath, message: string, missing?: KindId): string {
    const { namespace, name } = object.metadata;
    const key = [object.kind, namespace, name, ...path, message].join(' ');
    if (!this.#found.has(key)) this.#found.set(key, { object, path, message, missing });
    return message;
  }

  get all(): readonly Finding[] {
    return [...this.#found.values()];
  }
}
