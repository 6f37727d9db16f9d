import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { parseHostPort } from '../agent/environment/values.ts';
import { POD_NETWORK_VARIABLE, type PodNetwork } from '../agent/pod-network.ts';
import { codeOf, messageOf, UserError } from '../base/errors.ts';
import { parseClusterEnv } from '../config/virtual-machine/cluster-env.ts';
import { parseYaml } from '../config/yaml/parse.ts';
import { HTTP_PROXY_PORT, STATUS_PORT } from './machine-ports.ts';

/** How a machine is a member of a mesh. */
export interface MachineOptions {
  /** The folder with what `isthmus workload entry configure` has written. */
  readonly folder: string;
  /** By which the mesh reaches it; `ISTIO_SVC_IP`, or its first address that is not a loopback one, unless told. */
  readonly ip: string | undefined;
  /** Where its program listens, and finds the sidecar. */
  readonly localAddress: string;
}

/** What the agent of a machine is started with. */
export interface Machine {
  /** Working folder of the agent. */
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly ip: string;
  /** Where the agent says whether it is ready. */
  readonly status: string;
  /** What the program gets beside its own environment. */
  readonly programEnv: Readonly<Record<string, string>>;
}

const ISTIOD = 'istiod.istio-system.svc:15012';

/** Lays out the agent's working folder. Throws a UserError that names the file that is missing or wrong. */
export function prepareMachine({ folder, ip, localAddress }: MachineOptions): Machine {
  const env = parseClusterEnv(read(folder, 'cluster.env'));
  const mesh = read(folder, 'mesh.yaml');
  const hosts = parseHosts(read(folder, 'hosts'));
  const dir = path.join(path.resolve(folder), 'agent');
  for (const [place, name] of [
    ['var/run/secrets/tokens', 'istio-token'],
    ['var/run/secrets/istio', 'root-cert.pem'],
    ['etc/istio/config', 'mesh.yaml'],
  ] as const) {
    if (name !== 'istio-token') read(folder, name);
    const parent = path.join(dir, place);
    fs.mkdirSync(parent, { recursive: true, mode: 0o700 });
    // A link: what is renewed in the folder is what the agent reads next.
    const link = path.join(parent, name === 'mesh.yaml' ? 'mesh' : name);
    fs.rmSync(link, { force: true });
    fs.symlinkSync(path.join(path.resolve(folder), name), link);
  }
  const address = ip ?? (env.ISTIO_SVC_IP || firstAddress());
  if (net.isIP(address) === 0)
    throw new UserError(`${JSON.stringify(address)} is not an IP address; give one with --ip`);
  const { addresses, san } = controlPlane(env, mesh, path.join(folder, 'mesh.yaml'), hosts);
  const network: PodNetwork = {
    pod: address,
    program: localAddress,
    sidecar: localAddress,
    // No address of the mesh is one of this machine's loopback.
    podPrefix: 'none',
    privileged: true,
    publish: undefined,
  };
  return {
    dir,
    ip: address,
    status: `http://${net.isIP(address) === 6 ? `[${address}]` : address}:${STATUS_PORT}`,
    env: {
      ...env,
      ...addresses,
      ...(san !== undefined && { ISTIOD_SAN: san }),
      INSTANCE_IP: address,
      [POD_NETWORK_VARIABLE]: JSON.stringify(network),
      ISTIO_META_INTERCEPTION_MODE: 'NONE',
      ISTIO_META_ISTHMUS_CAPTURE: 'explicit',
    },
    programEnv: programEnvironment(localAddress),
  };
}

/** By name the mesh is reached through the sidecar as an HTTP proxy. */
function programEnvironment(localAddress: string): Record<string, string> {
  const proxy = `http://${localAddress}:${HTTP_PROXY_PORT}`;
  const direct = 'localhost,127.0.0.1';
  const env = { HOST: localAddress, NODE_USE_ENV_PROXY: '1', http_proxy: proxy, HTTP_PROXY: proxy };
  return { ...env, no_proxy: direct, NO_PROXY: direct };
}

/** Where control plane and authority really are: the machine's own hosts file need not be written. */
function controlPlane(
  env: Readonly<Record<string, string>>,
  mesh: string,
  file: string,
  hosts: ReadonlyMap<string, string>,
): { readonly addresses: Readonly<Record<string, string>>; readonly san: string | undefined } {
  const { documents, problems } = parseYaml(mesh, file);
  if (problems[0]) throw new UserError(`${file}: ${problems[0].message}`);
  const { defaultConfig } = (documents[0]?.value ?? {}) as { readonly defaultConfig?: { discoveryAddress?: string } };
  const discovery = defaultConfig?.discoveryAddress ?? ISTIOD;
  const at = parseHostPort(discovery);
  const ip = at && hosts.get(at.host);
  if (at === undefined || ip === undefined) return { addresses: {}, san: undefined };
  const found = `${net.isIP(ip) === 6 ? `[${ip}]` : ip}:${at.port}`;
  return {
    san: at.host,
    addresses: {
      PROXY_CONFIG: JSON.stringify({ discoveryAddress: found }),
      ...((env.CA_ADDR === undefined || env.CA_ADDR === discovery) && { CA_ADDR: found }),
    },
  };
}

/** Names of a hosts file and their addresses. */
function parseHosts(text: string): Map<string, string> {
  const hosts = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [ip = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (net.isIP(ip) !== 0) for (const name of names) hosts.set(name, ip);
  }
  return hosts;
}

function firstAddress(): string {
  const found = Object.values(os.networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4');
  if (found === undefined) throw new UserError('this machine has no address that others can reach; give one with --ip');
  return found.address;
}

function read(folder: string, name: string): string {
  const file = path.join(folder, name);
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT')
      throw new UserError(`${file} is missing: "isthmus workload entry configure -o ${folder}" writes it`);
    throw new UserError(`${file} cannot be read: ${messageOf(error)}`);
  }
}
