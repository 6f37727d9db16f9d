import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { ExtensionConfigSource } from '../../api/gen/envoy/config/core/v3/config_source_pb.ts';
import {
  type TypedExtensionConfig,
  TypedExtensionConfigSchema,
} from '../../api/gen/envoy/config/core/v3/extension_pb.ts';
import { TYPE_URL_PREFIX, typeNameOf } from '../../api/registry.ts';
import { messageOf } from '../../base/errors.ts';
import type { RawResource, Rejection } from '../../xds/client/config-source.ts';
import { ConfigErrors } from '../config/errors.ts';
import type { ConfigSourceSpec } from '../config/source-spec.ts';
import { configSourceSpec } from '../config/source-spec.ts';
import type { WorkerContext } from '../context.ts';
import { NameSubscription, PerSource } from '../name-subscription.ts';
import { FirstAnswer } from '../net/first-answer.ts';
import type { InitTarget } from '../net/network-filter.ts';
import { ResponseFlag } from '../observe/response-flags.ts';
import type { StatLease } from '../observe/stats.ts';
import { ExtensionConfigStats } from '../observe/subscription-stats.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter, type HttpFilterFactory } from './filter.ts';

const TYPE = TYPE_URL_PREFIX + TypedExtensionConfigSchema.typeName;

/** Compiles a filter's configuration for one connection manager. What is wrong goes to the errors. */
export type CompileExtension = (any: Any, errors: ConfigErrors) => HttpFilterFactory | undefined;

/** A filter of one connection manager whose configuration comes by itself (`config_discovery`). */
class DiscoveredFilter extends FirstAnswer implements HttpFilterFactory {
  readonly #compile: CompileExtension;
  readonly #types: ReadonlySet<string>;
  readonly #release: () => void;
  #current: HttpFilterFactory | undefined;

  /** `otherwise` holds until a configuration comes, and if none does. */
  constructor(
    compile: CompileExtension,
    types: ReadonlySet<string>,
    otherwise: HttpFilterFactory | undefined,
    release: () => void,
  ) {
    super();
    this.#compile = compile;
    this.#types = types;
    this.#current = otherwise;
    this.#release = release;
  }

  create(callbacks: FilterCallbacks): HttpFilter | undefined {
    return this.#current === undefined ? new MissingFilter(callbacks) : this.#current.create(callbacks);
  }

  /** The factory of a configuration, which is not in use yet. */
  prepare(any: Any, errors: ConfigErrors): HttpFilterFactory | undefined {
    const type = typeNameOf(any.typeUrl);
    if (!this.#types.has(type)) {
      errors.add('typed_config', `${type} is not one of the type_urls`);
      return undefined;
    }
    const factory = this.#compile(any, errors);
    if (factory?.terminal) errors.add('typed_config', 'must not be that of a terminal filter');
    return factory;
  }

  use(factory: HttpFilterFactory): void {
    this.#current?.dispose?.();
    this.#current = factory;
    this.answered();
  }

  dispose(): void {
    this.#current?.dispose?.();
    this.#release();
  }
}

/** Stands where a filter should be: requests do not go on without it. */
class MissingFilter implements HttpFilter {
  readonly #callbacks: FilterCallbacks;

  constructor(callbacks: FilterCallbacks) {
    this.#callbacks = callbacks;
  }

  requestHeaders(): HeadersStatus {
    this.#callbacks.sendLocalReply({
      status: 500,
      body: '',
      details: '',
      flags: ResponseFlag.NoFilterConfigFound,
    });
    return HeadersStatus.StopAll;
  }
}

/** A configuration that was sent, for dumps. */
export interface DiscoveredExtension {
  readonly proto: TypedExtensionConfig;
  readonly version: string;
  readonly lastUpdated: number;
}

/** ECDS: one subscription a source, for the names that connection managers use. */
export class ExtensionConfigs {
  readonly #sources: PerSource<ExtensionSource>;

  constructor(worker: WorkerContext) {
    this.#sources = new PerSource((source) => new ExtensionSource(worker, source));
  }

  /** A filter whose configuration is `name` of a source. Undefined if something is wrong, which is in the errors then. */
  filter(
    name: string,
    proto: ExtensionConfigSource,
    compile: CompileExtension,
    waitFor: (target: InitTarget) => void,
    errors: ConfigErrors,
  ): HttpFilterFactory | undefined {
    const spec = configSourceSpec(proto.configSource, errors.at('config_source'));
    if (spec?.kind === 'path') {
      errors.add('config_source', 'filters are not read from files: ads or api_config_source is needed');
    }
    if (proto.typeUrls.length === 0) errors.add('type_urls', 'must not be empty');
    if (proto.applyDefaultConfigWithoutWarming && proto.defaultConfig === undefined) {
      errors.add('default_config', 'is needed with apply_default_config_without_warming');
    }
    const otherwise = proto.defaultConfig && compile(proto.defaultConfig, errors.at('default_config'));
    if (spec === undefined || errors.any) return undefined;
    const types = new Set(proto.typeUrls.map(typeNameOf));
    const source = this.#sources.of(spec);
    const filter: DiscoveredFilter = new DiscoveredFilter(compile, types, otherwise, () =>
      source.release(name, filter),
    );
    source.acquire(name, filter);
    if (!proto.applyDefaultConfigWithoutWarming) waitFor(filter);
    return filter;
  }

  /** Whether any filter's configuration comes by itself. */
  get used(): boolean {
    return this.#sources.size > 0;
  }

  *all(): Generator<DiscoveredExtension> {
    for (const source of this.#sources.values()) yield* source.all();
  }
}

interface Entry {
  readonly filters: Set<DiscoveredFilter>;
  readonly stats: StatLease<ExtensionConfigStats>;
  last: DiscoveredExtension | undefined;
}

class ExtensionSource {
  readonly #worker: WorkerContext;
  readonly #entries = new Map<string, Entry>();
  readonly #subscription: NameSubscription;

  constructor(worker: WorkerContext, source: ConfigSourceSpec) {
    this.#worker = worker;
    this.#subscription = new NameSubscription(worker, {
      source,
      typeUrl: TYPE,
      names: () => this.#entries.keys(),
      sink: {
        onUpdate: (resources, _removed, settle) => {
          worker.flushQueue.run(() => settle(resources.flatMap((resource) => this.#take(resource))));
        },
        onMissing: (missing) => {
          for (const name of missing) for (const filter of this.#entries.get(name)?.filters ?? []) filter.answered();
        },
      },
    });
  }

  *all(): Generator<DiscoveredExtension> {
    for (const { last } of this.#entries.values()) if (last !== undefined) yield last;
  }

  acquire(name: string, filter: DiscoveredFilter): void {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      const stats = this.#worker.stats.acquire(`extension_config_discovery.http_filter.${name}.`, ExtensionConfigStats);
      entry = { filters: new Set(), stats, last: undefined };
      this.#entries.set(name, entry);
      this.#subscription.namesChanged();
    }
    entry.filters.add(filter);
    // What others have already is there at once.
    const { last } = entry;
    if (last?.proto.typedConfig === undefined) return;
    const errors = new ConfigErrors();
    const factory = filter.prepare(last.proto.typedConfig, errors);
    if (factory !== undefined && !errors.any) filter.use(factory);
    else filter.answered();
  }

  release(name: string, filter: DiscoveredFilter): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || !entry.filters.delete(filter) || entry.filters.size > 0) return;
    this.#entries.delete(name);
    entry.stats.release();
    this.#subscription.namesChanged();
  }

  /** All filters of a name take a configuration, or none does. */
  #take({ name, version, bytes }: RawResource): Rejection[] {
    const entry = this.#entries.get(name);
    if (entry === undefined) return [];
    const stats = entry.stats.group;
    const errors = new ConfigErrors(this.#worker.unknownFields);
    const prepared: [DiscoveredFilter, HttpFilterFactory][] = [];
    stats.attempt();
    let proto: TypedExtensionConfig | undefined;
    try {
      proto = fromBinary(TypedExtensionConfigSchema, bytes);
      if (proto.typedConfig === undefined) errors.add('typed_config', 'is needed');
      else {
        for (const filter of entry.filters) {
          const factory = filter.prepare(proto.typedConfig, errors);
          if (factory !== undefined) prepared.push([filter, factory]);
        }
      }
    } catch (error) {
      errors.add('', messageOf(error));
    }
    if (errors.any || proto === undefined) {
      for (const [, factory] of prepared) factory.dispose?.();
      for (const filter of entry.filters) filter.answered();
      stats.rejected();
      stats.config_fail++;
      return [{ name, reason: errors.toString() }];
    }
    for (const [filter, factory] of prepared) filter.use(factory);
    entry.last = { proto, version, lastUpdated: this.#worker.timers.wallClock() };
    stats.success(version, entry.last.lastUpdated);
    stats.config_reload++;
    return [];
  }
}
