import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { MeshSnapshot } from '../../translate/mesh.ts';
import type { ProxyNode } from '../../translate/node.ts';
import type { Translator } from '../../translate/translation.ts';
import type { ConnectedProxy } from '../proxies/connected-proxy.ts';
import type { ProxyRegistry } from '../proxies/proxy-registry.ts';
import { ProxyView, type SecretView } from '../proxies/proxy-view.ts';
import type { MeshSource } from '../snapshot/mesh-source.ts';

export interface PushSchedulerOptions {
  readonly source: MeshSource;
  readonly translator: Translator<MeshSnapshot, ProxyNode>;
  readonly proxies: ProxyRegistry;
  /** The secrets of a proxy under a snapshot, and whether those that it follows differ between two. */
  readonly secrets: ProxySecrets;
  /** Pushes under way at once (`PILOT_PUSH_THROTTLE`). */
  readonly maxPushes: number;
  readonly observer?: PushObserver;
  readonly log: Logger;
  /** Milliseconds of a clock that only goes forward; `performance.now` unless told. */
  readonly now?: () => number;
  /** Lets other things happen before it calls back; `setImmediate` unless told. */
  readonly yield?: (callback: () => void) => void;
}

export interface ProxySecrets {
  view(proxy: ConnectedProxy, snapshot: MeshSnapshot): SecretView;
  affects(proxy: ConnectedProxy, before: MeshSnapshot, after: MeshSnapshot): boolean;
}

/** Told how long things take, in seconds. */
export interface PushObserver {
  /** A proxy's turn came. */
  onQueued(seconds: number): void;
  /** A proxy has settled everything since a change became known. */
  onConverged(seconds: number): void;
  /** Translation failed; a defect. */
  onFailed(): void;
}

/** How long one turn of the event loop may go to translation before answers and new connections are looked at. */
const SLICE_MS = 8;

/**
 * Brings the newest snapshot to every proxy. The first proxies are served in the very turn in which a change becomes
 * known; each proxy has at most one place in the queue, so that none is served twice before another was served once;
 * and one that is busy with a push gets whatever is newest when it is done.
 */
export class PushScheduler {
  readonly #options: PushSchedulerOptions;
  readonly #now: () => number;
  readonly #yield: (callback: () => void) => void;
  readonly #queue = new Set<ConnectedProxy>();
  readonly #unsubscribe: () => void;
  #busy = 0;
  #pumping = false;
  #yielded = false;

  constructor(options: PushSchedulerOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#yield = options.yield ?? setImmediate;
    this.#unsubscribe = options.source.subscribe(({ at }) => {
      for (const proxy of options.proxies) {
        proxy.progress.pendingSince ??= at;
        this.#line(proxy);
      }
      this.#pump();
    });
  }

  /** Proxies that wait for their turn. */
  get queued(): number {
    return this.#queue.size;
  }

  /** Pushes under way. */
  get pushing(): number {
    return this.#busy;
  }

  close(): void {
    this.#unsubscribe();
    this.#queue.clear();
  }

  /** Gives a proxy its turn as soon as there is a place. */
  enqueue(proxy: ConnectedProxy): void {
    this.#line(proxy);
    this.#pump();
  }

  /** The stream went through a push. */
  pushEnded(proxy: ConnectedProxy): void {
    this.#release(proxy);
    proxy.progress.view?.release();
    if (proxy.progress.considered !== this.#options.source.snapshot) this.enqueue(proxy);
    else this.#pump();
  }

  /** The stream settled everything up to a snapshot. */
  settled(proxy: ConnectedProxy, snapshot: number): void {
    const { progress } = proxy;
    progress.settled = snapshot;
    if (snapshot === this.#options.source.snapshot.number && progress.pendingSince !== undefined) {
      this.#options.observer?.onConverged((this.#now() - progress.pendingSince) / 1000);
      progress.pendingSince = undefined;
    }
    this.#options.proxies.notify(proxy);
  }

  /** The proxy is gone. */
  forget(proxy: ConnectedProxy): void {
    this.#queue.delete(proxy);
    this.#release(proxy);
    this.#pump();
  }

  #line(proxy: ConnectedProxy): void {
    const { progress } = proxy;
    if (progress.busy || progress.closed) return;
    progress.queuedAt ??= this.#now();
    this.#queue.add(proxy);
  }

  #release(proxy: ConnectedProxy): void {
    if (!proxy.progress.busy) return;
    proxy.progress.busy = false;
    this.#busy--;
  }

  #pump(): void {
    // A push that ends at once comes back here; the loop below goes on with it.
    if (this.#pumping || this.#yielded) return;
    this.#pumping = true;
    const until = this.#now() + SLICE_MS;
    for (const proxy of this.#queue) {
      if (this.#busy >= this.#options.maxPushes) break;
      if (this.#now() > until) {
        this.#yielded = true;
        this.#yield(() => {
          this.#yielded = false;
          this.#pump();
        });
        break;
      }
      this.#queue.delete(proxy);
      this.#serve(proxy);
    }
    this.#pumping = false;
  }

  #serve(proxy: ConnectedProxy): void {
    const { progress } = proxy;
    if (progress.closed) return;
    const { observer } = this.#options;
    if (progress.queuedAt !== undefined) observer?.onQueued((this.#now() - progress.queuedAt) / 1000);
    progress.queuedAt = undefined;
    const after = this.#options.source.snapshot;
    const before = progress.considered;
    if (before === after) return;
    progress.considered = after;
    progress.failure = undefined;
    let affected: boolean;
    try {
      affected = !before || !progress.view || this.#affects(proxy, before, after);
      progress.view = this.#view(proxy, after);
    } catch (error) {
      this.#failed(proxy, after, error);
      this.#options.proxies.notify(proxy);
      return;
    }
    if (affected) this.#push(proxy, progress.view);
    else proxy.stream.adopt(progress.view);
    this.#warn(proxy);
  }

  #affects(proxy: ConnectedProxy, before: MeshSnapshot, after: MeshSnapshot): boolean {
    const { translator, secrets } = this.#options;
    return translator.affects(before, after, proxy.node) || secrets.affects(proxy, before, after);
  }

  #view(proxy: ConnectedProxy, snapshot: MeshSnapshot): ProxyView {
    const { translator, secrets } = this.#options;
    const translation = translator.translate(snapshot, proxy.node);
    const onDefect = (error: unknown) => this.#failed(proxy, snapshot, error);
    proxy.progress.translation = translation;
    return new ProxyView(translation, secrets.view(proxy, snapshot), proxy.progress.view, onDefect);
  }

  /** Says once for each proxy what it cannot have. */
  #warn(proxy: ConnectedProxy): void {
    const { progress } = proxy;
    let warnings: readonly string[];
    try {
      warnings = progress.translation?.warnings?.() ?? [];
    } catch {
      // The view says so when the resource is looked at.
      return;
    }
    for (const text of warnings) {
      if (!progress.warnings.includes(text)) this.#options.log.warn(`${proxy.id}: ${text}`);
    }
    progress.warnings = warnings;
  }

  #push(proxy: ConnectedProxy, view: ProxyView): void {
    proxy.progress.affectedBy = view.number;
    proxy.progress.busy = true;
    this.#busy++;
    proxy.stream.push(view);
  }

  /** The proxy keeps what it had of the part that failed; the other proxies, and its other parts, go on. */
  #failed(proxy: ConnectedProxy, snapshot: MeshSnapshot, error: unknown): void {
    const { log, observer } = this.#options;
    // The same defect shows with every resource that it concerns; once is enough.
    if (proxy.progress.failure === messageOf(error)) return;
    proxy.progress.failure = messageOf(error);
    observer?.onFailed();
    const stack = error instanceof Error ? error.stack : undefined;
    log.error(`snapshot ${snapshot.number} cannot be translated for ${proxy.id}: ${messageOf(error)}`, { stack });
  }
}
