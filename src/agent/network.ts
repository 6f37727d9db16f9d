import { isIP } from 'node:net';
import type { AddressMap } from '../proxy/net/address-map.ts';
import type { ServedPorts } from './capture/served-ports.ts';
import type { UserNamespace } from './capture/user-namespace.ts';
import type { AgentEnvironment } from './environment/environment.ts';
import type { HostPort } from './environment/values.ts';
import { podAddressMap, podPort } from './pod-network.ts';

/** What an agent hears of the network of its programs. */
export interface NetworkEvents {
  readonly onEnd: (why: string) => void;
  /** Something that a person wants to read about. */
  readonly onProblem: (problem: string) => void;
}

/** The addresses of one pod, which may share its machine's loopback with others. */
export class AgentNetwork {
  readonly #environment: AgentEnvironment;
  /** Undefined where addresses are what they say. */
  readonly addresses: AddressMap | undefined;

  /** The network of the programs, if the sidecar is not in it. */
  readonly inside: UserNamespace | undefined;
  readonly #served: ServedPorts | undefined;

  constructor(environment: AgentEnvironment, inside?: UserNamespace, served?: ServedPorts) {
    this.#environment = environment;
    this.inside = inside;
    this.#served = served;
    const within = inside &&
      served && {
        listen: (port: number) => inside.listenTcp(port),
        get ports() {
          return served.ports;
        },
        onChange: (callback: () => void) => served.onChange(callback),
      };
    this.addresses = environment.podNetwork && podAddressMap(environment.podNetwork, within);
  }

  /** Makes the network of the programs, where they are to have one of their own, and the way into it. */
  static async open(environment: AgentEnvironment, events: NetworkEvents): Promise<AgentNetwork> {
    const network = environment.podNetwork;
    if (network?.inside === undefined) return new AgentNetwork(environment);
    const { pod, program, privileged, inside } = network;
    const [{ UserNamespace }, { ServedPorts }] = await Promise.all([
      import('./capture/user-namespace.ts'),
      import('./capture/served-ports.ts'),
    ]);
    const { onEnd, onProblem } = events;
    const space = await UserNamespace.open({ address: pod, rules: inside.rules, link: inside.link, onEnd });
    const gate = {
      pid: space.pid,
      admit: (port: number) => space.admit(port, program, podPort(port, privileged)),
      dismiss: (port: number) => space.dismiss(port),
    };
    const served = new ServedPorts(inside.ports, gate, onProblem);
    await served.open();
    return new AgentNetwork(environment, space, served);
  }

  close(): void {
    this.#served?.close();
    this.inside?.close();
  }

  /** Where the status server listens: for those outside, and for the proxy, which asks at its localhost. */
  statusAddresses(port: number): readonly HostPort[] {
    const { address, instanceIp } = this.#environment;
    const { addresses } = this;
    if (!addresses) return [{ host: address ?? (isIP(instanceIp) === 6 ? '::' : '0.0.0.0'), port }];
    const places = [instanceIp, '127.0.0.1'].flatMap((wanted) => addresses.bind(socketAddress(wanted, port)));
    // A pod without a sidecar may have one address for both.
    const bound = new Map(places.map((place) => [`${place.address} ${place.port}`, place]));
    return [...bound.values()].map(({ address: host, port: at }) => ({ host, port: at }));
  }

  /** Where a port of the program is reached. */
  program(port: number): HostPort {
    const { probeLocalhost, instanceIp } = this.#environment;
    return this.target({ host: probeLocalhost ? '127.0.0.1' : instanceIp, port });
  }

  /** Where a port of this pod's localhost is reached. */
  localhost(port: number): HostPort {
    return this.target({ host: isIP(this.#environment.instanceIp) === 6 ? '::1' : '127.0.0.1', port });
  }

  /**
   * Whether a connection from an address comes from the pod itself. On a shared loopback other pods come from their own
   * addresses; what comes from 127.0.0.1 is somebody at this machine.
   */
  isOwn(address: string): boolean {
    const network = this.#environment.podNetwork;
    const plain = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
    if (network === undefined) return plain.startsWith('127.') || plain === '::1';
    return plain === '127.0.0.1' || [network.pod, network.program, network.sidecar].includes(plain);
  }

  /** Where a connection to an address goes. */
  target({ host, port }: HostPort): HostPort {
    if (!this.addresses || isIP(host) === 0) return { host, port };
    const found = this.addresses.connect(socketAddress(host, port));
    return { host: found.address, port: found.port };
  }
}

function socketAddress(address: string, port: number) {
  return { address, port, family: isIP(address) === 6 ? (6 as const) : (4 as const) };
}
