import fs from 'node:fs';
import path from 'node:path';
import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { followFiles } from '../../ca/client/follow-files.ts';
import { checkRevocationLists } from '../../ca/content/checks.ts';

/** Where Istio mounts the ConfigMaps `istio-ca-root-cert` and `istio-ca-crl`. */
export const PUBLISHED_ROOTS = './var/run/secrets/istio/root-cert.pem';
export const PUBLISHED_REVOCATIONS = './var/run/secrets/istio/crl/ca-crl.pem';

export interface PublishedTrustOptions {
  readonly resolve: (path: string) => string;
  /** Told of the bundle whenever it changes after the start: what it is at the start, the authority tells as well. */
  readonly onRoots: (pem: string) => void;
  /** Told of the lists that are there, and whenever they change; undefined when there are none any more. */
  readonly onRevocations: (crl: string | undefined) => void;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly pollMs?: number;
}

const POLL_MS = 2000;

/**
 * Follows what the mesh publishes for all its workloads: its trust bundle, and the lists of certificates that are
 * revoked. What cannot be read or is not valid leaves everything as it was.
 */
export class PublishedTrust {
  readonly #options: PublishedTrustOptions;
  readonly #roots: string;
  readonly #revocations: string;
  #taken = new Map<string, string | undefined>();
  #watch: { close(): void } | undefined;
  #closed = false;

  /** Begins at once. */
  constructor(options: PublishedTrustOptions) {
    this.#options = options;
    this.#roots = options.resolve(PUBLISHED_ROOTS);
    this.#revocations = options.resolve(PUBLISHED_REVOCATIONS);
    void this.#open();
  }

  close(): void {
    this.#closed = true;
    this.#watch?.close();
  }

  async #open(): Promise<void> {
    const { clock = systemClock, pollMs = POLL_MS } = this.#options;
    const files = [this.#roots, this.#revocations];
    try {
      const watch = await followFiles(files, {
        clock,
        intervalMs: pollMs,
        // The kernel tells of changes where a file really is, not where a link to it is.
        watched: [...files, ...files.flatMap(targetOf)],
        onFirst: (first) => {
          this.#taken.set(this.#roots, first.get(this.#roots));
          this.#takeRevocations(first.get(this.#revocations));
        },
        onChange: (changed) => this.#take(changed),
        onError: (error) => this.#options.log.warn(`what the mesh publishes cannot be read: ${messageOf(error)}`),
      });
      if (this.#closed) watch.close();
      else this.#watch = watch;
    } catch (error) {
      this.#options.log.warn(`what the mesh publishes cannot be followed: ${messageOf(error)}`);
    }
  }

  #take(files: ReadonlyMap<string, string>): void {
    if (this.#closed) return;
    const roots = files.get(this.#roots);
    if (roots !== undefined && roots.trim() !== '' && roots !== this.#taken.get(this.#roots)) {
      this.#taken.set(this.#roots, roots);
      this.#options.onRoots(roots);
    }
    this.#takeRevocations(files.get(this.#revocations));
  }

  #takeRevocations(text: string | undefined): void {
    const crl = text?.trim() ? text : undefined;
    if (crl === this.#taken.get(this.#revocations)) return;
    if (crl !== undefined) checkRevocationLists(crl, this.#revocations);
    this.#taken.set(this.#revocations, crl);
    this.#options.onRevocations(crl);
  }
}

/** Where a link leads to, one step; nothing if it is no link. */
function targetOf(file: string): string[] {
  try {
    return [path.resolve(path.dirname(file), fs.readlinkSync(file))];
  } catch {
    return [];
  }
}
