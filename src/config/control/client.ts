import { codeOf, messageOf, UserError } from '../../base/errors.ts';
import { http } from '../../base/node-http.ts';
import type {
  ApplyRequest,
  ApplyResponse,
  ConvergenceState,
  DeleteRequest,
  DeleteResponse,
  ErrorResponse,
  ObjectsResponse,
  RuntimeRequest,
  RuntimeResponse,
  StateResponse,
  WatchEvent,
} from './api.ts';
import type {
  CertificatesResponse,
  EnvironmentResponse,
  InviteRequest,
  InviteResponse,
  MeshStatus,
  ProxiesResponse,
  RenewRequest,
  RenewResponse,
  RestartRequest,
  RolloutRequest,
  RotationRequest,
  RotationResponse,
  RunEvent,
  RunRequest,
  StartedRequest,
  TokenRequest,
  TokenResponse,
  TrustResponse,
} from './mesh-api.ts';

export interface ObjectsQuery {
  readonly kinds?: readonly string[];
  readonly namespace?: string;
  readonly name?: string;
  /** Only what people have written, without the objects that the mesh itself adds. */
  readonly written?: boolean;
}

const ANSWER_MS = 10_000;

/** Talks to the control interface of a control plane on this machine. Failures are UserErrors of one sentence. */
export class ControlClient {
  readonly #socket: string;
  readonly #answerMs: number;

  /** `socket` is the path of its Unix socket. `answerMs`: how long a question may take that is answered from memory. */
  constructor(socket: string, answerMs = ANSWER_MS) {
    this.#socket = socket;
    this.#answerMs = answerMs;
  }

  apply(request: ApplyRequest): Promise<ApplyResponse> {
    return this.#call('POST', '/v1/apply', request);
  }

  delete(request: DeleteRequest): Promise<DeleteResponse> {
    return this.#call('POST', '/v1/delete', request);
  }

  runtime(request: RuntimeRequest): Promise<RuntimeResponse> {
    return this.#call('POST', '/v1/runtime', request);
  }

  objects(query: ObjectsQuery): Promise<ObjectsResponse> {
    return this.#call('GET', `/v1/objects?${queryOf(query)}`, undefined, this.#answerMs);
  }

  state(): Promise<StateResponse> {
    return this.#call('GET', '/v1/state', undefined, this.#answerMs);
  }

  wait(snapshot: number, timeoutMs: number): Promise<ConvergenceState> {
    return this.#call('GET', `/v1/wait?snapshot=${snapshot}&timeoutMs=${timeoutMs}`);
  }

  /**
   * Follows objects: `onEvent` gets all of them first, then each change. `onEnd` comes once, when the control plane
   * goes away or cannot be reached. Returns what ends the watch.
   */
  watch(
    query: ObjectsQuery,
    onEvent: (event: WatchEvent) => void,
    onEnd: (error: Error | undefined) => void,
  ): () => void {
    return this.#lines('GET', `/v1/watch?${queryOf(query)}`, undefined, (line) => onEvent(line as WatchEvent), onEnd);
  }

  /** How a local mesh is. Only `isthmus up` answers, not a control plane alone; likewise below. */
  status(): Promise<MeshStatus> {
    return this.#call('GET', '/v1/status');
  }

  proxies(): Promise<ProxiesResponse> {
    return this.#call('GET', '/v1/proxies');
  }

  /** Tells the mesh to stop. It has when its socket is gone. */
  down(): Promise<void> {
    return this.#call('POST', '/v1/down');
  }

  environment(namespace: string, pod: string, container?: string): Promise<EnvironmentResponse> {
    const query = new URLSearchParams({ namespace, pod, ...(container === undefined ? {} : { container }) });
    return this.#call('GET', `/v1/environment?${query}`);
  }

  certificates(): Promise<CertificatesResponse> {
    return this.#call('GET', '/v1/certificates');
  }

  renew(request: RenewRequest): Promise<RenewResponse> {
    return this.#call('POST', '/v1/renew', request);
  }

  rotation(): Promise<RotationResponse> {
    return this.#call('GET', '/v1/rotation');
  }

  /** Takes a step of a rotation. One that is too early is refused in the answer; one that makes no sense is an error. */
  rotate(request: RotationRequest): Promise<RotationResponse> {
    return this.#call('POST', '/v1/rotation', request);
  }

  restart(request: RestartRequest): Promise<void> {
    return this.#call('POST', '/v1/restart', request);
  }

  rollOut(request: RolloutRequest): Promise<void> {
    return this.#call('POST', '/v1/rollout', request);
  }

  started(request: StartedRequest): Promise<void> {
    return this.#call('POST', '/v1/started', request);
  }

  invite(request: InviteRequest): Promise<InviteResponse> {
    return this.#call('POST', '/v1/invite', request);
  }

  trust(): Promise<TrustResponse> {
    return this.#call('GET', '/v1/trust');
  }

  token(request: TokenRequest): Promise<TokenResponse> {
    return this.#call('POST', '/v1/token', request);
  }

  /** Makes a workload of a program that the caller runs; it lasts until the returned function is called. */
  run(request: RunRequest, onEvent: (event: RunEvent) => void, onEnd: (error: Error | undefined) => void): () => void {
    return this.#lines('POST', '/v1/run', request, (line) => onEvent(line as RunEvent), onEnd);
  }

  /** Reads an answer of JSON lines as they come. Returns what ends it. */
  #lines(
    method: string,
    path: string,
    body: unknown,
    onLine: (line: unknown) => void,
    onEnd: (error: Error | undefined) => void,
  ): () => void {
    let over = false;
    const end = (error?: Error) => {
      if (over) return;
      over = true;
      request.destroy();
      onEnd(error);
    };
    const request = http.request({ socketPath: this.#socket, method, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n')) {
          const line = text.slice(0, at);
          text = text.slice(at + 1);
          if (!over) onLine(JSON.parse(line));
        }
      });
      response.on('end', () => {
        if ((response.statusCode ?? 0) < 400) end();
        else end(new UserError((JSON.parse(text || '{}') as Partial<ErrorResponse>).error ?? `${response.statusCode}`));
      });
      response.on('error', end);
    });
    request.on('error', end);
    request.end(body === undefined ? undefined : JSON.stringify(body));
    return () => {
      over = true;
      request.destroy();
    };
  }

  async #call<Response>(method: string, path: string, body?: unknown, limitMs?: number): Promise<Response> {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const { status, text } = await this.#send(method, path, sent, limitMs);
    const answer = JSON.parse(text || '{}') as Response & Partial<ErrorResponse>;
    if (status >= 400) throw new UserError(answer.error ?? `the control plane answered ${status}`);
    return answer;
  }

  #send(
    method: string,
    path: string,
    body: string | undefined,
    limitMs: number | undefined,
  ): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const request = http.request({ socketPath: this.#socket, method, path }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.on('error', reject);
      });
      request.on('error', (error) => {
        const gone = codeOf(error) === 'ENOENT' || codeOf(error) === 'ECONNREFUSED';
        reject(
          new UserError(
            gone ? 'the control plane does not run' : `the control plane cannot be asked: ${messageOf(error)}`,
          ),
        );
      });
      if (limitMs !== undefined)
        request.setTimeout(limitMs, () => request.destroy(new Error(`no answer within ${limitMs / 1000} s`)));
      request.end(body);
    });
  }
}

function queryOf({ kinds = [], namespace, name, written }: ObjectsQuery): string {
  const query = new URLSearchParams(kinds.map((kind) => ['kind', kind]));
  if (namespace !== undefined) query.set('namespace', namespace);
  if (name !== undefined) query.set('name', name);
  if (written) query.set('written', 'true');
  return query.toString();
}
