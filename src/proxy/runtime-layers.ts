import fs from 'node:fs';
import path from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import type { LayeredRuntime } from '../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import { RuntimeSchema } from '../api/gen/envoy/service/runtime/v3/rtds_pb.ts';
import { TYPE_URL_PREFIX } from '../api/registry.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Subscription, SubscriptionSink } from '../xds/client/config-source.ts';
import type { ConfigErrors } from './config/errors.ts';
import { type ConfigSourceSpec, configSourceSpec } from './config/source-spec.ts';
import type { WorkerContext } from './context.ts';
import { FileWatcher } from './file-watcher.ts';
import { ConfigSubscriptionStats } from './observe/subscription-stats.ts';
import type { Runtime } from './runtime.ts';

const RUNTIME_TYPE = TYPE_URL_PREFIX + RuntimeSchema.typeName;

interface Discovered {
  /** Place among the layers. */
  readonly index: number;
  /** Name of the resource. */
  readonly name: string;
  readonly source: ConfigSourceSpec;
}

/**
 * Keeps the layers of the runtime up to date that change by themselves: those of folders (`disk_layer`), which are read
 * again when another link is moved into the place of `symlink_root`, and those that are discovered (`rtds_layer`).
 */
export class RuntimeLayers {
  readonly #runtime: Runtime;
  readonly #worker: WorkerContext;
  readonly #log: Logger;
  readonly #discovered: readonly Discovered[];
  readonly #watcher: FileWatcher;
  readonly #subscriptions: Subscription[] = [];

  constructor(
    runtime: Runtime,
    config: LayeredRuntime | undefined,
    worker: WorkerContext,
    log: Logger,
    errors: ConfigErrors,
  ) {
    this.#runtime = runtime;
    this.#worker = worker;
    this.#log = log;
    this.#watcher = new FileWatcher(worker.timers, log);
    this.#tellProblems();
    this.#discovered = (config?.layers ?? []).flatMap(({ layerSpecifier: { case: kind, value } }, index) => {
      // As many layers follow a link, so often it is read, as in Envoy.
      if (kind === 'diskLayer') this.#follow(value.symlinkRoot);
      if (kind !== 'rtdsLayer') return [];
      const at = errors.at('layers').at(index).at('rtds_layer').at('rtds_config');
      const source = configSourceSpec(value.rtdsConfig, at);
      return source === undefined ? [] : { index, name: value.name, source };
    });
  }

  #follow(root: string): void {
    const identity = () => {
      const stat = fs.lstatSync(root, { throwIfNoEntry: false });
      return stat && `${stat.dev}:${stat.ino}:${stat.birthtimeMs}`;
    };
    let seen = identity();
    this.#watcher.watch(path.dirname(root), () => {
      const now = identity();
      if (now === undefined || now === seen) return;
      seen = now;
      this.#runtime.load();
      this.#tellProblems();
    });
  }

  #tellProblems(): void {
    for (const problem of this.#runtime.problems) this.#log.warn(`${problem}: the layer is left out`);
  }

  /** Subscribes to what is discovered. Resolves when all of it is there, or known to be missing or wrong. */
  async start(): Promise<void> {
    await Promise.all(this.#discovered.map((layer) => this.#subscribe(layer)));
  }

  #subscribe({ index, name, source }: Discovered): Promise<void> {
    const worker = this.#worker;
    const counts = worker.stats.acquire('runtime.', ConfigSubscriptionStats).group;
    return new Promise((resolve) => {
      const sink: SubscriptionSink = {
        onUpdate: (resources, removed, settle) => {
          try {
            for (const { bytes } of resources) {
              const runtime = fromBinary(RuntimeSchema, bytes);
              if (runtime.name !== name) throw new Error(`the runtime ${name} was asked for, not ${runtime.name}`);
              this.#runtime.setLayer(index, runtime.layer ?? {});
            }
            if (removed.includes(name)) this.#runtime.setLayer(index, {});
            settle([]);
          } catch (error) {
            settle([{ name, reason: messageOf(error) }]);
          }
          resolve();
        },
        onMissing: () => resolve(),
      };
      const timeout = source.kind === 'path' ? undefined : source.initialFetchTimeoutMs;
      this.#subscriptions.push(
        worker.configSource(source).subscribe(RUNTIME_TYPE, [name], sink, {
          ...(timeout !== undefined && { initialFetchTimeoutMs: timeout }),
          stats: counts,
        }),
      );
    });
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.close();
    this.#watcher.close();
  }
}
