import type { Headers } from '../../../wire/headers.ts';
import type { Cancelable } from '../../cluster/cluster.ts';
import type { FilterCallbacks } from '../../http/filter.ts';
import type { HeaderChange } from './changes.ts';

/** What an authorizer is told of a request. */
export interface CheckSubject {
  readonly callbacks: FilterCallbacks;
  readonly headers: Headers;
  /** As much of the body as authorizers get, or undefined if they get none. */
  readonly body: Buffer | undefined;
  /** The body is to be told as bytes rather than as text, where the protocol has both. */
  readonly packAsBytes: boolean;
  /** The body is cut. */
  readonly partial: boolean;
  /** `context_extensions` of virtual host and route. */
  readonly extensions: Readonly<Record<string, string>>;
}

/** What becomes of a request that is let pass. */
export interface Allowed {
  readonly kind: 'allowed';
  readonly requestChanges: readonly HeaderChange[];
  /** Names of headers that the request loses. */
  readonly requestRemovals: readonly string[];
  readonly responseChanges: readonly HeaderChange[];
  readonly parametersToSet: readonly (readonly [string, string])[];
  readonly parametersToRemove: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
}

export interface Denied {
  readonly kind: 'denied';
  readonly status: number;
  readonly body: string;
  readonly responseChanges: readonly HeaderChange[];
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
}

/** No verdict: the authorizer did not answer, or not with anything that makes sense. */
export const FAILED = { kind: 'failed' } as const;

export type Verdict = Allowed | Denied | typeof FAILED;

/** Somebody who is asked whether a request may pass. */
export interface Authorizer {
  /** `done` comes once, maybe from within, and never after `cancel`. */
  check(subject: CheckSubject, done: (verdict: Verdict) => void): Cancelable;
}
