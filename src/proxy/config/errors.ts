/** Told of the fields of resources that are newer than our copy of the API. */
export interface UnknownFieldSink {
  /** `what` says which field, found at `path`. Returns why the resource is refused for it, or undefined. */
  note(path: string, what: string): string | undefined;
}

/** Collects everything that is wrong with a resource or a bootstrap, each with the path of its field. */
export class ConfigErrors {
  readonly list: { readonly path: string; readonly message: string }[];
  readonly #unknown: UnknownFieldSink | undefined;
  readonly #prefix: string;

  /** The second and third parameters are for views ({@link at}). */
  constructor(unknown?: UnknownFieldSink, prefix = '', list: { path: string; message: string }[] = []) {
    this.#unknown = unknown;
    this.#prefix = prefix;
    this.list = list;
  }

  /** A view that puts `path` before the paths of what is added through it. */
  at(path: string | number): ConfigErrors {
    const step =
      typeof path === 'number' ? `[${path}]` : this.#prefix === '' || path.startsWith('[') ? path : `.${path}`;
    return new ConfigErrors(this.#unknown, this.#prefix + step, this.list);
  }

  add(path: string, message: string): void {
    const full = path === '' ? this.#prefix : this.#prefix === '' ? path : `${this.#prefix}.${path}`;
    this.list.push({ path: full, message });
  }

  /** A field of the message here that our copy of the API does not have. */
  addUnknown(typeName: string, number: number): void {
    const refusal = this.#unknown?.note(this.#prefix, `${typeName} has an unknown field, number ${number}`);
    if (refusal !== undefined) this.add('', refusal);
  }

  get any(): boolean {
    return this.list.length > 0;
  }

  toString(): string {
    return this.list.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; ');
  }
}
