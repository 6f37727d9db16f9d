import type { Connection } from '../../net/connection.ts';
import type { Cancelable } from '../cluster.ts';
import type { Host } from '../host.ts';

/** What came of one check. */
export type ProbeResult =
  | { readonly kind: 'passed'; readonly degraded: boolean }
  /** The host answered, and not well. `excluded`: it asks to be left out when health is counted. */
  | { readonly kind: 'failed'; readonly retriable: boolean; readonly status: number; readonly excluded: boolean }
  /** There was no answer. */
  | { readonly kind: 'network' };

/** What a probe needs to reach its host. */
export interface ProbeContext {
  readonly host: Host;
  readonly clusterName: string;
  readonly reuseConnection: boolean;
  /** Connects to the address for checks, through the cluster's transport socket. Calls back later. */
  connect(done: { onConnected(connection: Connection): void; onFailed(): void }): Cancelable;
}

/** Asks one host how it is, in one protocol, again and again. */
export interface Probe {
  /** Begins a check. `done` is called once, from a later event, unless the check is given up before. */
  start(done: (result: ProbeResult) => void): void;
  /** Gives up the check that runs, and its connection. */
  abort(): void;
  /** Ends for good. */
  close(): void;
}

export const PASSED: ProbeResult = { kind: 'passed', degraded: false };
export const NETWORK_FAILURE: ProbeResult = { kind: 'network' };

/** Whether all parts occur in what came, in their order. */
export function containsInOrder(bytes: Buffer, parts: readonly Buffer[]): boolean {
  let from = 0;
  for (const part of parts) {
    const at = bytes.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return true;
}
