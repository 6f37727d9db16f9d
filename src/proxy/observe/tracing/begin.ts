import type { Headers } from '../../../wire/headers.ts';
import type { StreamInfo } from '../stream-info.ts';
import type { RouteTracing, TracingConfig, TracingCounters } from './config.ts';
import { decideTrace, type TraceReason } from './decision.ts';
import { StreamTrace } from './stream-trace.ts';

const COUNTERS: Readonly<Record<TraceReason, keyof TracingCounters>> = {
  none: 'not_traceable',
  sampling: 'random_sampling',
  'client-forced': 'client_enabled',
  'service-forced': 'service_forced',
};

/** Decides whether a request is traced, and begins its span. */
export function beginTrace(
  headers: Headers,
  info: StreamInfo,
  config: TracingConfig,
  route: RouteTracing | undefined,
  random: () => number,
): void {
  const { byRequestId, packsReason, tracer, counters, egress, spawnsUpstream } = config;
  const reason = byRequestId ? decideTrace(headers, route?.shares ?? config.shares, packsReason, random) : 'sampling';
  counters[COUNTERS[reason]]++;
  info.traceForced = reason === 'service-forced';
  const id = headers.get('x-request-id');
  if (id !== undefined) info.requestId = id;
  const span = tracer?.start({ headers, egress, spawnsUpstream, traced: reason !== 'none' });
  if (span === undefined) return;
  info.traceId = span.traceId;
  span.tag('node_id', config.nodeId);
  span.tag('zone', config.zone);
  info.trace = new StreamTrace(span, info, config, route?.tags ?? NO_TAGS);
}

const NO_TAGS: RouteTracing['tags'] = [];
