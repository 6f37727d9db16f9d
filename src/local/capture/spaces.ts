import fs from 'node:fs';
import path from 'node:path';
import { type CaptureMode, captureOptionsOf, DNS_PORT, outsideCaptureOptions } from '../../agent/capture/options.ts';
import { userNamespaceEntrance, userNamespaceRules } from '../../agent/capture/user-namespace.ts';
import { openRelay } from '../../agent/net/relay.ts';
import type { Inside } from '../../agent/pod-network.ts';
import { RELAYS_VARIABLE } from '../../agent/relays.ts';
import type { PodAddresses } from '../../process/address-pool.ts';
import { NetworkNamespace } from '../../process/network-namespace.ts';
import { type DesiredPod, podKey } from '../pods/desired-pod.ts';
import type { PodSpace } from '../pods/pod-space.ts';
import { PROXY_PORTS } from '../proxy-ports.ts';
import { type MeshNetwork, PROXY_GROUP } from './mesh-network.ts';

/** Kept in order: what is removed has been made before, and nothing is made that was removed. */
abstract class Opened {
  #done: Promise<void> | undefined = undefined;
  #closed = false;

  open(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#done = this.make();
    return this.#done;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#done?.catch(() => {});
    await this.remove();
  }

  protected abstract make(): Promise<void>;
  protected abstract remove(): Promise<void>;
}

/** A pod in the network of the machine, such as a gateway, among pods that have networks of their own. */
export class AddressedSpace extends Opened implements PodSpace {
  readonly isOwn = false;
  readonly hasProxy = false;
  readonly captures = undefined;
  readonly ipv6 = undefined;
  readonly enterProxy = [];
  readonly enterProgram = [];
  readonly agentEnv = {};
  readonly inside = undefined;
  readonly pid = undefined;
  readonly #network: MeshNetwork;
  readonly #address: string;

  constructor(network: MeshNetwork, address: string) {
    super();
    this.#network = network;
    this.#address = address;
  }

  protected make(): Promise<void> {
    return this.#network.addAddress(this.#address);
  }

  protected remove(): Promise<void> {
    return this.#network.removeAddress(this.#address);
  }
}

/** A pod that gets a network of its own. */
interface PodOfSpace {
  readonly desired: DesiredPod;
  readonly addresses: PodAddresses;
  /** How what its programs are sent gets to its sidecar; undefined where it has none. */
  readonly captures: CaptureMode | undefined;
}

/** A pod with a network namespace of its own, in which its sidecar, if it has one, gets what its programs send and are sent. */
export class NamespaceSpace extends Opened implements PodSpace {
  readonly isOwn = true;
  readonly hasProxy = true;
  readonly inside = undefined;
  readonly pid = undefined;
  readonly captures: CaptureMode | undefined;
  readonly ipv6: string | undefined;
  readonly enterProgram: readonly string[];
  readonly enterProxy: readonly string[];
  readonly #network: MeshNetwork;
  readonly #desired: DesiredPod;
  readonly #addresses: PodAddresses;
  /** Folder for the sockets by which this machine reaches the sidecar's localhost; its path must be short. */
  readonly #sockets: string;
  #namespace: NetworkNamespace | undefined = undefined;
  #relays: { close(): void }[] = [];

  constructor(network: MeshNetwork, pod: PodOfSpace, sockets: string) {
    super();
    this.#network = network;
    this.#desired = pod.desired;
    this.#addresses = pod.addresses;
    this.#sockets = sockets;
    this.captures = pod.captures;
    this.ipv6 = network.ipv6Of(pod.addresses.pod);
    const enter = NetworkNamespace.entrance(network.nameOf(podKey(pod.desired)));
    this.enterProgram = enter;
    this.enterProxy = [...enter, '--setgid', String(PROXY_GROUP)];
  }

  get agentEnv(): Record<string, string> {
    return {
      [RELAYS_VARIABLE]: JSON.stringify(this.#ports()),
      // Where no other machine can be reached, its name servers need not be waited for.
      ...(this.#network.outward ? {} : { DNS_FORWARD_TIMEOUT: '500ms' }),
    };
  }

  /** The ports that this machine asks at the sidecar's localhost, and the socket that leads there. */
  #ports(): { readonly port: number; readonly path: string }[] {
    const [, , high, low] = this.#addresses.pod.split('.');
    return Object.values(PROXY_PORTS).map((port) => ({
      port,
      path: path.join(this.#sockets, `${Number(high) * 256 + Number(low)}.${port % 1000}`),
    }));
  }

  protected async make(): Promise<void> {
    const { pod, sidecar } = this.#addresses;
    const rules = this.captures
      ? {
          ...captureOptionsOf(this.#desired.annotations, this.captures),
          // Its user is that of the programs, so that it can read what they can; its group tells it from them.
          proxyUids: [],
          proxyGids: [PROXY_GROUP],
          dns: { port: DNS_PORT, servers: '*' as const },
        }
      : undefined;
    this.#namespace = await this.#network.addPod(podKey(this.#desired), pod, rules);
    if (!this.captures) return;
    fs.mkdirSync(this.#sockets, { recursive: true, mode: 0o700 });
    for (const { port, path: at } of this.#ports())
      this.#relays.push(await openRelay({ host: sidecar, port }, { path: at }));
  }

  protected async remove(): Promise<void> {
    for (const relay of this.#relays) relay.close();
    this.#relays = [];
    for (const { path: at } of this.#ports()) fs.rmSync(at, { force: true });
    await this.#namespace?.delete();
    this.#namespace = undefined;
  }
}

/** A pod whose programs have a network namespace that needs no root; its sidecar is outside, and gets their sockets. */
export class UserNamespaceSpace implements PodSpace {
  readonly isOwn = true;
  readonly hasProxy = false;
  readonly captures: CaptureMode;
  readonly ipv6 = undefined;
  readonly enterProxy = [];
  readonly enterProgram: readonly string[];
  readonly agentEnv = {};
  readonly #desired: DesiredPod;
  readonly #ports: readonly number[];
  readonly #others: string;
  readonly #folder: string;
  readonly #link: string;
  #rules = '';

  /** `ports` are those that its programs are asked at. */
  constructor(
    { desired, addresses, captures }: PodOfSpace & { readonly captures: CaptureMode },
    podPrefix: string,
    sockets: string,
    ports: readonly number[],
  ) {
    const [, , high, low] = addresses.pod.split('.');
    this.captures = captures;
    this.#desired = desired;
    this.#ports = ports;
    this.#others = `${podPrefix}0.0/16`;
    this.#folder = sockets;
    this.#link = path.join(sockets, `${Number(high) * 256 + Number(low)}.ns`);
    this.enterProgram = userNamespaceEntrance(this.#link);
  }

  get inside(): Inside {
    return { link: this.#link, rules: this.#rules, ports: this.#ports };
  }

  get pid(): number | undefined {
    const match = /^\/proc\/(\d+)\/ns$/.exec(linkTarget(this.#link));
    return match === null ? undefined : Number(match[1]);
  }

  /** The agent makes it when it starts. */
  async open(): Promise<void> {
    this.#rules = userNamespaceRules(outsideCaptureOptions(this.#desired.annotations, this.#others, this.captures));
    await fs.promises.mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  close(): Promise<void> {
    fs.rmSync(this.#link, { force: true });
    return Promise.resolve();
  }
}

function linkTarget(link: string): string {
  try {
    return fs.readlinkSync(link);
  } catch {
    return '';
  }
}
