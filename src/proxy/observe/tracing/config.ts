import type { Tracing as RouteProto } from '../../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { HttpConnectionManager_Tracing as Proto } from '../../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { fraction } from '../../config/fraction.ts';
import { type CustomTag, customTags } from './custom-tags.ts';
import type { SamplingShares } from './decision.ts';
import type { Tracer } from './span.ts';
import type { SpanContents } from './stream-trace.ts';

/** What a route says about its traces, instead of the connection manager. */
export interface RouteTracing {
  readonly shares: SamplingShares;
  readonly tags: readonly CustomTag[];
}

/** Where requests are counted by why they are traced (`http.STAT_PREFIX.tracing.`). */
export interface TracingCounters {
  client_enabled: number;
  not_traceable: number;
  random_sampling: number;
  service_forced: number;
}

/** `HttpConnectionManager.tracing`, decided. */
export interface TracingConfig extends SpanContents {
  readonly shares: SamplingShares;
  /** Ids of requests decide which are traced; otherwise all may be. */
  readonly byRequestId: boolean;
  /** Ids carry the decision on. */
  readonly packsReason: boolean;
  /** Requests are on their way out of the program that this proxy is for. */
  readonly egress: boolean;
  /** Undefined if nobody collects: requests are decided on all the same, for those behind. */
  readonly tracer: Tracer | undefined;
  readonly counters: TracingCounters;
  /** Who this proxy is. */
  readonly nodeId: string;
  readonly zone: string;
}

const DEFAULT_MAX_PATH = 256;
const ALL = 100;

/** Reads `tracing` of a connection manager; `decided` is what the provider and the listener say. */
export function tracingConfig(
  proto: Proto,
  decided: Omit<TracingConfig, 'shares' | keyof SpanContents>,
  errors: ConfigErrors,
): TracingConfig {
  return {
    ...decided,
    shares: {
      client: (proto.clientSampling?.value ?? ALL) / ALL,
      random: (proto.randomSampling?.value ?? ALL) / ALL,
      overall: (proto.overallSampling?.value ?? ALL) / ALL,
    },
    maxPathLength: proto.maxPathTagLength ?? DEFAULT_MAX_PATH,
    spawnsUpstream: proto.spawnUpstreamSpan ?? false,
    propagates: !proto.noContextPropagation,
    tags: customTags(proto.customTags, errors.at('custom_tags')),
  };
}

/** `Route.tracing`. */
export function routeTracing(proto: RouteProto, errors: ConfigErrors): RouteTracing {
  return {
    shares: {
      client: fraction(proto.clientSampling),
      random: fraction(proto.randomSampling),
      overall: fraction(proto.overallSampling),
    },
    tags: customTags(proto.customTags, errors.at('custom_tags')),
  };
}
