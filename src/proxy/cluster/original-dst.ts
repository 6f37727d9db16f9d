import { ipFamily } from '../config/values.ts';
import type { SocketAddress } from '../net/connection.ts';
import type { Timers } from '../timers.ts';
import type { LoadBalancerContext } from './cluster.ts';
import { Host, NO_LOCALITY, NO_METADATA } from './host.ts';

interface Entry {
  readonly host: Host;
  lastUsed: number;
}

/**
 * The hosts of an ORIGINAL_DST cluster: whatever addresses clients were connecting to when they were captured, or that
 * a header names where the cluster allows it. Made on first use, forgotten when unused.
 */
export class OriginalDestinations {
  readonly #hosts = new Map<string, Entry>();
  readonly #timers: Timers;
  readonly #options: { readonly header: string | undefined; readonly portOverride: number };
  readonly #onHost: (host: Host) => void;

  /** `onHost` is told of each new host before it is used. */
  constructor(
    timers: Timers,
    options: { readonly header: string | undefined; readonly portOverride: number },
    onHost: (host: Host) => void,
  ) {
    this.#timers = timers;
    this.#options = options;
    this.#onHost = onHost;
  }

  get hosts(): Iterable<Host> {
    return [...this.#hosts.values()].map((entry) => entry.host);
  }

  get size(): number {
    return this.#hosts.size;
  }

  /** Undefined where there is no original destination, or the header holds no address. */
  pick(context: LoadBalancerContext): Host | undefined {
    const address = this.#addressOf(context);
    if (address === undefined) return undefined;
    const { portOverride } = this.#options;
    const target = portOverride > 0 ? { ...address, port: portOverride } : address;
    const key = `${target.address}|${target.port}`;
    let entry = this.#hosts.get(key);
    if (entry === undefined) {
      const host = new Host(describe(target), this.#timers.now());
      entry = { host, lastUsed: 0 };
      this.#hosts.set(key, entry);
      this.#onHost(host);
    }
    entry.lastUsed = this.#timers.now();
    return entry.host;
  }

  #addressOf(context: LoadBalancerContext): SocketAddress | undefined {
    if (context.overrideAddress !== undefined) return parseAddress(context.overrideAddress);
    const { header } = this.#options;
    if (header !== undefined) {
      const value = context.headers?.get(header);
      if (value !== undefined) return parseAddress(value);
    }
    return context.downstream?.originalDestination;
  }

  /** Drops the hosts that nobody has used for an interval and has no connection to. */
  sweep(intervalMs: number): Host[] {
    const gone: Host[] = [];
    const now = this.#timers.now();
    for (const [key, { host, lastUsed }] of this.#hosts) {
      if (now - lastUsed < intervalMs || host.stats.cx_active > 0) continue;
      this.#hosts.delete(key);
      gone.push(host);
    }
    return gone;
  }
}

/** A host that nobody but a request or a connection tells of. */
export function describe(address: SocketAddress, hostname = ''): Host['description'] {
  return {
    address,
    otherAddresses: [],
    hostname,
    weight: 1,
    priority: 0,
    locality: NO_LOCALITY,
    metadata: NO_METADATA,
    localityMetadata: NO_METADATA,
    edsHealth: 0,
    edsStatus: 0,
    canary: false,
    healthCheckAddress: undefined,
    healthCheckHostname: '',
    healthCheckDisabled: false,
  };
}

/** `10.0.0.1:80` or `[::1]:80`. */
export function parseAddress(text: string): SocketAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text.trim());
  if (!match) return undefined;
  const address = match[1] ?? match[2];
  const port = Number(match[3]);
  const family = ipFamily(address);
  return family && port <= 65535 ? { address, port, family } : undefined;
}
