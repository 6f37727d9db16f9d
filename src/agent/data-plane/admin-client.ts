import { httpCall } from '../http/client.ts';

/** Metrics of a large mesh are a few megabytes. */
const MAX_BODY_BYTES = 64 << 20;
const TIMEOUT_MS = 5000;

/** The admin interface of a proxy, over HTTP. */
export class AdminClient {
  readonly #address: () => { readonly host: string; readonly port: number };

  constructor(address: () => { readonly host: string; readonly port: number }) {
    this.#address = address;
  }

  async request(method: string, path: string): Promise<{ readonly status: number; readonly body: string }> {
    const { status, body } = await this.#call(method, path, [], TIMEOUT_MS);
    return { status, body: body.toString('utf8') };
  }

  /** The body of an answer with status 200; an Error in words for any other. */
  async get(
    path: string,
    headers: readonly (readonly [string, string])[] = [],
    timeoutMs = TIMEOUT_MS,
  ): Promise<Buffer> {
    const { status, body } = await this.#call('GET', path, headers, timeoutMs);
    if (status !== 200) throw new Error(`the admin interface answered ${path} with status ${status}`);
    return body;
  }

  #call(method: string, path: string, headers: readonly (readonly [string, string])[], timeoutMs: number) {
    return httpCall({ ...this.#address(), method, path, headers, timeoutMs, maxBodyBytes: MAX_BODY_BYTES });
  }
}

/** `NAME: VALUE` lines of `/stats`, numbers only. */
export function parseStats(text: string): ReadonlyMap<string, number> {
  const stats = new Map<string, number>();
  for (const line of text.split('\n')) {
    const colon = line.lastIndexOf(': ');
    const value = Number(line.slice(colon + 2));
    if (colon > 0 && !Number.isNaN(value)) stats.set(line.slice(0, colon), value);
  }
  return stats;
}
