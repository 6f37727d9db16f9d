import type { Cancel, Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { DataPlane } from './data-plane/data-plane.ts';

export interface TerminationOptions {
  readonly proxy: DataPlane;
  /** A sidecar drains what comes in; what its program still asks of others goes on. */
  readonly inboundOnly: boolean;
  /** `terminationDrainDuration`. */
  readonly drainMs: number;
  /** `EXIT_ON_ZERO_ACTIVE_CONNECTIONS` and `MINIMUM_DRAIN_DURATION`; undefined waits for `drainMs` instead. */
  readonly untilIdle: { readonly minimumMs: number } | undefined;
  /** Who waits longer than this is killed; undefined if nobody does that. */
  readonly limitMs?: number | undefined;
  readonly log: Logger;
  readonly clock: Clock;
}

const LOOK_MS = 1000;
/** Times in a row that the proxy may fail to say how many connections it has. */
const MAX_FAILURES = 10;

/**
 * Lets a proxy end gracefully: drains it and waits, for a time or until it has no connections. Settles when it may be
 * stopped, or has ended by itself.
 */
export async function terminate(options: TerminationOptions): Promise<void> {
  const { proxy, inboundOnly, drainMs, untilIdle, limitMs, log, clock } = options;
  const pauses = new Pauses(clock);
  log.info('Agent draining Proxy for termination');
  await proxy.drain(inboundOnly).catch((error) => {
    log.warn(`Error in invoking drain listeners endpoint ${messageOf(error)}`);
  });
  const ends: Promise<unknown>[] = [proxy.ended];
  if (limitMs !== undefined)
    ends.push(
      pauses.pause(limitMs).then(() => log.info(`${limitMs / 1000}s are over: connections that are left are closed`)),
    );
  if (untilIdle) {
    const { minimumMs } = untilIdle;
    log.info(`Agent draining proxy for ${minimumMs / 1000}s, then waiting for active connections to terminate...`);
    ends.push(pauses.pause(minimumMs).then(() => idle(options, pauses)));
  } else {
    log.info(`Graceful termination period is ${drainMs / 1000}s, starting...`);
    ends.push(pauses.pause(drainMs));
  }
  await Promise.race(ends);
  pauses.end();
}

async function idle({ proxy, log }: TerminationOptions, pauses: Pauses): Promise<void> {
  for (let failures = 0; ; await pauses.pause(LOOK_MS)) {
    try {
      const count = await proxy.activeConnections();
      failures = 0;
      if (count === undefined) {
        log.info('downstream_cx_active is not available: no connection came yet, or the statistic is not kept');
        return;
      }
      if (count === 0) {
        log.info('There are no more active connections. terminating proxy...');
        return;
      }
      log.info(`There are still ${count} active connections`);
    } catch (error) {
      log.warn(`active connections are not known: ${messageOf(error)}`);
      if (++failures >= MAX_FAILURES) return;
    }
  }
}

/** Pauses that do not outlast what they are part of: when that has ended, those that are left never settle. */
class Pauses {
  readonly #clock: Clock;
  readonly #cancels = new Set<Cancel>();
  #ended = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#ended) return;
      const cancel = this.#clock.setTimer(ms, () => {
        this.#cancels.delete(cancel);
        resolve();
      });
      this.#cancels.add(cancel);
    });
  }

  end(): void {
    this.#ended = true;
    for (const cancel of this.#cancels) cancel();
  }
}
