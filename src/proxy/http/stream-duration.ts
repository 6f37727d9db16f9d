import { formatTimeout, parseTimeout } from '../../wire/grpc/timeout.ts';
import type { Headers } from '../../wire/headers.ts';
import type { RouteAction } from '../router/route.ts';
import type { StreamTimers } from './stream-timers.ts';

/**
 * The limit that a route sets to a stream as a whole (`max_stream_duration`): its own, or what a call says in
 * `grpc-timeout`, where the route heeds that, which the upstream is then told.
 */
export function limitStream(
  action: Pick<RouteAction, 'maxStreamDurationMs' | 'grpcHeaderMaxMs' | 'grpcHeaderOffsetMs'>,
  headers: Headers,
  timers: Pick<StreamTimers, 'setMaxDuration'>,
): void {
  const { maxStreamDurationMs, grpcHeaderMaxMs: max, grpcHeaderOffsetMs: offset } = action;
  const text = max === undefined ? undefined : headers.get('grpc-timeout');
  let ms = text === undefined ? undefined : parseTimeout(text);
  if (ms === undefined || max === undefined) {
    if (maxStreamDurationMs !== undefined) timers.setMaxDuration(maxStreamDurationMs || undefined);
    return;
  }
  if (max !== 0 && ms > max) ms = max;
  ms = Math.max(0, ms - offset);
  headers.set('grpc-timeout', formatTimeout(ms));
  timers.setMaxDuration(ms);
}
