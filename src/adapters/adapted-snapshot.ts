import type { KindId, SpecOf } from '../config/kinds/index.ts';
import type { ConfigMessage } from '../config/message.ts';
import type { ConfigObject } from '../config/object.ts';
import { byAge } from '../config/store/objects.ts';
import type { ConfigSnapshot, Rejection } from '../config/store/snapshot.ts';

/** Objects by kind. */
export type ObjectsByKind = ReadonlyMap<KindId, readonly ConfigObject[]>;

/** What was written, and what adapters made of it. An object that was written hides a made one of the same name. */
export class AdaptedSnapshot implements ConfigSnapshot {
  readonly number: number;
  readonly size: number;
  readonly rejected: readonly Rejection[];
  readonly warnings: readonly ConfigMessage[];
  readonly #written: ConfigSnapshot;
  readonly #made: ObjectsByKind;
  readonly #lists = new Map<KindId, readonly ConfigObject[]>();

  constructor(written: ConfigSnapshot, made: ObjectsByKind, warnings: readonly ConfigMessage[]) {
    this.#written = written;
    this.#made = made;
    this.number = written.number;
    this.size = written.size;
    this.rejected = written.rejected;
    this.warnings = warnings.length === 0 ? written.warnings : [...written.warnings, ...warnings];
  }

  get<K extends KindId>(kind: K, namespace: string, name: string): ConfigObject<SpecOf<K>> | undefined {
    const made = () =>
      this.#made.get(kind)?.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
    return this.#written.get(kind, namespace, name) ?? (made() as ConfigObject<SpecOf<K>> | undefined);
  }

  list<K extends KindId>(kind: K, namespace?: string): readonly ConfigObject<SpecOf<K>>[] {
    const written = this.#written.list(kind, namespace);
    if (!this.#made.get(kind)?.length) return written;
    const all = this.#all(kind) as readonly ConfigObject<SpecOf<K>>[];
    return namespace === undefined ? all : all.filter(({ metadata }) => metadata.namespace === namespace);
  }

  #all(kind: KindId): readonly ConfigObject[] {
    let list = this.#lists.get(kind);
    if (list === undefined) {
      const made = (this.#made.get(kind) ?? []).filter(
        ({ metadata }) => this.#written.get(kind, metadata.namespace, metadata.name) === undefined,
      );
      list = [...this.#written.list(kind), ...made].sort(byAge);
      this.#lists.set(kind, list);
    }
    return list;
  }
}
