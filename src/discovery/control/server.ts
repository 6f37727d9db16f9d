import fs from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { messageOf } from '../../base/errors.ts';
import { http } from '../../base/node-http.ts';
import type {
  ApplyRequest,
  ApplyResponse,
  ConvergenceState,
  DeleteRequest,
  DeleteResponse,
  ObjectState,
  ObjectsResponse,
  RuntimeRequest,
  RuntimeResponse,
  StateResponse,
  WatchEvent,
} from '../../config/control/api.ts';
import { KINDS } from '../../config/kinds/index.ts';
import type { ConfigMessage } from '../../config/message.ts';
import { type ConfigObject, objectKey } from '../../config/object.ts';
import { readObject, readObjects } from '../../config/read.ts';
import type { ConfigChange, ConfigSnapshot } from '../../config/store/snapshot.ts';
import type { ConfigStore } from '../../config/store/store.ts';
import { followsConfiguration } from '../proxies/connected-proxy.ts';
import type { Convergence } from '../proxies/convergence.ts';
import { describeNack } from '../proxies/nack.ts';
import type { ProxyRegistry } from '../proxies/proxy-registry.ts';
import { withStatus } from './object-status.ts';

const MAX_BODY = 32 * 1024 * 1024;
const MAX_WAIT_MS = 10 * 60_000;

/** What the control interface is about. */
export interface ControlContext {
  readonly store: ConfigStore;
  /** The part of it that people have written. */
  readonly written: Pick<ConfigStore, 'snapshot' | 'subscribe'>;
  /** Its part that only the mesh itself writes; undefined if there is none. */
  readonly runtime: ConfigStore | undefined;
  readonly convergence: Convergence;
  readonly proxies: ProxyRegistry;
  /** Number of the mesh snapshot that was made of the store's present one. */
  readonly meshSnapshot: () => number;
  /** What is to be said of the configuration in force, besides of that which is refused. */
  readonly meshWarnings: () => readonly ConfigMessage[];
  /** For objects that name no namespace. */
  readonly defaultNamespace: string;
}

class BadRequest extends Error {}

/** Serves the control interface on a Unix socket (see config/control/api.ts). */
export class ControlServer {
  readonly #context: ControlContext;
  readonly #server: Server;
  readonly #watches = new Set<ServerResponse>();

  constructor(context: ControlContext) {
    this.#context = context;
    this.#server = http.createServer((request, response) => {
      this.#serve(request, response).catch((error) => {
        const status = error instanceof BadRequest ? 400 : 500;
        if (response.headersSent) response.destroy();
        else send(response, status, { error: messageOf(error) });
      });
    });
    this.#server.requestTimeout = 0;
  }

  async listen(path: string): Promise<void> {
    fs.rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, resolve);
    });
    fs.chmodSync(path, 0o600);
  }

  async close(): Promise<void> {
    for (const response of this.#watches) response.end();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://control');
    switch (`${request.method} ${url.pathname}`) {
      case 'POST /v1/apply':
        send(response, 200, await this.#apply(await readJson<ApplyRequest>(request)));
        return;
      case 'POST /v1/delete':
        send(response, 200, await this.#delete(await readJson<DeleteRequest>(request)));
        return;
      case 'POST /v1/runtime':
        send(response, 200, await this.#runtime(await readJson<RuntimeRequest>(request)));
        return;
      case 'GET /v1/objects':
        send(response, 200, this.#objects(url.searchParams));
        return;
      case 'GET /v1/watch':
        this.#watch(url.searchParams, response);
        return;
      case 'GET /v1/state':
        send(response, 200, this.#state());
        return;
      case 'GET /v1/wait':
        send(response, 200, await this.#wait(url.searchParams));
        return;
      default:
        send(response, 404, { error: `there is no ${request.method} ${url.pathname}` });
    }
  }

  async #apply({ sources, namespace, dryRun, waitMs }: ApplyRequest): Promise<ApplyResponse> {
    if (!Array.isArray(sources)) throw new BadRequest('sources must be a list');
    const defaultNamespace = namespace ?? this.#context.defaultNamespace;
    const read = sources.map(({ name, text, path }) => ({ path, ...readObjects(text, name, { defaultNamespace }) }));
    const problems = read.flatMap((r) => r.problems);
    const entries = read.flatMap(({ path, entries }) =>
      path === undefined ? entries : entries.map((entry) => ({ ...entry, file: path })),
    );
    const results = await this.#context.store.apply(entries, { dryRun: dryRun ?? false });
    return { results, problems, ...(await this.#settled(waitMs, dryRun)) };
  }

  async #delete({ keys, dryRun, waitMs }: DeleteRequest): Promise<DeleteResponse> {
    if (!Array.isArray(keys)) throw new BadRequest('keys must be a list');
    const results = await this.#context.store.remove(keys, { dryRun: dryRun ?? false });
    return { results, ...(await this.#settled(waitMs, dryRun)) };
  }

  async #runtime({ apply, remove }: RuntimeRequest): Promise<RuntimeResponse> {
    const { runtime, meshSnapshot } = this.#context;
    if (runtime === undefined) throw new BadRequest('this control plane has no place for objects of the mesh');
    if (!Array.isArray(apply) || !Array.isArray(remove)) throw new BadRequest('apply and remove must be lists');
    const entries = apply.map((value) => readObject(value, () => ({ file: 'runtime' })));
    const applied = await runtime.apply(entries);
    const removed = await runtime.remove(remove);
    return { problems: [...applied, ...removed].flatMap((r) => r.errors), snapshot: meshSnapshot() };
  }

  async #settled(
    waitMs: number | undefined,
    dryRun: boolean | undefined,
  ): Promise<{ snapshot: number; convergence?: ConvergenceState }> {
    const snapshot = this.#context.meshSnapshot();
    if (waitMs === undefined || dryRun) return { snapshot };
    return { snapshot, convergence: await this.#context.convergence.waitFor(snapshot, Math.min(waitMs, MAX_WAIT_MS)) };
  }

  async #wait(query: URLSearchParams): Promise<ConvergenceState> {
    const snapshot = Number(query.get('snapshot') ?? this.#context.meshSnapshot());
    const timeoutMs = Number(query.get('timeoutMs') ?? 30_000);
    if (!Number.isInteger(snapshot) || !(timeoutMs >= 0))
      throw new BadRequest('snapshot and timeoutMs must be numbers');
    return this.#context.convergence.waitFor(snapshot, Math.min(timeoutMs, MAX_WAIT_MS));
  }

  #view(query: URLSearchParams): Pick<ConfigStore, 'snapshot' | 'subscribe'> {
    return query.get('written') === 'true' ? this.#context.written : this.#context.store;
  }

  #objects(query: URLSearchParams): ObjectsResponse {
    const warnings = this.#context.meshWarnings();
    const objects = select(this.#view(query).snapshot, query).map((state) => withStatus(state, warnings));
    return { snapshot: this.#context.meshSnapshot(), objects };
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    const { meshSnapshot } = this.#context;
    const view = this.#view(query);
    const kinds = new Set(query.getAll('kind'));
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    this.#watches.add(response);
    const write = (event: WatchEvent) => response.write(`${JSON.stringify(event)}\n`);
    write({ snapshot: meshSnapshot(), objects: select(view.snapshot, query), removed: [], complete: true });
    const wanted = (key: string) => kinds.size === 0 || kinds.has(key.slice(0, key.indexOf('/')));
    const end = view.subscribe((change: ConfigChange) => {
      const changed = [...change.added, ...change.updated].filter(wanted);
      const removed = change.removed.filter(wanted);
      // Who watches everything also wants to know when only what is said about it has changed.
      if (changed.length === 0 && removed.length === 0 && kinds.size > 0) return;
      const objects = changed.flatMap((key) => {
        const object = find(change.snapshot, key);
        return object ? [stateOf(key, object)] : [];
      });
      write({ snapshot: meshSnapshot(), objects, removed, complete: false });
    });
    response.on('close', () => {
      end();
      this.#watches.delete(response);
    });
  }

  #state(): StateResponse {
    const { store, proxies, convergence, meshSnapshot, meshWarnings } = this.#context;
    const { size, rejected } = store.snapshot;
    const snapshot = meshSnapshot();
    const lags = new Map(convergence.report(snapshot).laggards.map((l) => [l.connectionId, l.reason]));
    return {
      snapshot,
      objects: size,
      rejected,
      warnings: meshWarnings(),
      proxies: [...proxies].filter(followsConfiguration).map((proxy) => ({
        id: proxy.id,
        version: proxy.node.istioVersion,
        connected: true,
        lag: lags.get(proxy.connectionId),
      })),
      nacks: [...proxies]
        .flatMap(({ progress }) => [...progress.nacks.values()])
        .map((nack) => ({ proxy: nack.proxy, message: describeNack(nack) })),
    };
  }
}

function select(snapshot: ConfigSnapshot, query: URLSearchParams): ObjectState[] {
  const wanted = query.getAll('kind');
  const namespace = query.get('namespace') ?? undefined;
  const name = query.get('name') ?? undefined;
  return KINDS.filter((kind) => wanted.length === 0 || wanted.includes(kind.id)).flatMap((kind) =>
    snapshot
      .list(kind.id, kind.namespaced ? namespace : undefined)
      .filter((object) => name === undefined || object.metadata.name === name)
      .map((object) => stateOf(objectKey(kind.id, object.metadata.namespace, object.metadata.name), object)),
  );
}

function find(snapshot: ConfigSnapshot, key: string): ConfigObject | undefined {
  const [kind, namespace, name] = key.split('/');
  return snapshot.get(kind as (typeof KINDS)[number]['id'], namespace, name);
}

function stateOf(key: string, object: ConfigObject): ObjectState {
  const { creationTimestamp, generation = 1 } = object.metadata;
  return {
    key,
    kind: key.slice(0, key.indexOf('/')),
    raw: object.raw,
    creationTimestamp,
    generation,
    at: object.locate([]),
  };
}

async function readJson<T>(request: IncomingMessage): Promise<T> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new BadRequest(`the request is larger than ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as T;
  } catch {
    throw new BadRequest('the request is not JSON');
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
