import type { Cancel, Clock } from '../../base/clock.ts';
import { type ConnectedProxy, followsConfiguration } from './connected-proxy.ts';
import { describeNack } from './nack.ts';
import type { ProxyRegistry } from './proxy-registry.ts';
import { shortType } from './type-names.ts';

/** A proxy that does not have a snapshot, and why. */
export interface Laggard {
  readonly proxy: string;
  readonly connectionId: string;
  readonly reason: string;
}

/** How far a snapshot has got. */
export interface ConvergenceReport {
  readonly snapshot: number;
  /** Every affected proxy has acknowledged it. */
  readonly converged: boolean;
  /** Ids of the proxies that were sent something of the snapshot or of a later one, or are to be. */
  readonly affected: readonly string[];
  /** Those of them that have acknowledged all of it. */
  readonly synced: readonly string[];
  /** Those that refused some of it, have not answered, or have not been given it yet. */
  readonly laggards: readonly Laggard[];
}

interface Waiter {
  readonly snapshot: number;
  readonly settle: () => void;
}

/** Whether anything of a snapshot, or of a later one, differs for a proxy from what it had. */
function wasSent({ stream }: ConnectedProxy, snapshot: number): boolean {
  return stream.status().some(({ sentSnapshot }) => sentSnapshot >= snapshot);
}

/** Tells when a snapshot is in force everywhere. */
export class Convergence {
  readonly #proxies: ProxyRegistry;
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();
  readonly #unlisten: () => void;

  constructor(proxies: ProxyRegistry, clock: Clock) {
    this.#proxies = proxies;
    this.#clock = clock;
    const check = () => this.#check();
    this.#unlisten = proxies.listen({ progressed: check, disconnected: check });
  }

  /** How things stand with a snapshot now. */
  report(snapshot: number): ConvergenceReport {
    const affected: string[] = [];
    const synced: string[] = [];
    const laggards: Laggard[] = [];
    for (const proxy of this.#proxies) {
      if (!followsConfiguration(proxy)) continue;
      const reason = this.#lag(proxy, snapshot);
      if (reason === undefined && !wasSent(proxy, snapshot)) continue;
      affected.push(proxy.id);
      if (reason === undefined) synced.push(proxy.id);
      else laggards.push({ proxy: proxy.id, connectionId: proxy.connectionId, reason });
    }
    return { snapshot, converged: laggards.length === 0, affected, synced, laggards };
  }

  /**
   * Settles when every affected proxy has acknowledged the snapshot, when what is missing will not come (it was
   * refused), or when the time is over; the report says which. A proxy that disconnects is waited for no longer.
   */
  waitFor(snapshot: number, timeoutMs: number): Promise<ConvergenceReport> {
    if (!this.#isPending(snapshot)) return Promise.resolve(this.report(snapshot));
    return new Promise((resolve) => {
      let cancel: Cancel = () => {};
      const settle = () => {
        cancel();
        this.#waiters.delete(waiter);
        resolve(this.report(snapshot));
      };
      const waiter: Waiter = { snapshot, settle };
      this.#waiters.add(waiter);
      cancel = this.#clock.setTimer(timeoutMs, settle);
    });
  }

  /** Settles every wait with how things stand. */
  close(): void {
    this.#unlisten();
    for (const { settle } of [...this.#waiters]) settle();
  }

  #check(): void {
    for (const waiter of [...this.#waiters]) if (!this.#isPending(waiter.snapshot)) waiter.settle();
  }

  #isPending(snapshot: number): boolean {
    for (const proxy of this.#proxies) {
      if (followsConfiguration(proxy) && proxy.progress.settled < snapshot && !proxy.progress.failure) return true;
    }
    return false;
  }

  /** Why a proxy does not have a snapshot; undefined if it has. */
  #lag({ progress, stream }: ConnectedProxy, snapshot: number): string | undefined {
    const refusal = [...progress.nacks.values()].find((nack) => nack.snapshot >= snapshot);
    if (refusal) return describeNack(refusal);
    if (progress.failure) return `part of its configuration cannot be made: ${progress.failure}`;
    if (progress.settled >= snapshot) return undefined;
    const waiting = stream.status().filter((type) => type.inFlight);
    if (waiting.length === 0) return 'it has not been given this snapshot yet';
    const parts = waiting.map(({ typeUrl, sentAt, sentSnapshot }) => {
      const seconds = ((this.#clock.now() - sentAt) / 1000).toFixed(1);
      return `${shortType(typeUrl)} of snapshot ${sentSnapshot} for ${seconds} s`;
    });
    return `it has not answered ${parts.join(', ')}`;
  }
}
