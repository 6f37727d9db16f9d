import type { Cancel, Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { WorkloadGroupSpec } from '../../config/kinds/workload-group/schema.ts';
import { formatMessage } from '../../config/message.ts';
import { type ConfigObject, objectKey } from '../../config/object.ts';
import { readObject } from '../../config/read.ts';
import type { ConfigSnapshot } from '../../config/store/snapshot.ts';
import type { ConfigStore } from '../../config/store/store.ts';
import type { ConnectedProxy } from '../proxies/connected-proxy.ts';
import type { ProxyRegistry } from '../proxies/proxy-registry.ts';
import { entryName, GROUP_ANNOTATION, type Health, registeredEntry } from './registered-entry.ts';

export interface AutoRegistrationOptions {
  readonly proxies: ProxyRegistry;
  /** Everything that is in force, for the groups. */
  readonly config: () => ConfigSnapshot;
  /** Where entries are written: the mesh's own objects. */
  readonly store: Pick<ConfigStore, 'snapshot' | 'apply' | 'remove'>;
  /** How long an entry outlasts its connection (`PILOT_WORKLOAD_ENTRY_GRACE_PERIOD`), milliseconds. */
  readonly graceMs: number;
  /** Of this control plane among others. */
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Agents of an earlier run of the control plane have this long to come back: their longest delay between attempts. */
const RETURN_MS = 35_000;

/** An entry that the control plane keeps, and the connections that stand for it. */
interface Registered {
  readonly key: string;
  readonly connections: Set<ConnectedProxy>;
  latest: ConnectedProxy | undefined;
  health: Health | undefined;
  cancelRemoval: Cancel | undefined;
}

/**
 * Makes a WorkloadEntry of every proxy that says which WorkloadGroup it is a member of (metadata AUTO_REGISTER_GROUP), as
 * istiod does, keeps what its agent says of its health, and removes it some time after its last connection has ended. A
 * proxy that may not be a member is not served.
 */
export class AutoRegistration {
  readonly #options: AutoRegistrationOptions;
  readonly #entries = new Map<string, Registered>();
  readonly #unlisten: () => void;
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: AutoRegistrationOptions) {
    this.#options = options;
    for (const { metadata } of options.store.snapshot.list('WorkloadEntry')) {
      if (!(GROUP_ANNOTATION in metadata.annotations)) continue;
      const entry = this.#entry(objectKey('WorkloadEntry', metadata.namespace, metadata.name));
      this.#removeLater(entry, Math.max(options.graceMs, RETURN_MS));
    }
    this.#unlisten = options.proxies.listen({
      connected: (proxy) => this.#connected(proxy),
      disconnected: (proxy) => this.#disconnected(proxy),
    });
  }

  /** An agent told how its program is; `problem` undefined is well. */
  healthOf(proxy: ConnectedProxy, problem: string | undefined): void {
    const entry = this.#of(proxy);
    if (!entry?.connections.has(proxy)) return;
    const healthy = problem === undefined;
    const { health } = entry;
    const message = problem?.slice(0, 1024) ?? '';
    if (health?.healthy === healthy && health.message === message) return;
    const { clock, log } = this.#options;
    const since = health?.healthy === healthy ? health.since : clock.now();
    entry.health = { healthy, message, since };
    log.info(`${entry.key} is ${healthy ? 'healthy' : `unhealthy: ${message}`}`);
    this.#write(entry);
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unlisten();
    for (const { cancelRemoval } of this.#entries.values()) cancelRemoval?.();
    await this.#queue;
  }

  #connected(proxy: ConnectedProxy): void {
    const group = groupOf(proxy);
    if (group === undefined) return;
    const problem = this.#problem(proxy, group);
    if (problem !== undefined) {
      this.#options.log.warn(`${proxy.connectionId} cannot be registered: ${problem}`);
      // Not in the middle of taking it on.
      queueMicrotask(() => proxy.disconnect(`auto-registration failed: ${problem}`));
      return;
    }
    const entry = this.#entry(objectKey('WorkloadEntry', proxy.node.namespace, entryName(group, proxy.node)));
    entry.cancelRemoval?.();
    entry.cancelRemoval = undefined;
    if (entry.connections.size === 0) {
      entry.latest = proxy;
      // How its program is has to be told anew.
      entry.health = undefined;
      this.#options.log.info(`${entry.key} registered by ${proxy.connectionId}`);
    }
    entry.connections.add(proxy);
    this.#write(entry);
  }

  /** Why a proxy may not be a member of the group that it names. */
  #problem({ node, identity }: ConnectedProxy, group: string): string | undefined {
    const object = this.#group(node.namespace, group);
    if (object === undefined) return `there is no WorkloadGroup ${node.namespace}/${group}`;
    const { serviceAccount } = object.spec.template ?? {};
    if (identity === undefined || !serviceAccount || identity.serviceAccount === serviceAccount) return undefined;
    return `members of WorkloadGroup ${node.namespace}/${group} have the service account ${serviceAccount}, not ${identity.serviceAccount}`;
  }

  #disconnected(proxy: ConnectedProxy): void {
    const entry = this.#of(proxy);
    if (!entry?.connections.delete(proxy) || entry.connections.size > 0 || this.#closed) return;
    this.#write(entry);
    this.#removeLater(entry, this.#options.graceMs);
  }

  #removeLater(entry: Registered, afterMs: number): void {
    const { clock, store, log } = this.#options;
    entry.cancelRemoval?.();
    entry.cancelRemoval = clock.setTimer(afterMs, () => {
      this.#entries.delete(entry.key);
      log.info(`${entry.key} removed: nothing is connected any more`);
      this.#enqueue(async () => {
        if (entry.connections.size === 0) await store.remove([entry.key]);
      });
    });
  }

  #entry(key: string): Registered {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { key, connections: new Set(), latest: undefined, health: undefined, cancelRemoval: undefined };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #of(proxy: ConnectedProxy): Registered | undefined {
    const group = groupOf(proxy);
    if (group === undefined) return undefined;
    return this.#entries.get(objectKey('WorkloadEntry', proxy.node.namespace, entryName(group, proxy.node)));
  }

  #group(namespace: string, name: string): ConfigObject<WorkloadGroupSpec> | undefined {
    return this.#options.config().get('WorkloadGroup', namespace, name);
  }

  #write(entry: Registered): void {
    this.#enqueue(async () => {
      const { store, instance, clock, log } = this.#options;
      const proxy = entry.latest;
      const group = proxy && this.#group(proxy.node.namespace, groupOf(proxy) ?? '');
      if (group === undefined) return;
      const document = registeredEntry(group, proxy!.node, {
        controller: instance,
        connectedAt: proxy!.connectedAt,
        disconnectedAt: entry.connections.size > 0 ? undefined : clock.now(),
        health: entry.health,
      });
      const [result] = await store.apply([readObject(document, () => ({ file: 'runtime' }))]);
      for (const message of result?.errors ?? [])
        log.error(`${entry.key} is not registered: ${formatMessage(message)}`);
    });
  }

  /** One after the other, so that what came last is what stays. */
  #enqueue(task: () => Promise<unknown>): void {
    this.#queue = this.#queue.then(task).then(
      () => undefined,
      (error) => this.#options.log.error(`a workload entry could not be written: ${messageOf(error)}`),
    );
  }
}

function groupOf({ node }: ConnectedProxy): string | undefined {
  const group = node.metadata.AUTO_REGISTER_GROUP;
  return typeof group === 'string' && group !== '' ? group : undefined;
}
