import https from 'node:https';
import { UserError } from '../base/errors.ts';
import { http } from '../base/node-http.ts';
import type { ClusterAccess } from './kubeconfig.ts';

const TIMEOUT_MS = 15_000;
const MAX_ANSWER = 32 * 1024 * 1024;

/** An answer of the API server that is an error (`kind: Status`). */
export class ApiError extends UserError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** A client of a Kubernetes API server, for single requests. */
export class ApiClient {
  readonly #access: ClusterAccess;

  constructor(access: ClusterAccess) {
    this.#access = access;
  }

  /** `path` is that of the resource, such as `/api/v1/namespaces/a/configmaps/b`. Throws an {@link ApiError}. */
  get<T>(path: string): Promise<T> {
    return this.#request<T>('GET', path, undefined);
  }

  post<T>(path: string, body: object): Promise<T> {
    return this.#request<T>('POST', path, body);
  }

  #request<T>(method: string, path: string, body: object | undefined): Promise<T> {
    const { server, ca, cert, key, token, basic, serverName, insecure } = this.#access;
    const url = new URL(`${server.replace(/\/+$/, '')}${path}`);
    const { request: open } = url.protocol === 'http:' ? http : https;
    const authorization =
      token !== undefined
        ? `Bearer ${token}`
        : basic !== undefined
          ? `Basic ${Buffer.from(basic).toString('base64')}`
          : undefined;
    const headers = {
      accept: 'application/json',
      ...(authorization && { authorization }),
      ...(body && { 'content-type': 'application/json' }),
    };
    return new Promise<T>((resolve, reject) => {
      const fail = (why: string) => reject(new UserError(`the API server ${server} does not answer: ${why}`));
      const request = open(
        url,
        {
          method,
          headers,
          agent: false,
          ca,
          cert,
          key,
          servername: serverName,
          rejectUnauthorized: !insecure,
          signal: AbortSignal.timeout(TIMEOUT_MS),
        },
        (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on('data', (chunk: Buffer) => {
            size += chunk.length;
            if (size > MAX_ANSWER) request.destroy(new Error(`more than ${MAX_ANSWER} bytes`));
            else chunks.push(chunk);
          });
          response.on('error', (error) => fail(error.message));
          response.on('end', () => {
            const status = response.statusCode ?? 0;
            const answer = parse(Buffer.concat(chunks).toString('utf8'));
            if (status >= 200 && status < 300 && answer !== undefined) resolve(answer as T);
            else reject(new ApiError(status, String(answer?.message ?? `the API server answered ${status}`)));
          });
        },
      );
      request.on('error', (error) =>
        fail(error.name === 'TimeoutError' ? `nothing within ${TIMEOUT_MS / 1000} s` : error.message),
      );
      request.end(body && JSON.stringify(body));
    });
  }
}

function parse(text: string): { readonly message?: unknown } | undefined {
  try {
    return JSON.parse(text) as { readonly message?: unknown };
  } catch {
    return undefined;
  }
}
