/**
 * The header block of one HTTP message, request or response.
 *
 * Pseudo-headers (RFC 9113 section 8.3) are fields of their own, whatever the protocol version on the wire; a response
 * has `status`, a request the others. All other headers are one flat list of alternating names and values: names
 * lower-case, values as they came, decoded as latin1 so that no byte is lost. The order of the wire is kept, and so
 * are repeated headers. Only the methods here touch the list.
 */
export class Headers {
  /** Response status, 0 in a request. */
  status = 0;
  method = '';
  /** Path with query, as it came. */
  path = '';
  /** `:authority`, or Host in HTTP/1; empty if the message had none. */
  authority = '';
  /** `http` or `https`; empty while nobody has decided. */
  scheme = '';
  /** `:protocol` of an extended CONNECT (RFC 8441), or empty. */
  protocol = '';
  /**
   * Lower-case name -> how the peer spelled it first, Host as well; kept only where a codec was asked to. Codecs of
   * HTTP/1 write a header of that name so, whoever has put it there.
   */
  originalNames: Map<string, string> | undefined = undefined;

  #list: string[] = [];

  static request(method: string, path: string, authority: string, ...list: string[]): Headers {
    const headers = new Headers();
    headers.method = method;
    headers.path = path;
    headers.authority = authority;
    headers.#list = list;
    return headers;
  }

  static response(status: number, ...list: string[]): Headers {
    const headers = new Headers();
    headers.status = status;
    headers.#list = list;
    return headers;
  }

  /** Number of headers, without the pseudo-headers. */
  get size(): number {
    return this.#list.length >> 1;
  }

  nameAt(index: number): string {
    return this.#list[index << 1];
  }

  valueAt(index: number): string {
    return this.#list[(index << 1) + 1];
  }

  setValueAt(index: number, value: string): void {
    this.#list[(index << 1) + 1] = value;
  }

  /** The first value of a header. The name is lower-case; pseudo-headers go by `:method` and so on. */
  get(name: string): string | undefined {
    const list = this.#list;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name) return list[i + 1];
    }
    return name.charCodeAt(0) === 58 ? this.#pseudo(name) : undefined;
  }

  #pseudo(name: string): string | undefined {
    switch (name) {
      case ':method':
        return this.method || undefined;
      case ':path':
        return this.path || undefined;
      case ':authority':
        return this.authority || undefined;
      case ':scheme':
        return this.scheme || undefined;
      case ':protocol':
        return this.protocol || undefined;
      case ':status':
        return this.status ? String(this.status) : undefined;
      default:
        return undefined;
    }
  }

  /** All values of a header joined by commas (RFC 9110 section 5.3), or undefined. */
  getJoined(name: string): string | undefined {
    const list = this.#list;
    let value: string | undefined;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name) value = value === undefined ? list[i + 1] : `${value},${list[i + 1]}`;
    }
    return value === undefined && name.charCodeAt(0) === 58 ? this.#pseudo(name) : value;
  }

  /** All values of a header, in order. */
  getAll(name: string): string[] {
    const values: string[] = [];
    const list = this.#list;
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) values.push(list[i + 1]);
    return values;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Appends a header, whether or not there is one of that name. */
  add(name: string, value: string): void {
    this.#list.push(name, value);
  }

  /** Replaces all headers of that name by one, in the place of the first; sets a pseudo-header if the name is one's. */
  set(name: string, value: string): void {
    if (name.charCodeAt(0) === 58) {
      this.#setPseudo(name, value);
      return;
    }
    const list = this.#list;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] !== name) continue;
      list[i + 1] = value;
      this.#removeFrom(i + 2, name);
      return;
    }
    this.add(name, value);
  }

  #setPseudo(name: string, value: string): void {
    if (name === ':path') this.path = value;
    else if (name === ':authority') this.authority = value;
    else if (name === ':method') this.method = value;
    else if (name === ':scheme') this.scheme = value;
    else if (name === ':protocol') this.protocol = value;
    else if (name === ':status') this.status = Number(value);
  }

  /** Appends to the first header of that name with a comma, or adds one. */
  append(name: string, value: string): void {
    const list = this.#list;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] !== name) continue;
      list[i + 1] = list[i + 1] === '' ? value : `${list[i + 1]},${value}`;
      return;
    }
    this.add(name, value);
  }

  /** Puts the values of each of these that is there more than once into the first, with commas between them. */
  joinRepeated(names: { has(name: string): boolean }): void {
    const list = this.#list;
    const first = new Map<string, number>();
    let to = 0;
    for (let from = 0; from < list.length; from += 2) {
      const name = list[from];
      const place = names.has(name) ? first.get(name) : undefined;
      if (place !== undefined) {
        if (list[place + 1] === '') list[place + 1] = list[from + 1];
        else if (list[from + 1] !== '') list[place + 1] = `${list[place + 1]},${list[from + 1]}`;
        continue;
      }
      first.set(name, to);
      list[to] = name;
      list[to + 1] = list[from + 1];
      to += 2;
    }
    list.length = to;
  }

  /** Removes all headers of that name and says whether there were any. */
  remove(name: string): boolean {
    return this.#removeFrom(0, name);
  }

  #removeFrom(start: number, name: string): boolean {
    const list = this.#list;
    let to = start;
    for (let from = start; from < list.length; from += 2) {
      if (list[from] === name) continue;
      if (to !== from) {
        list[to] = list[from];
        list[to + 1] = list[from + 1];
      }
      to += 2;
    }
    if (to === list.length) return false;
    list.length = to;
    return true;
  }

  /** Removes the headers that the predicate picks. */
  removeIf(pick: (name: string, value: string) => boolean): void {
    const list = this.#list;
    let to = 0;
    for (let from = 0; from < list.length; from += 2) {
      if (pick(list[from], list[from + 1])) continue;
      if (to !== from) {
        list[to] = list[from];
        list[to + 1] = list[from + 1];
      }
      to += 2;
    }
    list.length = to;
  }

  /** Bytes of names and values, pseudo-headers included: what Envoy's access log operators and limits count. */
  byteSize(): number {
    let bytes = 0;
    for (const part of this.#list) bytes += part.length;
    if (this.status) bytes += 10;
    if (this.method) bytes += 7 + this.method.length;
    if (this.path) bytes += 5 + this.path.length;
    if (this.authority) bytes += 10 + this.authority.length;
    if (this.scheme) bytes += 7 + this.scheme.length;
    return bytes;
  }

  clone(): Headers {
    const copy = new Headers();
    copy.assign(this);
    return copy;
  }

  /** Takes all of another's headers in place of its own. */
  assign(other: Headers): void {
    this.status = other.status;
    this.method = other.method;
    this.path = other.path;
    this.authority = other.authority;
    this.scheme = other.scheme;
    this.protocol = other.protocol;
    this.originalNames = other.originalNames;
    this.#list = other.#list.slice();
  }

  /** Name and value of each header in order, pseudo-headers first. For logs, tests and filters; not for the hot path. */
  *[Symbol.iterator](): Generator<[string, string]> {
    for (const name of [':status', ':method', ':path', ':authority', ':scheme', ':protocol']) {
      const value = this.#pseudo(name);
      if (value !== undefined) yield [name, value];
    }
    for (let i = 0; i < this.size; i++) yield [this.nameAt(i), this.valueAt(i)];
  }
}
