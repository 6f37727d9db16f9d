import type { PeerChain } from './peer-certificate.ts';

/** A session and whose it is: on resumption a client gets no certificate, and Node does not keep the old one. */
export interface KeptSession {
  readonly session: Buffer;
  readonly peer: PeerChain;
}

/**
 * TLS sessions that this proxy may resume as a client, in all its clusters together: a bounded number, the oldest
 * going first. A key stands for the context and its secrets, the address, and the server name that a session was made
 * with.
 */
export class SessionCache {
  readonly #sessions = new Map<string, KeptSession[]>();
  readonly #limit: number;

  /** `limit` counts keys. */
  constructor(limit = 1024) {
    this.#limit = limit;
  }

  /** Keeps a session, and no more than `max` of its key. */
  put(key: string, session: KeptSession, max: number): void {
    if (max === 0) return;
    const list = this.#sessions.get(key) ?? [];
    list.push(session);
    if (list.length > max) list.splice(0, list.length - max);
    this.#sessions.delete(key);
    this.#sessions.set(key, list);
    if (this.#sessions.size > this.#limit) this.#sessions.delete(this.#sessions.keys().next().value!);
  }

  /** Takes the newest one out: a session that fails is not tried twice. */
  take(key: string): KeptSession | undefined {
    const list = this.#sessions.get(key);
    const session = list?.pop();
    if (list?.length === 0) this.#sessions.delete(key);
    return session;
  }
}
