import fs from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { messageOf, UserError } from '../../base/errors.ts';
import { http } from '../../base/node-http.ts';
import type { ApplyResponse, DeleteResponse } from '../../config/control/api.ts';
import type {
  EnvironmentResponse,
  InviteRequest,
  MeshStatus,
  PodStatus,
  ProxiesResponse,
  RenewRequest,
  RestartRequest,
  RolloutRequest,
  RotationRequest,
  RunEvent,
  RunRequest,
  StartedRequest,
  TokenRequest,
} from '../../config/control/mesh-api.ts';
import { readObject } from '../../config/read.ts';
import { chooseCapture } from '../capture/choose.ts';
import { Invitations } from '../invitations.ts';
import type { LocalMesh } from '../mesh.ts';
import { ObjectView } from '../object-view.ts';
import { OutsideWorkloads } from '../outside-workloads.ts';
import { type DesiredPod, desiredPods, podKey } from '../pods/desired-pod.ts';
import type { Pod } from '../pods/pod.ts';
import { whenWarm } from './warming.ts';

const MAX_BODY = 1024 * 1024;
const MAX_ANSWER = 64 * 1024 * 1024;
const WARM_MS = 5000;

class NotFound extends UserError {}

/** Serves `mesh-api.ts` on the mesh's socket, and hands everything else on to the control plane. */
export class MeshControlServer {
  readonly #mesh: LocalMesh;
  readonly #onDown: () => void;
  readonly #server: Server;
  readonly #runs = new Map<string, Pod>();
  readonly #outside: OutsideWorkloads;
  readonly #invitations: Invitations;
  /** Milliseconds until the mesh was ready; set by whoever waits for it. */
  readyAfterMs: number | undefined = undefined;

  constructor(mesh: LocalMesh, onDown: () => void) {
    this.#mesh = mesh;
    this.#outside = new OutsideWorkloads(mesh.folder);
    this.#invitations = new Invitations(mesh, this.#outside);
    this.#onDown = onDown;
    this.#server = http.createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else send(response, error instanceof NotFound ? 404 : 400, { error: messageOf(error) });
      });
    });
    this.#server.requestTimeout = 0;
  }

  async listen(): Promise<void> {
    const { controlSocket } = this.#mesh.folder;
    fs.rmSync(controlSocket, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(controlSocket, resolve);
    });
    fs.chmodSync(controlSocket, 0o600);
  }

  close(): void {
    this.#invitations.close();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://control');
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /v1/status':
        send(response, 200, this.#status());
        return;
      case 'GET /v1/proxies':
        send(response, 200, this.#proxies());
        return;
      case 'GET /v1/environment':
        send(response, 200, this.#environment(url.searchParams));
        return;
      case 'GET /v1/certificates':
        send(response, 200, await this.#mesh.certificates.list());
        return;
      case 'POST /v1/renew':
        send(response, 200, await this.#mesh.certificates.renew((await readJson<RenewRequest>(request)).workloads));
        return;
      case 'GET /v1/rotation':
        send(response, 200, await this.#mesh.certificates.rotation());
        return;
      case 'POST /v1/rotation':
        send(response, 200, await this.#mesh.certificates.step(await readJson<RotationRequest>(request)));
        return;
      case 'POST /v1/restart': {
        const { namespace, pod } = await readJson<RestartRequest>(request);
        if (!(await this.#mesh.restart(`${namespace}/${pod}`))) throw new NotFound(`pods "${pod}" not found`);
        send(response, 200, {});
        return;
      }
      case 'POST /v1/rollout': {
        const { namespace, kind, name } = await readJson<RolloutRequest>(request);
        if (!(await this.#mesh.rollOut(namespace, { kind, name }))) throw new NotFound(`"${name}" has no pods`);
        send(response, 200, {});
        return;
      }
      case 'POST /v1/run':
        await this.#run(await readJson<RunRequest>(request), response);
        return;
      case 'POST /v1/started': {
        const { namespace, name } = await readJson<StartedRequest>(request);
        this.#runs.get(`${namespace}/${name}`)?.programStarted();
        send(response, 200, {});
        return;
      }
      case 'POST /v1/invite':
        send(response, 200, await this.#invitations.invite(await readJson<InviteRequest>(request)));
        return;
      case 'GET /v1/trust':
        send(response, 200, { rootCertificate: this.#outside.rootCertificate() });
        return;
      case 'POST /v1/token':
        send(response, 200, { token: await this.#outside.issueToken(await readJson<TokenRequest>(request)) });
        return;
      case 'POST /v1/down':
        send(response, 202, {});
        this.#onDown();
        return;
      case 'POST /v1/apply':
      case 'POST /v1/delete':
        this.#handOn(request, response, (answer) => this.#inForce(answer));
        return;
      default:
        this.#handOn(request, response);
    }
  }

  /** `finish` completes an answer, which is otherwise passed through as it comes. */
  #handOn(
    request: IncomingMessage,
    response: ServerResponse,
    finish?: (answer: ApplyResponse | DeleteResponse) => Promise<object>,
  ): void {
    const { method, url: path, headers } = request;
    const onward = http.request(
      { socketPath: this.#mesh.folder.discoverySocket, method, path, headers, agent: false },
      (answer) => {
        if (finish && answer.statusCode === 200) {
          readJson<ApplyResponse | DeleteResponse>(answer, MAX_ANSWER)
            .then(finish)
            .then((whole) => send(response, 200, whole))
            .catch((error: unknown) => send(response, 502, { error: messageOf(error) }));
          return;
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on('error', (error) => {
      if (response.headersSent) response.destroy();
      else send(response, 503, { error: `the control plane does not answer: ${error.message}` });
    });
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  /** A change that proxies have acknowledged is in force once their listeners are at work. */
  async #inForce(answer: ApplyResponse | DeleteResponse): Promise<object> {
    if (!answer.convergence) return answer;
    const pods = new Map(this.#mesh.pods.map((pod) => [`${pod.desired.name}.${pod.desired.namespace}`, pod]));
    const adminOf = (proxy: string) => {
      return pods.get(proxy)?.endpoints.admin;
    };
    return { ...answer, convergence: await whenWarm(answer.convergence, adminOf, WARM_MS) };
  }

  #status(): MeshStatus {
    const { record, startedAt, discoveryStatus, pods } = this.#mesh;
    const { name, dir, pid, discovery } = record;
    return {
      name,
      dir,
      pid,
      startedAt,
      readyAfterMs: this.readyAfterMs,
      discovery: { ...discoveryStatus, addresses: discovery },
      urls: this.#mesh.publishedUrls,
      pods: pods.map(podStatus),
    };
  }

  #proxies(): ProxiesResponse {
    const pods = this.#mesh.pods.filter((pod) => pod.injection !== 'none');
    return {
      proxies: pods.map(({ desired, injection, addresses, endpoints }) => ({
        id: `${desired.name}.${desired.namespace}`,
        namespace: desired.namespace,
        name: desired.name,
        owner: ownerOf(desired),
        type: injection === 'gateway' ? 'router' : 'sidecar',
        podIp: addresses.pod,
        ...endpoints,
      })),
    };
  }

  #environment(query: URLSearchParams): EnvironmentResponse {
    const key = `${query.get('namespace') ?? 'default'}/${query.get('pod')}`;
    const pod = this.#mesh.pods.find((p) => podKey(p.desired) === key);
    if (pod === undefined) throw new NotFound(`pods "${query.get('pod')}" not found`);
    return { ...pod.environment(query.get('container') ?? undefined), enter: pod.enter };
  }

  async #run(request: RunRequest, response: ServerResponse): Promise<void> {
    const cables = this.#mesh.options.capture === 'netns';
    const capture = request.capture && (await chooseCapture(request.capture, cables));
    const pod = this.#mesh.addRun(desiredRun(request), capture);
    const key = podKey(pod.desired);
    this.#runs.set(key, pod);
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    const write = (event: RunEvent) => response.write(`${JSON.stringify(event)}\n`);
    write({ event: 'waiting' });
    response.on('close', () => {
      this.#runs.delete(key);
      void this.#mesh.removeRun(pod);
    });
    if (await pod.whenProxyReady()) {
      write({ event: 'ready', env: pod.baseEnvironment(request.ports[0]), enter: pod.enter, podIp: pod.addresses.pod });
    } else {
      write({ event: 'failed', message: pod.message ?? 'the mesh stops' });
      response.end();
    }
  }
}

/** A pod with one container whose program is run from outside. */
function desiredRun(request: RunRequest): DesiredPod {
  const { namespace, name, serviceAccount, labels, ports, command } = request;
  const raw = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: {
      serviceAccountName: serviceAccount,
      containers: [{ name: 'run', command, ports: ports.map((containerPort) => ({ containerPort })) }],
    },
  };
  const { object, errors } = readObject(raw, () => ({ file: 'isthmus run' }));
  if (object === undefined) throw new UserError(errors.map((e) => `${e.field}: ${e.message}`).join('\n'));
  const view = new ObjectView();
  view.add(raw);
  return desiredPods(view)[0]!;
}

function ownerOf({ owner }: DesiredPod): string | undefined {
  return owner && `${owner.kind}/${owner.name}`;
}

function podStatus(pod: Pod): PodStatus {
  const { desired, injection, addresses, containers } = pod;
  return {
    namespace: desired.namespace,
    name: desired.name,
    owner: ownerOf(desired),
    proxy: injection,
    ready: pod.readyCount,
    size: pod.size,
    status: pod.word,
    message: pod.message,
    restarts: pod.restarts,
    createdAt: pod.createdAt,
    podIp: addresses.pod,
    podIpv6: pod.ipv6,
    programAddress: pod.programAddress,
    folder: pod.folder,
    containers: containers.map(({ fault, notReadyBecause, lastExitCode: _, ...container }) => ({
      ...container,
      message: fault ?? (container.ready ? undefined : notReadyBecause),
    })),
  };
}

async function readJson<T>(message: IncomingMessage, maxBytes = MAX_BODY): Promise<T> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new UserError(`the message is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as T;
  } catch {
    throw new UserError('the message is not JSON');
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
