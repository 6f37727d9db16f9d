/** Answers by status code, as Envoy names them: `upstream_rq_503`, `upstream_rq_5xx`, `upstream_rq_completed`. */
export class ResponseCodes {
  readonly #codes: number[] = [];

  count(status: number): void {
    const codes = this.#codes;
    codes[status] = (codes[status] ?? 0) + 1;
  }

  static sum(a: ResponseCodes, b: ResponseCodes): ResponseCodes {
    const result = new ResponseCodes();
    for (const { codes } of [a, b])
      for (const [status, count] of codes) result.#codes[status] = (result.#codes[status] ?? 0) + count;
    return result;
  }

  /** Status and count of those that occurred. */
  get codes(): (readonly [status: number, count: number])[] {
    return Object.entries(this.#codes).map(([status, count]) => [Number(status), count] as const);
  }

  /** All of them together. */
  get completed(): number {
    return this.codes.reduce((sum, [, count]) => sum + count, 0);
  }

  /** Single codes and classes; only those that occurred. */
  *stats(prefix: string): Generator<readonly [string, number]> {
    const classes = new Map<number, number>();
    for (const [status, count] of this.codes) {
      const hundreds = Math.floor(status / 100);
      classes.set(hundreds, (classes.get(hundreds) ?? 0) + count);
      yield [`${prefix}upstream_rq_${status}`, count];
    }
    for (const [hundreds, count] of classes) yield [`${prefix}upstream_rq_${hundreds}xx`, count];
  }

  clear(): void {
    this.#codes.length = 0;
  }
}
