import type { ConnectedProxy } from './connected-proxy.ts';
import type { RecordedNack } from './nack.ts';

/** What happens to connected proxies. */
export interface ProxyListener {
  connected?(proxy: ConnectedProxy): void;
  disconnected?(proxy: ConnectedProxy): void;
  /** It got further, or refused something. */
  progressed?(proxy: ConnectedProxy): void;
}

/** Refusals that are remembered after they stopped standing. */
const MAX_NACKS = 500;

/** The proxies that are connected now. */
export class ProxyRegistry {
  readonly #proxies = new Set<ConnectedProxy>();
  readonly #listeners = new Set<ProxyListener>();
  readonly #nacks: RecordedNack[] = [];
  #connections = 0;

  get size(): number {
    return this.#proxies.size;
  }

  [Symbol.iterator](): IterableIterator<ConnectedProxy> {
    return this.#proxies.values();
  }

  /** The refusals of late, oldest first. */
  get nacks(): readonly RecordedNack[] {
    return this.#nacks;
  }

  /** A connection id for a proxy, never given before. */
  nextConnectionId(proxyId: string): string {
    return `${proxyId}-${++this.#connections}`;
  }

  /** By `NAME.NAMESPACE` or connection id; of several connections the newest. */
  find(id: string): ConnectedProxy | undefined {
    let found: ConnectedProxy | undefined;
    for (const proxy of this.#proxies) if (proxy.id === id || proxy.connectionId === id) found = proxy;
    return found;
  }

  listen(listener: ProxyListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(proxy: ConnectedProxy): void {
    this.#proxies.add(proxy);
    for (const listener of this.#listeners) listener.connected?.(proxy);
  }

  remove(proxy: ConnectedProxy): void {
    proxy.progress.closed = true;
    if (!this.#proxies.delete(proxy)) return;
    for (const listener of this.#listeners) listener.disconnected?.(proxy);
  }

  record(nack: RecordedNack): void {
    this.#nacks.push(nack);
    if (this.#nacks.length > MAX_NACKS) this.#nacks.shift();
  }

  notify(proxy: ConnectedProxy): void {
    for (const listener of this.#listeners) listener.progressed?.(proxy);
  }
}
