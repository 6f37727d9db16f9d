import os from 'node:os';
import type { Bootstrap } from '../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import type { Logger } from '../base/log.ts';
import type { ConfigSource } from '../xds/client/config-source.ts';
import type { DnsCacheSource } from './cluster/dns/cache-source.ts';
import type { UnknownFieldSink } from './config/errors.ts';
import type { RuntimeSource } from './config/runtime-values.ts';
import type { ConfigSourceSpec } from './config/source-spec.ts';
import { ipFamily } from './config/values.ts';
import type { NodeIdentity, ServerHealth, WorkerContext } from './context.ts';
import { type AddressMap, OWN_NETWORK } from './net/address-map.ts';
import { FlushQueue } from './net/flush-queue.ts';
import { StatsStore } from './observe/stats.ts';
import { TimerWheel } from './timers.ts';

export interface WorkerOptions extends Pick<WorkerContext, 'node' | 'log' | 'runtime' | 'unknownFields'> {
  /** As they are unless told. */
  readonly addresses?: AddressMap;
  /** Uniform in [0, 1); `Math.random` unless told. */
  readonly random?: () => number;
}

/** The context of a worker; where resources come from is told once the clusters stand that they come through. */
export class Worker implements WorkerContext {
  readonly node: NodeIdentity;
  readonly health: ServerHealth = { failed: false };
  readonly flushQueue: FlushQueue;
  readonly timers: TimerWheel;
  readonly stats = new StatsStore();
  readonly log: Logger;
  readonly runtime: RuntimeSource;
  readonly unknownFields: UnknownFieldSink;
  readonly random: () => number;
  readonly addresses: AddressMap;
  #dnsCaches: DnsCacheSource | undefined = undefined;
  #sources: ((spec: ConfigSourceSpec) => ConfigSource) | undefined = undefined;

  constructor({ node, log, runtime, unknownFields, addresses = OWN_NETWORK, random = Math.random }: WorkerOptions) {
    this.node = node;
    this.log = log;
    this.runtime = runtime;
    this.unknownFields = unknownFields;
    this.addresses = addresses;
    this.random = random;
    const fault = faultLog(log);
    this.flushQueue = new FlushQueue(fault);
    this.timers = new TimerWheel((work) => this.flushQueue.run(work), undefined, fault);
  }

  setDnsCaches(caches: DnsCacheSource): void {
    this.#dnsCaches = caches;
  }

  get dnsCaches(): DnsCacheSource {
    if (this.#dnsCaches === undefined) throw new Error('there is nobody to resolve names yet');
    return this.#dnsCaches;
  }

  setSources(sources: (spec: ConfigSourceSpec) => ConfigSource): void {
    this.#sources = sources;
  }

  configSource(spec: ConfigSourceSpec): ConfigSource {
    if (this.#sources === undefined) throw new Error('configuration sources are not there yet');
    return this.#sources(spec);
  }
}

/** No proxy has more different faults than this; what comes after is not told any more. */
const MAX_FAULTS = 100;

/** Tells of each fault once, with where it happened: it is ours to mend, and may come with every request. */
function faultLog(log: Logger): (error: unknown) => void {
  const told = new Set<string>();
  return (error) => {
    const text = (error instanceof Error && error.stack) || String(error);
    if (told.has(text) || told.size >= MAX_FAULTS) return;
    told.add(text);
    log.error(`a fault of the proxy has ended a connection; please report it: ${text}`);
  };
}

/** What the command line says of who this proxy is. */
export interface NodeFlags {
  readonly serviceNode?: string;
  readonly serviceCluster?: string;
  readonly serviceZone?: string;
  /** Family of the address that this machine goes by. */
  readonly localAddressFamily?: 4 | 6;
}

/** The bootstrap's `node`, with what the command line says over it. */
export function nodeIdentity(bootstrap: Bootstrap, flags: NodeFlags): NodeIdentity {
  const { node } = bootstrap;
  return {
    id: flags.serviceNode || node?.id || '',
    cluster: flags.serviceCluster || node?.cluster || '',
    metadata: node?.metadata ?? {},
    region: node?.locality?.region ?? '',
    zone: flags.serviceZone || node?.locality?.zone || '',
    subZone: node?.locality?.subZone ?? '',
    localAddress: localAddress(flags.localAddressFamily ?? 4),
  };
}

/** First address of an interface that is not loopback, as Envoy's local info has it; loopback if there is none. */
function localAddress(family: 4 | 6): string {
  for (const addresses of Object.values(os.networkInterfaces())) {
    for (const { address, internal } of addresses ?? []) if (!internal && ipFamily(address) === family) return address;
  }
  return family === 4 ? '127.0.0.1' : '::1';
}
