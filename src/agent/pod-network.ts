import type { Server } from 'node:net';
import type { AddressMap } from '../proxy/net/address-map.ts';
import { formatAddress, type SocketAddress } from '../proxy/net/connection.ts';
import { CAPTURE_DEFAULTS } from './capture/options.ts';

/** How a pod that shares the loopback of its machine with others is told apart from them. */
export interface PodNetwork {
  /** The pod's address: what `0.0.0.0` means to the sidecar. */
  readonly pod: string;
  /** Where the programs of the pod listen: what `127.0.0.1` means to the sidecar when it connects. */
  readonly program: string;
  /** Where the programs find the sidecar: what `127.0.0.1` means to it when it listens. */
  readonly sidecar: string;
  /** First two octets of the addresses of all pods of the mesh, such as `127.64.`. */
  readonly podPrefix: string;
  /** Whether ports below 1024 can be listened on. If not, they are moved up, here and where others connect to them. */
  readonly privileged: boolean;
  /** Where listeners of a gateway can be reached from outside the mesh, besides the pod's address. */
  readonly publish: Publication | undefined;
  /** How the gateways of the mesh are reached as if from outside; undefined if they are not. */
  readonly outside?: Outside;
  /** The pod's own /etc/hosts. */
  readonly hostsFile?: string;
  /** The programs have a network of their own, which the sidecar is not in; undefined where they share it. */
  readonly inside?: Inside;
}

/** A network of the programs alone. */
export interface Inside {
  /** A link that leads to their namespaces. */
  readonly link: string;
  /** Rules for `iptables-restore` by which what they send gets to the sidecar. */
  readonly rules: string;
  /** Ports that they serve. */
  readonly ports: readonly number[];
}

/** The load balancer of the mesh's gateways, as its pods see it. */
export interface Outside {
  /** The address that stands for it: 443 there is the gateways' port 443, wherever that is published. */
  readonly address: string;
  /** Where gateways are published. */
  readonly published: string;
}

export interface Publication {
  readonly address: string;
  /** Port of a listener -> port outside, where it is not the rule's. */
  readonly ports: Readonly<Record<string, number>>;
  /** Ports that stay inside. */
  readonly skip: readonly number[];
  /**
   * Where pods find it that have networks of their own: an address of the machine on their bridge, and port of a listener
   * -> port there; undefined where there are none.
   */
  readonly inside?: { readonly address: string; readonly ports: Readonly<Record<string, number>> };
  /** Whether pods of the same gateway may be published at the same time, such as one and its successor. */
  readonly shared: boolean;
}

/** Environment variable by which `up` tells an agent its {@link PodNetwork}, as JSON. */
export const POD_NETWORK_VARIABLE = 'ISTHMUS_POD_NETWORK';
/** What is added to a port below 1024 that cannot be listened on. */
const UNPRIVILEGED_SHIFT = 10_000;
/** What is added to a published port below 1024, privileged or not: 80 is always 8080, and 443 is 8443. */
const PUBLISH_SHIFT = 8000;
/** Ports that belong to Istio in every pod: agent, proxy and gateways, never a program. */
const { outboundPort, inboundPort } = CAPTURE_DEFAULTS;
export const SIDECAR_PORTS = { first: 15_000, last: 15_099 };

/** Reads what `up` tells an agent. Throws an Error in words if it is not that. */
export function parsePodNetwork(text: string): PodNetwork {
  const value = JSON.parse(text) as Partial<PodNetwork>;
  const { pod, program, sidecar, podPrefix, privileged, publish, outside, hostsFile, inside } = value;
  if ([pod, program, sidecar, podPrefix].some((part) => typeof part !== 'string')) {
    throw new Error(`${POD_NETWORK_VARIABLE} must have pod, program, sidecar and podPrefix`);
  }
  return {
    pod: pod!,
    program: program!,
    sidecar: sidecar!,
    podPrefix: podPrefix!,
    privileged: !!privileged,
    publish,
    ...(outside === undefined ? {} : { outside }),
    ...(hostsFile === undefined ? {} : { hostsFile }),
    ...(inside === undefined ? {} : { inside }),
  };
}

/** The port that a port of a pod is found at. */
export function podPort(port: number, privileged: boolean): number {
  return port < 1024 && port > 0 && !privileged ? port + UNPRIVILEGED_SHIFT : port;
}

/** The port that a gateway's port is found at from outside the mesh. */
export function publishedPort(port: number): number {
  return port < 1024 ? port + PUBLISH_SHIFT : port;
}

/** What the sidecar of a pod whose programs have a network of their own gets from there. */
export interface InsideNetwork {
  /** The socket in that network on which the sidecar gets what they send. */
  listen(port: number): Promise<Server>;
  /** Ports at which they are reached, now. */
  readonly ports: readonly number[];
  onChange(callback: () => void): () => void;
}

/** `within` for a pod whose programs have a network of their own. */
export function podAddressMap(network: PodNetwork, within?: InsideNetwork): AddressMap {
  const { pod, program, sidecar, podPrefix, privileged, publish, outside, hostsFile } = network;
  const at = (address: string, port: number): SocketAddress => ({ address, port, family: 4 });
  /** Where we listen -> what the configuration calls it. */
  const configured = new Map<string, SocketAddress>();
  const own = (address: string, port: number, called: SocketAddress): SocketAddress => {
    const actual = at(address, podPort(port, privileged));
    configured.set(formatAddress(actual), called);
    return actual;
  };
  return {
    ...(hostsFile === undefined ? {} : { hostsFile }),
    ...(within && {
      listening: ({ port }: SocketAddress) => (port === outboundPort ? within.listen(port) : undefined),
      onChange: (callback: () => void) => within.onChange(callback),
    }),
    bind(wanted) {
      const { address, port } = wanted;
      if (within && port === outboundPort) return [wanted];
      // What comes in is not redirected here: it is taken where others send it.
      if (within && port === inboundPort) return within.ports.map((p) => own(pod, p, at(pod, p)));
      if (address === '127.0.0.1' || address === '::1') return [own(sidecar, port, wanted)];
      if (address === pod) return [own(pod, port, wanted)];
      if (address !== '0.0.0.0' && address !== '::') return [wanted];
      const called = at(pod, port);
      const here = own(pod, port, called);
      if (publish === undefined || publish.skip.includes(port)) return [here];
      const outside = at(publish.address, publish.ports[port] ?? publishedPort(port));
      configured.set(formatAddress(outside), called);
      const { address: bridge, ports = {} } = publish.inside ?? {};
      const front = ports[port];
      if (bridge === undefined || front === undefined) return [here, outside];
      const inner = at(bridge, front);
      configured.set(formatAddress(inner), called);
      return [here, outside, inner];
    },
    connect(target) {
      const { address, port } = target;
      if (address === '127.0.0.1' || address === '::1') {
        const isSidecar = port >= SIDECAR_PORTS.first && port <= SIDECAR_PORTS.last;
        return at(isSidecar ? sidecar : program, podPort(port, privileged));
      }
      if (within && address === pod && within.ports.includes(port)) return at(program, podPort(port, privileged));
      if (address === outside?.address) return at(outside.published, publishedPort(port));
      if (address.startsWith(podPrefix)) return at(address, podPort(port, privileged));
      return target;
    },
    source: (target) => (target.address.startsWith(podPrefix) ? pod : undefined),
    isShared: ({ address }) =>
      publish?.shared === true && (address === publish.address || address === publish.inside?.address),
    accepted: (local) => configured.get(formatAddress(local)) ?? local,
  };
}
