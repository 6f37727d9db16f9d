import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { ExtensionConfigSource } from '../api/gen/envoy/config/core/v3/config_source_pb.ts';
import { type TypedExtensionConfig, TypedExtensionConfigSchema } from '../api/gen/envoy/config/core/v3/extension_pb.ts';
import { TYPE_URL_PREFIX, typeNameOf } from '../api/registry.ts';
import { messageOf } from '../base/errors.ts';
import type { RawResource, Rejection } from '../xds/client/config-source.ts';
import { ConfigErrors } from './config/errors.ts';
import { type ConfigSourceSpec, configSourceSpec } from './config/source-spec.ts';
import type { WorkerContext } from './context.ts';
import { NameSubscription, PerSource } from './name-subscription.ts';
import { FirstAnswer } from './net/first-answer.ts';
import type { InitTarget } from './net/network-filter.ts';
import type { StatLease } from './observe/stats.ts';
import { ExtensionConfigStats } from './observe/subscription-stats.ts';

const TYPE = TYPE_URL_PREFIX + TypedExtensionConfigSchema.typeName;

/** What kind of filter a configuration is for, as Envoy's statistics call it (`extension_config_discovery.KIND.NAME.`). */
export type ExtensionKind = 'http_filter' | 'network_filter' | 'tcp_listener_filter';

/** What a configuration is compiled into. */
interface Disposable {
  dispose?(): void;
}

/** One filter with `config_discovery`. */
export interface ExtensionRequest<F extends Disposable> {
  readonly kind: ExtensionKind;
  readonly name: string;
  readonly source: ExtensionConfigSource;
  /** Compiles a configuration, that of the default too. What is wrong goes to the errors. */
  compile(any: Any, errors: ConfigErrors): F | undefined;
  /** Another configuration holds from now on. */
  onUsed?(): void;
  /** Has whoever comes up with the filter wait for its first configuration. */
  waitFor(target: InitTarget): void;
}

/** A configuration that others may be told to use, or that nobody will. */
interface Prepared {
  use(): void;
  drop(): void;
}

/** What a filter that has no configuration of its own is at the moment. */
export class DiscoveredExtension<F extends Disposable = Disposable> extends FirstAnswer {
  readonly #request: Pick<ExtensionRequest<F>, 'compile' | 'onUsed'>;
  readonly #types: ReadonlySet<string>;
  readonly #otherwise: F | undefined;
  readonly #release: (self: DiscoveredExtension<F>) => void;
  #current: F | undefined;

  /** `otherwise` holds until a configuration comes, and if none does. */
  constructor(
    request: Pick<ExtensionRequest<F>, 'compile' | 'onUsed'>,
    types: ReadonlySet<string>,
    otherwise: F | undefined,
    release: (self: DiscoveredExtension<F>) => void,
  ) {
    super();
    this.#request = request;
    this.#types = types;
    this.#otherwise = otherwise;
    this.#current = otherwise;
    this.#release = release;
  }

  /** Undefined as long as there is no configuration, and no default. */
  get current(): F | undefined {
    return this.#current;
  }

  /** Compiles a configuration, which is not in use yet. */
  prepare(any: Any, errors: ConfigErrors): Prepared | undefined {
    const type = typeNameOf(any.typeUrl);
    if (!this.#types.has(type)) {
      errors.add('typed_config', `${type} is not one of the type_urls`);
      return undefined;
    }
    const made = this.#request.compile(any, errors);
    return made && { use: () => this.#use(made), drop: () => made.dispose?.() };
  }

  /** The source has no configuration any more: the default holds again. */
  forget(): void {
    this.#use(this.#otherwise);
  }

  #use(made: F | undefined): void {
    if (this.#current !== this.#otherwise) this.#current?.dispose?.();
    this.#current = made;
    this.#request.onUsed?.();
    this.answered();
  }

  dispose(): void {
    if (this.#current !== this.#otherwise) this.#current?.dispose?.();
    this.#otherwise?.dispose?.();
    this.#release(this);
  }
}

/** A configuration that was sent, for dumps. */
export interface SentExtension {
  readonly proto: TypedExtensionConfig;
  readonly version: string;
  readonly lastUpdated: number;
}

/** ECDS: one subscription a source, for the names that filters of all kinds use. */
export class ExtensionConfigs {
  readonly #sources: PerSource<ExtensionSource>;

  constructor(worker: WorkerContext) {
    this.#sources = new PerSource((source) => new ExtensionSource(worker, source));
  }

  /** A filter whose configuration comes from a source. Undefined if something is wrong, which is in the errors then. */
  discover<F extends Disposable>(
    request: ExtensionRequest<F>,
    errors: ConfigErrors,
  ): DiscoveredExtension<F> | undefined {
    const { kind, name, source: proto } = request;
    const spec = configSourceSpec(proto.configSource, errors.at('config_source'));
    if (proto.typeUrls.length === 0) errors.add('type_urls', 'must not be empty');
    if (proto.applyDefaultConfigWithoutWarming && proto.defaultConfig === undefined) {
      errors.add('default_config', 'is needed with apply_default_config_without_warming');
    }
    const otherwise = proto.defaultConfig && request.compile(proto.defaultConfig, errors.at('default_config'));
    if (spec === undefined || errors.any) {
      otherwise?.dispose?.();
      return undefined;
    }
    const types = new Set(proto.typeUrls.map(typeNameOf));
    const source = this.#sources.of(spec);
    const extension = new DiscoveredExtension<F>(request, types, otherwise, (self) => source.release(kind, name, self));
    source.acquire(kind, name, extension);
    if (!proto.applyDefaultConfigWithoutWarming) request.waitFor(extension);
    return extension;
  }

  /** Whether any filter's configuration comes by itself. */
  get used(): boolean {
    return this.#sources.size > 0;
  }

  *all(): Generator<SentExtension> {
    for (const source of this.#sources.values()) yield* source.all();
  }
}

/** The filters of one kind that use a name. */
interface Entry {
  readonly name: string;
  readonly extensions: Set<Extension>;
  readonly stats: StatLease<ExtensionConfigStats>;
  last: SentExtension | undefined;
  /** Whether it is known by now what there is, be it nothing. */
  answered: boolean;
}

/** A filter as far as its source cares. */
type Extension = Pick<DiscoveredExtension, 'prepare' | 'answered' | 'forget'>;

class ExtensionSource {
  readonly #worker: WorkerContext;
  /** By kind and name. */
  readonly #entries = new Map<string, Entry>();
  readonly #subscription: NameSubscription;
  #timedOut = false;

  constructor(worker: WorkerContext, source: ConfigSourceSpec) {
    this.#worker = worker;
    this.#subscription = new NameSubscription(worker, {
      source,
      typeUrl: TYPE,
      names: () => new Set([...this.#entries.values()].map(({ name }) => name)),
      sink: {
        onUpdate: (resources, removed, settle) => {
          worker.flushQueue.run(() => {
            for (const name of removed) for (const entry of this.#named(name)) forget(entry, worker.timers.wallClock());
            settle(resources.flatMap((resource) => this.#take(resource)));
          });
        },
        onMissing: (missing) => {
          const timedOut = this.#timedOut;
          this.#timedOut = false;
          for (const entry of missing.flatMap((name) => this.#named(name))) {
            if (timedOut) entry.stats.group.initFetchTimeout();
            answered(entry);
          }
        },
      },
      // What is missing next is missing because its time is up.
      stats: {
        attempt() {},
        success() {},
        rejected() {},
        failure() {},
        initFetchTimeout: () => (this.#timedOut = true),
      },
    });
  }

  *all(): Generator<SentExtension> {
    for (const { last } of this.#entries.values()) if (last !== undefined) yield last;
  }

  #named(name: string): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.name === name);
  }

  acquire(kind: ExtensionKind, name: string, extension: Extension): void {
    const key = `${kind}.${name}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      const stats = this.#worker.stats.acquire(`extension_config_discovery.${key}.`, ExtensionConfigStats);
      // What a filter of another kind has by this name is not sent again: it is looked at here as well.
      const last = this.#named(name).find((other) => other.last !== undefined)?.last;
      entry = { name, extensions: new Set(), stats, last, answered: false };
      this.#entries.set(key, entry);
      this.#subscription.namesChanged();
    }
    entry.extensions.add(extension);
    // What others have already is there at once.
    const { last } = entry;
    if (last?.proto.typedConfig === undefined) {
      if (entry.answered) extension.answered();
      return;
    }
    const errors = new ConfigErrors();
    const prepared = extension.prepare(last.proto.typedConfig, errors);
    if (prepared !== undefined && !errors.any) prepared.use();
    else {
      prepared?.drop();
      extension.answered();
    }
  }

  release(kind: ExtensionKind, name: string, extension: Extension): void {
    const key = `${kind}.${name}`;
    const entry = this.#entries.get(key);
    if (entry === undefined || !entry.extensions.delete(extension) || entry.extensions.size > 0) return;
    this.#entries.delete(key);
    entry.stats.release();
    this.#subscription.namesChanged();
  }

  #take(resource: RawResource): Rejection[] {
    return this.#named(resource.name).flatMap((entry) => this.#takeFor(entry, resource));
  }

  /** All filters of a kind and a name take a configuration, or none does. */
  #takeFor(entry: Entry, { name, version, bytes }: RawResource): Rejection[] {
    const stats = entry.stats.group;
    const errors = new ConfigErrors(this.#worker.unknownFields);
    const all: Prepared[] = [];
    stats.attempt();
    let proto: TypedExtensionConfig | undefined;
    try {
      proto = fromBinary(TypedExtensionConfigSchema, bytes);
      if (proto.typedConfig === undefined) errors.add('typed_config', 'is needed');
      else {
        for (const extension of entry.extensions) {
          const prepared = extension.prepare(proto.typedConfig, errors);
          if (prepared !== undefined) all.push(prepared);
        }
      }
    } catch (error) {
      errors.add('', messageOf(error));
    }
    if (errors.any || proto === undefined) {
      for (const prepared of all) prepared.drop();
      answered(entry);
      stats.rejected();
      stats.config_fail++;
      return [{ name, reason: errors.toString() }];
    }
    for (const prepared of all) prepared.use();
    entry.answered = true;
    entry.last = { proto, version, lastUpdated: this.#worker.timers.wallClock() };
    stats.success(version, entry.last.lastUpdated);
    stats.config_reload++;
    return [];
  }
}

/** Nobody waits for a configuration any longer, although there may be none. */
function answered(entry: Entry): void {
  entry.answered = true;
  for (const extension of entry.extensions) extension.answered();
}

/** The source has removed a configuration. */
function forget(entry: Entry, timeMs: number): void {
  entry.answered = true;
  entry.last = undefined;
  for (const extension of entry.extensions) extension.forget();
  const { group } = entry.stats;
  group.success(group.version_text, timeMs);
  group.config_reload++;
}
