import { isDeepStrictEqual } from 'node:util';
import { fromBinary } from '@bufbuild/protobuf';
import type { RetryPolicy as RetryPolicyProto } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import {
  type OmitHostMetadataConfig,
  OmitHostMetadataConfigSchema,
} from '../../api/gen/envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config_pb.ts';
import { PreviousPrioritiesConfigSchema } from '../../api/gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.ts';
import { typeNameOf } from '../../api/registry.ts';
import type { Metadata } from '../cluster/host.ts';
import { metadataOf } from '../cluster/metadata.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { decodeConfig } from '../config/typed-config.ts';
import { durationMs } from '../config/values.ts';
import { type HeaderTest, headerTest } from './header-match.ts';

/** The conditions of `retry_on` and `x-envoy-retry-on` as bits. */
export const RetryOn = {
  ServerError: 1 << 0,
  GatewayError: 1 << 1,
  ConnectFailure: 1 << 2,
  Retriable4xx: 1 << 3,
  RefusedStream: 1 << 4,
  RetriableStatusCodes: 1 << 5,
  Reset: 1 << 6,
  RetriableHeaders: 1 << 7,
  RateLimited: 1 << 8,
  ResetBeforeRequest: 1 << 9,
  GrpcCancelled: 1 << 10,
  GrpcDeadlineExceeded: 1 << 11,
  GrpcResourceExhausted: 1 << 12,
  GrpcUnavailable: 1 << 13,
  GrpcInternal: 1 << 14,
} as const;

const NAMES: Readonly<Record<string, number>> = {
  '5xx': RetryOn.ServerError,
  'gateway-error': RetryOn.GatewayError,
  'connect-failure': RetryOn.ConnectFailure,
  'retriable-4xx': RetryOn.Retriable4xx,
  'refused-stream': RetryOn.RefusedStream,
  'retriable-status-codes': RetryOn.RetriableStatusCodes,
  reset: RetryOn.Reset,
  'retriable-headers': RetryOn.RetriableHeaders,
  'envoy-ratelimited': RetryOn.RateLimited,
  'reset-before-request': RetryOn.ResetBeforeRequest,
  'http3-post-connect-failure': 0,
};

const GRPC_NAMES: Readonly<Record<string, number>> = {
  cancelled: RetryOn.GrpcCancelled,
  'deadline-exceeded': RetryOn.GrpcDeadlineExceeded,
  'resource-exhausted': RetryOn.GrpcResourceExhausted,
  unavailable: RetryOn.GrpcUnavailable,
  internal: RetryOn.GrpcInternal,
};

const GRPC_CODES: Readonly<Record<string, number>> = {
  '1': RetryOn.GrpcCancelled,
  '4': RetryOn.GrpcDeadlineExceeded,
  '8': RetryOn.GrpcResourceExhausted,
  '13': RetryOn.GrpcInternal,
  '14': RetryOn.GrpcUnavailable,
};

/** Bits of a `retry_on` list; names that are not known are passed over, as in Envoy. */
export function parseRetryOn(text: string): number {
  let bits = 0;
  for (const name of text.split(',')) bits |= NAMES[name.trim()] ?? 0;
  return bits;
}

/** Bits of an `x-envoy-retry-grpc-on` list. */
export function parseRetryGrpcOn(text: string): number {
  let bits = 0;
  for (const name of text.split(',')) bits |= GRPC_NAMES[name.trim()] ?? 0;
  return bits;
}

/** The bit for a value of `grpc-status`, or 0. */
export function retryOnGrpcStatus(status: string): number {
  return GRPC_CODES[status] ?? 0;
}

/** What a route says about retries. Times in milliseconds, 0 for none. */
export interface RetryPolicy {
  readonly retryOn: number;
  readonly numRetries: number;
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  readonly statusCodes: readonly number[];
  readonly retriableHeaders: readonly HeaderTest[];
  readonly retriableRequestHeaders: readonly HeaderTest[];
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  readonly hostAttempts: number;
  readonly avoidPreviousHosts: boolean;
  /** Hosts that no attempt is made at, whether or not they were tried. */
  readonly omits: readonly ((host: { readonly canary: boolean; readonly metadata: Metadata }) => boolean)[];
  /** `retry_priority` of previous priorities: after how many attempts they change; undefined without. */
  readonly priorityFrequency: number | undefined;
  readonly rateLimitedReset: RateLimitedBackoff | undefined;
}

export interface RateLimitedBackoff {
  readonly headers: readonly { readonly name: string; readonly unixTimestamp: boolean }[];
  readonly maxMs: number;
}

export const NO_RETRIES: RetryPolicy = {
  retryOn: 0,
  numRetries: 1,
  perTryTimeoutMs: 0,
  perTryIdleTimeoutMs: 0,
  statusCodes: [],
  retriableHeaders: [],
  retriableRequestHeaders: [],
  backoffBaseMs: 25,
  backoffMaxMs: 250,
  hostAttempts: 1,
  avoidPreviousHosts: false,
  omits: [],
  priorityFrequency: undefined,
  rateLimitedReset: undefined,
};

function previousPriorities({ retryPriority }: RetryPolicyProto, errors: ConfigErrors): number | undefined {
  const any = retryPriority?.configType.value;
  if (retryPriority === undefined) return undefined;
  if (any === undefined || typeNameOf(any.typeUrl) !== PreviousPrioritiesConfigSchema.typeName) {
    errors.add('', `${any?.typeUrl ?? retryPriority.name} is not supported`);
    return undefined;
  }
  const { updateFrequency } = fromBinary(PreviousPrioritiesConfigSchema, any.value);
  if (updateFrequency <= 0) errors.add('typed_config.update_frequency', 'must be above 0');
  return updateFrequency;
}

const PREVIOUS_HOSTS = 'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate';
const OMIT_CANARIES = 'envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate';
/** Predicates that are named without a configuration. */
const PREDICATES: Readonly<Record<string, string>> = {
  'envoy.retry_host_predicates.previous_hosts': PREVIOUS_HOSTS,
  'envoy.retry_host_predicates.omit_canary_hosts': OMIT_CANARIES,
};
/** Namespace of metadata that hosts are chosen by. */
const LB = 'envoy.lb';

/** Whether a host has every value that is asked for. */
function hasAll(
  values: Readonly<Record<string, unknown>> | undefined,
  wanted: Readonly<Record<string, unknown>>,
): boolean {
  const entries = Object.entries(wanted);
  return entries.length > 0 && entries.every(([key, value]) => isDeepStrictEqual(values?.[key], value));
}

/** Compiles `retry_policy`. */
export function retryPolicy(proto: RetryPolicyProto, errors: ConfigErrors): RetryPolicy {
  const base = durationMs(proto.retryBackOff?.baseInterval, 25);
  const most = durationMs(proto.retryBackOff?.maxInterval, base * 10);
  if (most < base) errors.add('retry_back_off.max_interval', 'must be at least base_interval');
  const limited = proto.rateLimitedRetryBackOff;
  const priorityFrequency = previousPriorities(proto, errors.at('retry_priority'));
  let avoidPreviousHosts = false;
  const omits: RetryPolicy['omits'][number][] = [];
  proto.retryHostPredicate.forEach(({ name, configType }, i) => {
    const any = configType.value;
    const at = errors.at('retry_host_predicate').at(i);
    switch (any === undefined ? PREDICATES[name] : typeNameOf(any.typeUrl)) {
      case PREVIOUS_HOSTS:
        avoidPreviousHosts = true;
        break;
      case OMIT_CANARIES:
        omits.push(({ canary }) => canary);
        break;
      case OmitHostMetadataConfigSchema.typeName: {
        const config = decodeConfig(OmitHostMetadataConfigSchema, any, at.at('typed_config'));
        const wanted = (config as OmitHostMetadataConfig | undefined)?.metadataMatch;
        const criteria = wanted && metadataOf(wanted).get(LB);
        if (criteria !== undefined) omits.push(({ metadata }) => hasAll(metadata.get(LB), criteria));
        break;
      }
      default:
        at.add('', `${any?.typeUrl ?? name} is not supported`);
    }
  });
  return {
    retryOn: parseRetryOn(proto.retryOn) | parseRetryGrpcOn(proto.retryOn),
    numRetries: proto.numRetries ?? 1,
    perTryTimeoutMs: durationMs(proto.perTryTimeout, 0),
    perTryIdleTimeoutMs: durationMs(proto.perTryIdleTimeout, 0),
    statusCodes: proto.retriableStatusCodes,
    retriableHeaders: proto.retriableHeaders.map((m, i) => headerTest(m, errors.at('retriable_headers').at(i))),
    retriableRequestHeaders: proto.retriableRequestHeaders.map((m, i) =>
      headerTest(m, errors.at('retriable_request_headers').at(i)),
    ),
    backoffBaseMs: base,
    backoffMaxMs: most,
    hostAttempts: Math.max(1, Number(proto.hostSelectionRetryMaxAttempts)),
    avoidPreviousHosts,
    omits,
    priorityFrequency,
    rateLimitedReset: limited && {
      headers: limited.resetHeaders.map(({ name, format }) => ({
        name: name.toLowerCase(),
        unixTimestamp: format === 1,
      })),
      maxMs: durationMs(limited.maxInterval, 300_000),
    },
  };
}
