import { type Cell, TypeUrl } from '../../translate/cell.ts';
import type { Translation } from '../../translate/translation.ts';
import type { ResourceView } from '../../xds/server/resource-view.ts';

/** Secrets that a proxy may ask for by name. */
export interface SecretView {
  get(name: string): Cell | undefined;
}

const TYPES: ReadonlySet<string> = new Set(Object.values(TypeUrl));
const NOTHING: readonly Cell[] = [];

/** What one proxy may have under one snapshot: its translation, and the secrets that it is entitled to. */
export class ProxyView implements ResourceView {
  readonly number: number;
  readonly #translation: Translation;
  readonly #secrets: SecretView;
  readonly #lists = new Map<string, readonly Cell[]>();
  readonly #byName = new Map<string, Map<string, Cell>>();
  /** What was asked for by name, null for nothing: a push looks at every name more than once. */
  readonly #known = new Map<string, Map<string, Cell | null>>();
  readonly #onDefect: (error: unknown) => void;
  #before: ProxyView | undefined;

  /**
   * `before` is the view that this one follows: lists that hold the same cells stay the same lists, and what cannot be
   * translated stays as it was there. Translation has no errors that people could make; `onDefect` is told of ours.
   */
  constructor(
    translation: Translation,
    secrets: SecretView,
    before: ProxyView | undefined,
    onDefect: (error: unknown) => void,
  ) {
    this.number = translation.number;
    this.#translation = translation;
    this.#secrets = secrets;
    this.#before = before;
    this.#onDefect = onDefect;
    // One step back is enough; a longer chain would keep every snapshot alive.
    before?.forget();
  }

  all(typeUrl: string): readonly Cell[] {
    let list = this.#lists.get(typeUrl);
    if (!list) {
      list = isType(typeUrl) ? this.#list(typeUrl) : NOTHING;
      this.#lists.set(typeUrl, list);
    }
    return list;
  }

  get(typeUrl: string, name: string): Cell | undefined {
    if (!isType(typeUrl)) return undefined;
    let known = this.#known.get(typeUrl);
    if (!known) this.#known.set(typeUrl, (known = new Map()));
    let cell = known.get(name);
    if (cell === undefined) known.set(name, (cell = this.#find(typeUrl, name) ?? null));
    return cell ?? undefined;
  }

  #find(typeUrl: TypeUrl, name: string): Cell | undefined {
    if (typeUrl === TypeUrl.Secret) {
      const secret = this.#secrets.get(name);
      if (secret) return secret;
    }
    const cell = this.#attempt(() => this.#sound(this.#translation.get(typeUrl, name)));
    if (cell instanceof Failure) return this.#before?.get(typeUrl, name);
    return cell ?? this.#inList(typeUrl, name);
  }

  /** A list that was asked for, or undefined. */
  listed(typeUrl: string): readonly Cell[] | undefined {
    return this.#lists.get(typeUrl);
  }

  /** The view that follows this one has what it needs of those before. */
  forget(): void {
    this.#before = undefined;
    this.release();
  }

  /** A push has gone through: what was looked up for it need not be kept for every proxy. */
  release(): void {
    this.#known.clear();
    this.#byName.clear();
  }

  #list(typeUrl: TypeUrl): readonly Cell[] {
    const old = this.#before?.listed(typeUrl) ?? NOTHING;
    const list = this.#attempt(() => this.#translation.all(typeUrl));
    if (list instanceof Failure || sameCells(old, list)) return old;
    const known = new Set(old);
    if (list.every((cell) => known.has(cell) || this.#attempt(() => this.#sound(cell)) === cell)) return list;
    return list.flatMap((cell) => {
      const sound = this.#attempt(() => this.#sound(cell));
      return sound instanceof Failure ? (old.find((before) => before.name === cell.name) ?? []) : (sound ?? []);
    });
  }

  /** A cell encodes itself when it is first looked at, which is when it may fail. */
  #sound<C extends Cell | undefined>(cell: C): C {
    cell?.version;
    return cell;
  }

  #attempt<T>(translate: () => T): T | Failure {
    try {
      return translate();
    } catch (error) {
      this.#onDefect(error);
      return FAILURE;
    }
  }

  /** Types that are subscribed to as a whole may be asked for by name as well. */
  #inList(typeUrl: string, name: string): Cell | undefined {
    if (typeUrl !== TypeUrl.Listener && typeUrl !== TypeUrl.Cluster) return undefined;
    let index = this.#byName.get(typeUrl);
    if (!index) {
      index = new Map(this.all(typeUrl).map((cell) => [cell.name, cell]));
      this.#byName.set(typeUrl, index);
    }
    return index.get(name);
  }
}

class Failure {}
const FAILURE = new Failure();

function isType(typeUrl: string): typeUrl is TypeUrl {
  return TYPES.has(typeUrl);
}

function sameCells(a: readonly Cell[], b: readonly Cell[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
