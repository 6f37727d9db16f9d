import type { Logger } from '../../base/log.ts';
import type { UnknownFieldSink } from './errors.ts';

/** What becomes of a resource of the control plane that has fields which our copy of the API does not have. */
export type UnknownFieldPolicy =
  /** It is taken without them, and a warning names them: Envoy's way unless told. */
  | 'warn'
  /** `--ignore-unknown-dynamic-fields`: the same, in silence. */
  | 'ignore'
  /** `--reject-unknown-dynamic-fields`: it is refused. */
  | 'reject';

/** No API is so much newer than ours that it has more new fields; what comes after is not told any more. */
const MAX_TOLD = 1000;

/** Counts unknown fields of dynamic resources in `server.dynamic_unknown_fields`, and warns about each once. */
export class UnknownFields implements UnknownFieldSink {
  readonly #policy: UnknownFieldPolicy;
  readonly #counts: { dynamic_unknown_fields: number };
  readonly #log: Logger;
  readonly #told = new Set<string>();

  constructor(policy: UnknownFieldPolicy, counts: { dynamic_unknown_fields: number }, log: Logger) {
    this.#policy = policy;
    this.#counts = counts;
    this.#log = log;
  }

  note(path: string, what: string): string | undefined {
    if (this.#policy === 'reject') return what;
    if (this.#policy === 'ignore' || this.#told.has(what) || this.#told.size >= MAX_TOLD) return undefined;
    this.#told.add(what);
    this.#counts.dynamic_unknown_fields++;
    this.#log.warn(`${path === '' ? '' : `${path}: `}${what}: it has no effect`);
    return undefined;
  }
}
