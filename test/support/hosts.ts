import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { type Cluster, ClusterSchema } from '../../src/api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { registry } from '../../src/api/registry.ts';
import { Host, type HostDescription, NO_LOCALITY, NO_METADATA } from '../../src/proxy/cluster/host.ts';
import type { Timer, Timers } from '../../src/proxy/timers.ts';

/** Endpoints, clusters and time for unit tests of clusters and of load balancing. */

export function describeHost(port: number, more: Partial<HostDescription> = {}): HostDescription {
  return {
    address: { address: '10.0.0.1', port, family: 4 },
    otherAddresses: [],
    hostname: '',
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
    ...more,
  };
}

export function newHost(port: number, more: Partial<HostDescription> = {}): Host {
  return new Host(describeHost(port, more), 0);
}

export function clusterProto(json: JsonObject): Cluster {
  return fromJson(ClusterSchema, { name: 'test', ...json }, { registry });
}

/** Time that passes when the test says so. */
export class ManualTimers implements Timers {
  #now = 0;
  #timers: { readonly due: number; readonly callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  wallClock(): number {
    return this.#now;
  }

  start(ms: number, callback: () => void): Timer {
    const timer = { due: this.#now + ms, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Lets time pass, with everything that falls due in it, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = next.due;
      next.callback();
    }
    this.#now = end;
  }

  get waiting(): number {
    return this.#timers.length;
  }
}
