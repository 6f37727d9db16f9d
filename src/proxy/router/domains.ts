/**
 * Virtual hosts by domain, in Envoy's order: the exact name, the longest `*.suffix`, the longest `prefix.*`, then `*`.
 * Names are compared without regard to case.
 */
export class DomainTable<T> {
  readonly #ignorePort: boolean;
  readonly #exact = new Map<string, T>();
  readonly #suffixes = new Map<number, Map<string, T>>();
  readonly #prefixes = new Map<number, Map<string, T>>();
  #suffixLengths: number[] = [];
  #prefixLengths: number[] = [];
  #any: T | undefined = undefined;
  /** Hosts that were looked up lately: a gateway with thousands of wildcard hosts finds them in one step. */
  readonly #found = new Map<string, T | undefined>();

  constructor(ignorePort: boolean) {
    this.#ignorePort = ignorePort;
  }

  /** False if the domain is taken. */
  add(domain: string, value: T): boolean {
    const name = domain.toLowerCase();
    if (name === '*') {
      if (this.#any !== undefined) return false;
      this.#any = value;
      return true;
    }
    if (name.startsWith('*')) return addTo(this.#suffixes, this.#suffixLengths, name.slice(1), value);
    if (name.endsWith('*')) return addTo(this.#prefixes, this.#prefixLengths, name.slice(0, -1), value);
    if (this.#exact.has(name)) return false;
    this.#exact.set(name, value);
    return true;
  }

  find(authority: string): T | undefined {
    if (this.#exact.size === 0 && this.#suffixLengths.length === 0 && this.#prefixLengths.length === 0)
      return this.#any;
    if (this.#found.has(authority)) return this.#found.get(authority);
    const value = this.#search(authority);
    if (this.#found.size >= CACHE_LIMIT) this.#found.clear();
    if (authority.length <= 256) this.#found.set(authority, value);
    return value;
  }

  #search(authority: string): T | undefined {
    let name = authority.toLowerCase();
    // Whatever it is that stands behind the last colon outside of brackets.
    if (this.#ignorePort) name = name.replace(/:[^:\]]*$/, '');
    const exact = this.#exact.get(name);
    if (exact !== undefined) return exact;
    for (const length of this.#suffixLengths) {
      // The star stands for at least one character.
      if (length >= name.length) continue;
      const value = this.#suffixes.get(length)!.get(name.slice(-length));
      if (value !== undefined) return value;
    }
    for (const length of this.#prefixLengths) {
      if (length >= name.length) continue;
      const value = this.#prefixes.get(length)!.get(name.slice(0, length));
      if (value !== undefined) return value;
    }
    return this.#any;
  }
}

const CACHE_LIMIT = 1024;

function addTo<T>(table: Map<number, Map<string, T>>, lengths: number[], text: string, value: T): boolean {
  let names = table.get(text.length);
  if (names === undefined) {
    names = new Map();
    table.set(text.length, names);
    lengths.push(text.length);
    lengths.sort((a, b) => b - a);
  }
  if (names.has(text)) return false;
  names.set(text, value);
  return true;
}
