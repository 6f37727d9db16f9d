import type { Logger } from '../base/log.ts';
import type { ConfigSource } from '../xds/client/config-source.ts';
import type { DnsCacheSource } from './cluster/dns/cache-source.ts';
import type { UnknownFieldSink } from './config/errors.ts';
import type { RuntimeSource } from './config/runtime-values.ts';
import type { ConfigSourceSpec } from './config/source-spec.ts';
import type { AddressMap } from './net/address-map.ts';
import type { FlushQueue } from './net/flush-queue.ts';
import type { StatsStore } from './observe/stats.ts';
import type { TimerWheel } from './timers.ts';

/** Who this proxy is: the bootstrap's `node`. */
export interface NodeIdentity {
  readonly id: string;
  readonly cluster: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  /** Address of this machine as Envoy's local info has it: first of the interfaces, or loopback. */
  readonly localAddress: string;
}

/** Whether this proxy wants to be taken for healthy. */
export interface ServerHealth {
  /** `/healthcheck/fail` was called. */
  failed: boolean;
}

/** What every part of one worker shares. */
export interface WorkerContext {
  readonly node: NodeIdentity;
  readonly health: ServerHealth;
  readonly timers: TimerWheel;
  readonly flushQueue: FlushQueue;
  readonly stats: StatsStore;
  readonly log: Logger;
  /** `layered_runtime`. */
  readonly runtime: RuntimeSource;
  /** Who is told of fields of resources that are newer than our copy of the API. */
  readonly unknownFields: UnknownFieldSink;
  /** What the addresses of a configuration mean on this machine. */
  readonly addresses: AddressMap;
  /** Addresses of names that requests bring (dynamic forward proxy). */
  readonly dnsCaches: DnsCacheSource;
  /** Uniform in [0, 1). Tests bring a repeatable one. */
  readonly random: () => number;
  /** Resolves a ConfigSource of the API (ads, api_config_source, path) to where its resources come from. */
  configSource(source: ConfigSourceSpec): ConfigSource;
}
