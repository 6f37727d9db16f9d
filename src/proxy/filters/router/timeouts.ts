import { formatTimeout, parseTimeout } from '../../../wire/grpc/timeout.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { RouteAction } from '../../router/route.ts';
import { isGrpc } from '../../router/route-entry.ts';

/** What the router takes from a request and does not hand on. */
const STEERING = [
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-stream-duration-ms',
  'x-envoy-hedge-on-per-try-timeout',
];

/** Time limits of one request in milliseconds; 0 for none. */
export interface Timeouts {
  readonly globalMs: number;
  readonly perTryMs: number;
  readonly perTryIdleMs: number;
  /** A try that takes too long goes on, and another is made beside it. */
  readonly hedged: boolean;
}

/**
 * Works out the limits from the route and from the headers that may change them, and tells the upstream how long it has
 * (Envoy's `FilterUtility::finalTimeout`).
 */
export function finalTimeouts(headers: Headers, action: RouteAction, insertExpected: boolean): Timeouts {
  const grpc = isGrpc(headers);
  let globalMs = action.timeoutMs;
  if (grpc && action.maxGrpcTimeoutMs !== undefined) {
    const max = action.maxGrpcTimeoutMs;
    let wanted = grpcTimeoutOf(headers) ?? 0;
    if (wanted > action.grpcTimeoutOffsetMs) wanted -= action.grpcTimeoutOffsetMs;
    globalMs = max !== 0 && (wanted === 0 || wanted > max) ? max : wanted;
  }
  let perTryMs = action.retry.perTryTimeoutMs;
  globalMs = headerMs(headers, 'x-envoy-upstream-rq-timeout-ms') ?? globalMs;
  perTryMs = headerMs(headers, 'x-envoy-upstream-rq-per-try-timeout-ms') ?? perTryMs;
  const hedged = hedges(headers, action);
  for (const name of STEERING) headers.remove(name);
  // A try cannot take longer than all of them together.
  if (globalMs !== 0 && perTryMs >= globalMs) perTryMs = 0;
  const timeouts = { globalMs, perTryMs, perTryIdleMs: action.retry.perTryIdleTimeoutMs, hedged };
  tellTimeout(headers, action, timeouts, 0, grpc, insertExpected);
  return timeouts;
}

/** Tells the upstream how long it has, `elapsedMs` after the request was here as a whole. */
export function tellTimeout(
  headers: Headers,
  action: RouteAction,
  { globalMs, perTryMs, hedged }: Timeouts,
  elapsedMs: number,
  grpc: boolean,
  insertExpected: boolean,
): void {
  let expected = perTryMs > 0 && !hedged ? perTryMs : globalMs;
  if (expected === 0) return;
  // Nothing would be no limit.
  if (globalMs > 0) expected = elapsedMs >= globalMs ? 1 : Math.min(expected, globalMs - elapsedMs);
  if (insertExpected) headers.set('x-envoy-expected-rq-timeout-ms', String(Math.floor(expected)));
  if (grpc && action.maxGrpcTimeoutMs !== undefined) headers.set('grpc-timeout', formatTimeout(expected));
}

function hedges(headers: Headers, action: RouteAction): boolean {
  const told = headers.get('x-envoy-hedge-on-per-try-timeout');
  if (told === 'true') return true;
  return told === 'false' ? false : action.hedgeOnPerTryTimeout;
}

function grpcTimeoutOf(headers: Headers): number | undefined {
  const text = headers.get('grpc-timeout');
  return text === undefined ? undefined : parseTimeout(text);
}

function headerMs(headers: Headers, name: string): number | undefined {
  const text = headers.get(name);
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
