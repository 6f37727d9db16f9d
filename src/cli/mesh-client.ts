import type { Command } from 'commander';
import { findMesh, type RunningMesh } from '../app/meshes.ts';
import { messageOf, UserError } from '../base/errors.ts';
import { http } from '../base/node-http.ts';
import type { ObjectState } from '../config/control/api.ts';
import { ControlClient } from '../config/control/client.ts';
import type { ProxyAddress } from '../config/control/mesh-api.ts';
import { matchesLabels } from '../config/labels.ts';
import { objectKey } from '../config/object.ts';
import type { Streams } from './command.ts';

/** Flags of commands that look for proxies as istioctl does. */
export interface ProxyFlags {
  readonly mesh?: string;
  readonly namespace?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** Flags of istioctl about the cluster that it asks; there is none here. */
const CLUSTER_FLAGS = [
  '-c, --kubeconfig <file>',
  '--context <name>',
  '--as <user>',
  '--as-group <group>',
  '--as-uid <uid>',
];
const UNUSED_FLAGS = ['-i, --istioNamespace <name>', '--kubeclient-timeout <duration>', '--vklog <level>'];

export function addProxyFlags(command: Command): Command {
  command
    .option('-n, --namespace <name>', 'namespace of proxies that are named without one')
    .option('--mesh <name>', 'the mesh, where several run on this machine');
  for (const flags of [...CLUSTER_FLAGS, ...UNUSED_FLAGS]) command.addOption(command.createOption(flags).hideHelp());
  return command;
}

/** Says which flags that were given ask for something that there is not. */
export function warnOfClusterFlags(command: Command, streams: Streams): void {
  for (const flags of CLUSTER_FLAGS) {
    const option = command.options.find((o) => o.flags === flags);
    if (option === undefined || command.getOptionValueSource(option.attributeName()) !== 'cli') continue;
    streams.stderr.write(
      `warning: ${option.long} has no effect: proxies of the local mesh are asked, not of a cluster\n`,
    );
  }
}

/** The proxies of a running mesh and its control plane. */
export class MeshClient {
  readonly mesh: RunningMesh;
  readonly #control: ControlClient;

  private constructor(mesh: RunningMesh) {
    this.mesh = mesh;
    this.#control = new ControlClient(mesh.controlSocket);
  }

  /** The mesh of this name, or the only one that runs. Throws a UserError if there is none. */
  static async connect(env: NodeJS.ProcessEnv, name: string | undefined): Promise<MeshClient> {
    return new MeshClient(await findMesh(env, name));
  }

  /** By namespace and name. */
  async proxies(): Promise<ProxyAddress[]> {
    const { proxies } = await this.#control.proxies();
    return [...proxies].sort((a, b) =>
      a.namespace === b.namespace ? order(a.name, b.name) : order(a.namespace, b.namespace),
    );
  }

  /**
   * The proxies that a target names, as {@link selectProxies} reads it; those of the pods that a Service selects for
   * `service/NAME`. There is at least one; otherwise throws a UserError.
   */
  async find(target: string, defaultNamespace: string | undefined): Promise<ProxyAddress[]> {
    const proxies = await this.proxies();
    const { type, name, namespace } = parseTarget(target, defaultNamespace);
    if (!SERVICE_TYPES.has(type)) return selectProxies(proxies, target, defaultNamespace);
    const [{ objects: services }, { objects: pods }] = await Promise.all([
      this.#control.objects({ kinds: ['Service'], namespace, name }),
      this.#control.objects({ kinds: ['Pod'], namespace }),
    ]);
    return proxiesOfService(proxies, name, namespace, services[0]?.raw, pods);
  }

  /** What one of the control plane's `/debug` endpoints answers. Throws a UserError. */
  debug(path: string): Promise<string> {
    return request(`http://${this.mesh.discovery.http}/debug/${path}`, 'GET', 'the control plane');
  }

  async controlPlaneVersion(): Promise<string> {
    return (await request(`http://${this.mesh.discovery.monitoring}/version`, 'GET', 'the control plane')).trim();
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What may stand before a slash, as kubectl names it, and the kind of the owner of the pod. */
const TYPES: Readonly<Record<string, string>> = {
  pod: 'Pod',
  pods: 'Pod',
  po: 'Pod',
  deployment: 'Deployment',
  deployments: 'Deployment',
  deploy: 'Deployment',
  statefulset: 'StatefulSet',
  statefulsets: 'StatefulSet',
  sts: 'StatefulSet',
  daemonset: 'DaemonSet',
  daemonsets: 'DaemonSet',
  ds: 'DaemonSet',
  replicaset: 'ReplicaSet',
  replicasets: 'ReplicaSet',
  rs: 'ReplicaSet',
  job: 'Job',
  jobs: 'Job',
};

const SERVICE_TYPES: ReadonlySet<string> = new Set(['service', 'services', 'svc']);

/** `[TYPE[.GROUP]/]NAME[.NAMESPACE]`; without a type it is a pod. */
function parseTarget(target: string, defaultNamespace: string | undefined) {
  const slash = target.indexOf('/');
  const whole = target.slice(slash + 1);
  const dot = whole.lastIndexOf('.');
  return {
    type: slash < 0 ? 'pod' : target.slice(0, slash).toLowerCase().split('.')[0]!,
    name: dot > 0 ? whole.slice(0, dot) : whole,
    namespace: dot > 0 ? whole.slice(dot + 1) : defaultNamespace || 'default',
  };
}

/** The proxies of a Service's pods. Throws a UserError if there is no such Service, or nobody behind it has a proxy. */
export function proxiesOfService(
  proxies: readonly ProxyAddress[],
  name: string,
  namespace: string,
  service: Readonly<Record<string, unknown>> | undefined,
  pods: readonly Pick<ObjectState, 'key' | 'raw'>[],
): ProxyAddress[] {
  const where = `service ${JSON.stringify(name)} in namespace ${JSON.stringify(namespace)}`;
  if (service === undefined) throw new UserError(`there is no ${where}`);
  const { selector = {} } = (service.spec ?? {}) as { readonly selector?: Readonly<Record<string, string>> };
  if (Object.keys(selector).length === 0) throw new UserError(`${where} selects no pods`);
  const selected = new Set(
    pods
      .filter(({ raw }) => {
        const { labels = {} } = (raw.metadata ?? {}) as { readonly labels?: Readonly<Record<string, string>> };
        return matchesLabels(selector, labels);
      })
      .map(({ key }) => key),
  );
  const found = proxies.filter((proxy) => selected.has(objectKey('Pod', proxy.namespace, proxy.name)));
  if (found.length === 0) throw new UserError(`no pod of ${where} has a proxy`);
  return found;
}

/**
 * The proxies that `[TYPE/]NAME[.NAMESPACE]` names, as istioctl reads it: a pod, or all of a workload's. There is at least
 * one; otherwise throws a UserError that says which there are.
 */
export function selectProxies(
  proxies: readonly ProxyAddress[],
  target: string,
  defaultNamespace: string | undefined,
): ProxyAddress[] {
  const { type, name, namespace } = parseTarget(target, defaultNamespace);
  const kind = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (kind === undefined)
    throw new UserError(
      `${JSON.stringify(type)} has no proxies: use pod, deployment, statefulset, daemonset, job or service`,
    );
  const found = proxies.filter((proxy) => {
    if (proxy.namespace !== namespace) return false;
    return kind === 'Pod' ? proxy.name === name : proxy.owner === `${kind}/${name}`;
  });
  if (found.length > 0) return found;
  const ids = proxies.map(({ id }) => id);
  const there = ids.length === 0 ? 'the mesh has no proxy yet' : `there is ${ids.join(', ')}`;
  const kindName = kind === 'Pod' ? '' : `${kind.toLowerCase()} `;
  throw new UserError(
    `no proxy of ${kindName}${JSON.stringify(name)} in namespace ${JSON.stringify(namespace)}: ${there}`,
  );
}

/** `HOST:PORT` of a proxy's admin interface, with the port that was asked for. */
export function adminAddress({ admin }: ProxyAddress, port: number | undefined): string {
  return port === undefined ? admin : `${admin.slice(0, admin.lastIndexOf(':'))}:${port}`;
}

/** What a proxy's admin interface answers to `/PATH`. Throws a UserError. */
export function askAdmin(admin: string, path: string, method: 'GET' | 'POST' = 'GET'): Promise<string> {
  return request(`http://${admin}/${path}`, method, `the proxy's admin interface ${admin}`);
}

const TIMEOUT_MS = 15_000;
const MAX_ANSWER = 512 * 1024 * 1024;

function request(url: string, method: string, whom: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new UserError(`${whom} does not answer: ${why}`));
    const outgoing = http.request(
      url,
      { method, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size > MAX_ANSWER) outgoing.destroy(new Error(`more than ${MAX_ANSWER} bytes`));
        });
        response.on('error', (error) => fail(messageOf(error)));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          if (response.statusCode === 200) resolve(text);
          else reject(new UserError(`${whom} answers ${response.statusCode}: ${text.trim().slice(0, 500)}`));
        });
      },
    );
    outgoing.on('error', (error) => {
      fail(
        error.name === 'AbortError' || error.name === 'TimeoutError'
          ? `nothing within ${TIMEOUT_MS / 1000} s`
          : error.message,
      );
    });
    outgoing.end();
  });
}
