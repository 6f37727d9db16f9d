/** Collects everything that is wrong with a resource or a bootstrap, each with the path of its field. */
export class ConfigErrors {
  readonly list: { readonly path: string; readonly message: string }[] = [];
  readonly #prefix: string;

  constructor(prefix = '', list?: ConfigErrors) {
    this.#prefix = prefix;
    if (list) this.list = list.list;
  }

  /** A view that puts `path` before the paths of what is added through it. */
  at(path: string | number): ConfigErrors {
    const step =
      typeof path === 'number' ? `[${path}]` : this.#prefix === '' || path.startsWith('[') ? path : `.${path}`;
    return new ConfigErrors(this.#prefix + step, this);
  }

  add(path: string, message: string): void {
    const full = path === '' ? this.#prefix : this.#prefix === '' ? path : `${this.#prefix}.${path}`;
    this.list.push({ path: full, message });
  }

  get any(): boolean {
    return this.list.length > 0;
  }

  toString(): string {
    return this.list.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; ');
  }
}
