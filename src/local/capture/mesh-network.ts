import fs from 'node:fs';
import { CAPTURE_DEFAULTS, type CaptureOptions, DNS_PORT } from '../../agent/capture/options.ts';
import { captureRoutes, captureRules, restoreText } from '../../agent/capture/rules.ts';
import { canonicalIpv6 } from '../../base/cidr.ts';
import { UserError } from '../../base/errors.ts';
import { podPrefixOf } from '../../process/address-pool.ts';
import { NetworkNamespace } from '../../process/network-namespace.ts';
import { runTool, ToolError } from '../../process/tool.ts';
import { removeLeftovers, removeSlot } from './leftovers.ts';
import { forwards, masqueradeRule } from './masquerade.ts';
import { bridgeName, linkName, namespaceName } from './names.ts';

/** The tools that are called, and Debian's package of each. */
const TOOLS = { ip: 'iproute2', nsenter: 'util-linux', 'iptables-restore': 'iptables' } as const;
/** The end of the address that this machine itself has on the bridge. */
const HOST = '255.253';
const PREFIX_BITS = 16;
const PREFIX6_BITS = 64;
/** The end of the address that stands for the load balancer of the gateways; no pod gets it. */
export const OUTSIDE_ADDRESS = '255.254';

/** What is done for every pod, to be tried where it goes with the process that tried it. */
const TRIALS: readonly [words: readonly string[], input?: string][] = [
  [['ip', 'link', 'add', 'trial', 'type', 'bridge']],
  [['ip', 'link', 'add', 'trial', 'type', 'veth', 'peer', 'name', 'other']],
  [
    ['iptables-restore', '--noflush', '-w', '5'],
    restoreText(captureRules({ ...CAPTURE_DEFAULTS, dns: { port: DNS_PORT, servers: '*' } }, 4)),
  ],
];

/** Why IPv6 of pods cannot be captured; undefined if it can. */
export async function whyNoIpv6(): Promise<string | undefined> {
  const trial = restoreText(captureRules(CAPTURE_DEFAULTS, 6));
  const { message } = await attempt('unshare', ['--net', '--', 'ip6tables-restore', '--noflush', '-w', '5'], trial);
  if (message !== undefined) return message;
  const off = await fs.promises.readFile('/proc/sys/net/ipv6/conf/all/disable_ipv6', 'utf8').catch(() => '1');
  return off.trim() === '0' ? undefined : 'this machine has no IPv6';
}

/** Why pods cannot be captured by TPROXY; undefined if they can. */
export async function whyNoTproxy(): Promise<string | undefined> {
  const trial = restoreText(captureRules({ ...CAPTURE_DEFAULTS, inboundMode: 'TPROXY' }, 4));
  return (await attempt('unshare', ['--net', '--', 'iptables-restore', '--noflush', '-w', '5'], trial)).message;
}

/** Why this process can make no network namespaces with cables; undefined if it can. */
export async function whyNoNamespaces(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'network namespaces are a thing of Linux';
  if (process.getuid?.() !== 0) return 'it needs root';
  for (const [tool, name] of Object.entries(TOOLS)) {
    const { missing = false, message } = await attempt(tool, ['--version']);
    if (missing) return `${message} (package ${name})`;
  }
  // Root in a container may be root of little, and a kernel may have less than others.
  for (const [words, input] of TRIALS) {
    const { message } = await attempt('unshare', ['--net', '--', ...words], input);
    if (message !== undefined) return message;
  }
  return undefined;
}

async function attempt(tool: string, args: readonly string[], input?: string): Promise<Partial<ToolError>> {
  try {
    await runTool(tool, args, input);
    return {};
  } catch (error) {
    if (error instanceof ToolError) return error;
    throw error;
  }
}

/** The network of a mesh whose pods have networks of their own: a bridge of this machine, and a cable to each pod. */
export class MeshNetwork {
  readonly #slot: number;
  readonly #mesh: string;
  readonly #podPrefix: string;
  /** Whether pods have IPv6 as well. */
  readonly #dualStack: boolean;
  /** How many things a mesh has left here that was killed. */
  readonly leftovers: number;
  /** Whether pods reach other machines. */
  readonly outward: boolean;

  private constructor(slot: number, mesh: string, dualStack: boolean, leftovers: number) {
    this.#slot = slot;
    this.#mesh = mesh;
    this.#dualStack = dualStack;
    this.#podPrefix = podPrefixOf('netns', slot);
    this.leftovers = leftovers;
    this.outward = forwards();
  }

  /** `slot` is held by the caller. Throws a UserError if there can be no such network. */
  static async open(slot: number, mesh: string, dualStack = false): Promise<MeshNetwork> {
    const problem = await whyNoNamespaces();
    if (problem !== undefined) throw new UserError(`--capture netns cannot be done here: ${problem}`);
    const problem6 = dualStack ? await whyNoIpv6() : undefined;
    if (problem6 !== undefined)
      throw new UserError(`ISTIO_DUAL_STACK asks for IPv6, which cannot be captured here: ${problem6}`);
    const network = new MeshNetwork(slot, mesh, dualStack, await removeLeftovers(slot));
    try {
      await network.#begin();
      return network;
    } catch (error) {
      await network.close();
      throw error instanceof ToolError ? new UserError(`--capture netns cannot be done here: ${error.message}`) : error;
    }
  }

  get range(): string {
    return `${this.#podPrefix}0.0/${PREFIX_BITS}`;
  }

  get bridge(): string {
    return bridgeName(this.#slot);
  }

  /** The address that this machine has for the pods. */
  get host(): string {
    return this.#podPrefix + HOST;
  }

  /** The address of IPv6 that goes with the end of one of IPv4: unique local (RFC 4193), a prefix for each mesh. */
  #ipv6(end: string): string {
    const [high, low] = end.split('.');
    const host = Number(high) * 256 + Number(low);
    return canonicalIpv6(`fd69:7374:6800:${this.#slot.toString(16)}::${host.toString(16)}`);
  }

  /** The address of IPv6 of a pod that has this one of IPv4; undefined where pods have none. */
  ipv6Of(address: string): string | undefined {
    return this.#dualStack ? this.#ipv6(address.split('.').slice(2).join('.')) : undefined;
  }

  async #begin(): Promise<void> {
    const ip = (...args: string[]) => runTool('ip', args);
    const routes = await ip('-4', 'route', 'show', 'match', `${this.#podPrefix}0.1`);
    const other = routes.split('\n').find((line) => line !== '' && !line.startsWith('default'));
    if (other !== undefined)
      throw new UserError(`--capture netns cannot be done here: ${this.range} is in use: ${other.trim()}`);
    await ip('link', 'add', this.bridge, 'type', 'bridge');
    await ip('addr', 'add', `${this.host}/${PREFIX_BITS}`, 'dev', this.bridge);
    if (this.#dualStack) await ip('addr', 'add', `${this.#ipv6(HOST)}/${PREFIX6_BITS}`, 'dev', this.bridge, 'nodad');
    await ip('link', 'set', this.bridge, 'up');
    await this.addAddress(this.#podPrefix + OUTSIDE_ADDRESS);
    if (this.outward) await runTool('iptables', masqueradeRule('-A', this.#slot));
  }

  /** Gives this machine one more address: that of a pod which runs in the machine's own network. */
  async addAddress(address: string): Promise<void> {
    await runTool('ip', ['addr', 'replace', `${address}/32`, 'dev', this.bridge]);
  }

  async removeAddress(address: string): Promise<void> {
    await runTool('ip', ['addr', 'del', `${address}/32`, 'dev', this.bridge]).catch(() => {});
  }

  /** Makes the network of a pod; with rules that send its traffic to the sidecar in it, unless it has none. */
  async addPod(pod: string, address: string, rules: CaptureOptions | undefined): Promise<NetworkNamespace> {
    const namespace = await NetworkNamespace.create({
      name: this.nameOf(pod),
      link: linkName(this.#slot, address),
      bridge: this.bridge,
      address: `${address}/${PREFIX_BITS}`,
      gateway: this.host,
      ...(this.#dualStack && {
        ipv6: {
          address: `${this.ipv6Of(address)}/${PREFIX6_BITS}`,
          gateway: this.#ipv6(HOST),
        },
      }),
    });
    if (rules === undefined) return namespace;
    try {
      const problem = rules.inboundMode === 'TPROXY' ? await whyNoTproxy() : undefined;
      if (problem !== undefined) throw new UserError(`interceptionMode TPROXY cannot be done here: ${problem}`);
      await capture(namespace, rules, 4);
      // Names are asked for over IPv4, where the agent answers.
      if (this.#dualStack) await capture(namespace, { ...rules, dns: undefined }, 6);
      return namespace;
    } catch (error) {
      await namespace.delete();
      throw error;
    }
  }

  nameOf(pod: string): string {
    return namespaceName(this.#slot, this.#mesh, pod);
  }

  /** Removes the bridge, every cable and every namespace. */
  async close(): Promise<void> {
    await removeSlot(this.#slot).catch(() => {});
  }
}

async function capture(namespace: NetworkNamespace, options: CaptureOptions, family: 4 | 6): Promise<void> {
  const restore = family === 4 ? 'iptables-restore' : 'ip6tables-restore';
  for (const args of captureRoutes(options, family)) await namespace.run('ip', [`-${family}`, ...args]);
  await namespace.run(restore, ['--noflush', '-w', '5'], restoreText(captureRules(options, family)));
}

/** Group as which the agents of captured pods run, by which their connections are told from the programs'. */
export const PROXY_GROUP = CAPTURE_DEFAULTS.proxyGids[0]!;
