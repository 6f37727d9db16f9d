import type { AddressMap } from '../proxy/net/address-map.ts';
import type { SocketAddress } from '../proxy/net/connection.ts';

/** How a pod that shares the loopback of its machine with others is told apart from them. */
export interface PodNetwork {
  /** The pod's address: what `0.0.0.0` means here. */
  readonly pod: string;
  /** What `127.0.0.1` means here: programs of the pod listen on it. */
  readonly loopback: string;
  /** First two octets of the addresses of all pods of the mesh, such as `127.64.`. */
  readonly podPrefix: string;
  /** Whether ports below 1024 can be listened on. If not, they are moved up, here and where others connect to them. */
  readonly privileged: boolean;
  /** Where listeners of a gateway can be reached from outside the mesh, besides the pod's address. */
  readonly publish: Publication | undefined;
}

export interface Publication {
  readonly address: string;
  /** Port of a listener -> port outside, where it is not the rule's. */
  readonly ports: Readonly<Record<string, number>>;
  /** Ports that stay inside. */
  readonly skip: readonly number[];
}

/** What is added to a port below 1024 that cannot be listened on. */
export const UNPRIVILEGED_SHIFT = 10_000;
/** What is added to a published port below 1024, privileged or not: 80 is always 8080, and 443 is 8443. */
export const PUBLISH_SHIFT = 8000;

/** Reads what `up` tells an agent in `ISTHMUS_POD_NETWORK`. Throws an Error in words if it is not that. */
export function parsePodNetwork(text: string): PodNetwork {
  const value = JSON.parse(text) as Partial<PodNetwork>;
  const { pod, loopback, podPrefix, privileged, publish } = value;
  if (typeof pod !== 'string' || typeof loopback !== 'string' || typeof podPrefix !== 'string') {
    throw new Error('ISTHMUS_POD_NETWORK must have pod, loopback and podPrefix');
  }
  return { pod, loopback, podPrefix, privileged: privileged === true, publish };
}

/** The port that a port of a pod is found at. */
export function podPort(port: number, privileged: boolean): number {
  return port < 1024 && port > 0 && !privileged ? port + UNPRIVILEGED_SHIFT : port;
}

export function podAddressMap(network: PodNetwork): AddressMap {
  const { pod, loopback, podPrefix, privileged, publish } = network;
  const at = (address: string, port: number): SocketAddress => ({ address, port, family: 4 });
  return {
    bind({ address, port, family }) {
      if (address === '127.0.0.1' || address === '::1') return [at(loopback, podPort(port, privileged))];
      if (address === pod) return [at(pod, podPort(port, privileged))];
      if (address !== '0.0.0.0' && address !== '::') return [{ address, port, family }];
      const own = at(pod, podPort(port, privileged));
      if (publish === undefined || publish.skip.includes(port)) return [own];
      const outside = publish.ports[port] ?? (port < 1024 ? port + PUBLISH_SHIFT : port);
      return [own, at(publish.address, outside)];
    },
    connect(target) {
      const { address, port } = target;
      if (address === '127.0.0.1' || address === '::1') return at(loopback, podPort(port, privileged));
      if (address.startsWith(podPrefix)) return at(address, podPort(port, privileged));
      return target;
    },
  };
}
