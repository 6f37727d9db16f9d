import type { Headers } from '../../../wire/headers.ts';

/** Why a request is traced; `none` if it is not. */
export type TraceReason = 'none' | 'sampling' | 'service-forced' | 'client-forced';

/** Shares of requests in [0, 1]. */
export interface SamplingShares {
  /** Of those with `x-client-trace-id`. */
  readonly client: number;
  readonly random: number;
  /** Of those that any other rule would trace. */
  readonly overall: number;
}

const UUID_LENGTH = 36;
/** The digit of a UUID's version carries the reason from proxy to proxy. */
const REASON_AT = 14;
const REASON_DIGITS = { none: '4', sampling: '9', 'service-forced': 'a', 'client-forced': 'b' } as const;
const STEPS = 10_000;

/**
 * Decides whether a request is traced. Its id decides for whoever sees it: who samples one request in a hundred samples
 * the same ones in every proxy. `packs`: the decision is written into the id.
 */
export function decideTrace(
  headers: Headers,
  shares: SamplingShares,
  packs: boolean,
  random: () => number,
): TraceReason {
  const id = headers.get('x-request-id');
  const number = id === undefined ? Number.NaN : Number.parseInt(id.slice(0, 8), 16);
  if (id === undefined || Number.isNaN(number)) return 'none';
  const place = number % STEPS;
  const within = (share: number) => share >= 1 || place < share * STEPS;
  let reason = packedReason(id);
  let changed = false;
  if (reason === 'none') {
    if (headers.has('x-client-trace-id') && (shares.client >= 1 || random() < shares.client)) reason = 'client-forced';
    else if (headers.has('x-envoy-force-trace')) reason = 'service-forced';
    else if (within(shares.random)) reason = 'sampling';
    changed = reason !== 'none';
  }
  if (reason !== 'none' && !within(shares.overall)) {
    reason = 'none';
    changed = true;
  }
  if (changed && packs && id.length >= UUID_LENGTH) {
    headers.set('x-request-id', id.slice(0, REASON_AT) + REASON_DIGITS[reason] + id.slice(REASON_AT + 1));
  }
  return reason;
}

function packedReason(id: string): TraceReason {
  if (id.length < UUID_LENGTH) return 'none';
  switch (id[REASON_AT]) {
    case REASON_DIGITS.sampling:
      return 'sampling';
    case REASON_DIGITS['service-forced']:
      return 'service-forced';
    case REASON_DIGITS['client-forced']:
      return 'client-forced';
    default:
      return 'none';
  }
}
