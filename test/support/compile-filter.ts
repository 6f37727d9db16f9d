import { fromJson, type JsonObject, type Message } from '@bufbuild/protobuf';
import { registry } from '../../src/api/registry.ts';
import type { ClusterSource } from '../../src/proxy/cluster/cluster.ts';
import { ConfigErrors } from '../../src/proxy/config/errors.ts';
import { checkSupported } from '../../src/proxy/config/supported.ts';
import type { WorkerContext } from '../../src/proxy/context.ts';
import type { FilterBuildContext, HttpFilterDefinition, HttpFilterFactory } from '../../src/proxy/http/filter.ts';
import { StatLeases } from '../../src/proxy/observe/stat-leases.ts';
import { type StatGroup, StatsStore } from '../../src/proxy/observe/stats.ts';
import { ManualTimers } from './manual-timers.ts';

/** A worker as far as filters look at it when they are compiled. */
export function stubWorker(more: Partial<WorkerContext> = {}): WorkerContext & { readonly timers: ManualTimers } {
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const node = {
    id: 'node',
    cluster: 'local',
    metadata: {},
    region: '',
    zone: '',
    subZone: '',
    localAddress: '10.0.0.9',
  };
  return { node, timers: new ManualTimers(), stats: new StatsStore(), log, random: () => 0.5, ...more } as never;
}

export interface Compiled {
  readonly factory: HttpFilterFactory;
  readonly worker: WorkerContext & { readonly timers: ManualTimers };
  /** `path: message` of everything that is wrong. */
  readonly errors: readonly string[];
  /** The statistics of a group that is there, by its prefix, such as `http.test.cors.`. */
  stats(prefix: string): Readonly<Record<string, unknown>>;
}

/** Compiles a filter from JSON as a listener does, and its fields are checked as there. */
export function compileFilter<Config extends Message>(
  definition: HttpFilterDefinition<Config, never>,
  json: JsonObject,
  options: { readonly clusters?: ClusterSource; readonly worker?: Partial<WorkerContext> } = {},
): Compiled {
  const worker = stubWorker(options.worker);
  const errors = new ConfigErrors();
  const context: FilterBuildContext = {
    worker,
    clusters: options.clusters ?? { get: () => undefined },
    waitFor: (target) => target.whenReady(() => {}),
    statPrefix: 'test',
    stats: new StatLeases(worker.stats, 'http.test.').acquire,
    rootStats: new StatLeases(worker.stats, '').acquire,
    readData: (source) => Buffer.from(String(source?.specifier.value ?? '')),
    direction: 'inbound',
    bufferLimit: 1000,
  };
  const config = fromJson(definition.schema, json, { registry }) as Config;
  checkSupported(definition.schema, config, definition.supported, errors);
  const factory = definition.compile(config, context, errors);
  return {
    factory,
    worker,
    errors: errors.list.map(({ path, message }) => `${path}: ${message}`),
    stats(prefix) {
      const found = [...worker.stats.groups].find((entry) => entry.prefix === prefix);
      return (found?.group ?? {}) as StatGroup & Record<string, unknown>;
    },
  };
}
