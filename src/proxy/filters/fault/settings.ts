import type { JsonObject } from '@bufbuild/protobuf';
import type { HTTPFault } from '../../../api/gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts';
import type { FractionalPercent } from '../../../api/gen/envoy/type/v3/percent_pb.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { fraction } from '../../config/fraction.ts';
import { integerAt, type RuntimeSource, shareAt } from '../../config/runtime-values.ts';
import { durationMs } from '../../config/values.ts';
import { type HeaderTest, headerTest } from '../../router/header-match.ts';

/** Faults as the filter, or a route, configures them. */
export interface FaultSettings {
  /** Delay of a request in ms, or undefined for none. */
  readonly delay: Fault<number> | undefined;
  readonly abort: Fault<Abort> | undefined;
  /** KiB a second. */
  readonly rateLimit: Fault<number> | undefined;
  /** The cluster whose requests are meant, or empty for any. */
  readonly upstreamCluster: string;
  /** Values of x-envoy-downstream-service-node; any if there are none. */
  readonly downstreamNodes: ReadonlySet<string>;
  readonly headers: readonly HeaderTest[];
  /** As runtime has it now. */
  maxActiveFaults(): number;
  readonly countByCluster: boolean;
  /** Dynamic metadata of requests that got a fault. */
  readonly metadata: JsonObject;
}

/**
 * One kind of fault: the share of requests that get it, from 0 to 1, and what they get. `cluster` is where the request
 * says that it comes from, or empty: runtime may have values for it alone.
 */
export interface Fault<T> {
  share(headers: Headers, cluster: string): number;
  /** Undefined if the request does not say. */
  value(headers: Headers, cluster: string): T | undefined;
}

export interface Abort {
  readonly status: number;
  readonly grpcStatus: number | undefined;
}

/** Something was set up that the filter could do. */
export function hasFaults(settings: FaultSettings): boolean {
  return settings.delay !== undefined || settings.abort !== undefined || settings.rateLimit !== undefined;
}

/** Reads `HTTPFault`. Shares and times ask runtime for each request, under Envoy's keys. */
export function faultSettings(proto: HTTPFault, runtime: RuntimeSource, errors: ConfigErrors): FaultSettings {
  const { delay, abort, responseRateLimit } = proto;
  const key = (own: string, name: string): RuntimeKey => ({ runtime, all: own || `fault.http.${name}`, name });
  const delayKeys = {
    percent: key(proto.delayPercentRuntime, 'delay.fixed_delay_percent'),
    ms: key(proto.delayDurationRuntime, 'delay.fixed_duration_ms'),
  };
  const abortKeys = {
    percent: key(proto.abortPercentRuntime, 'abort.abort_percent'),
    httpStatus: key(proto.abortHttpStatusRuntime, 'abort.http_status'),
    grpcStatus: key(proto.abortGrpcStatusRuntime, 'abort.grpc_status'),
  };
  const ratePercent = key(proto.responseRateLimitPercentRuntime, 'rate_limit.response_percent');
  const mostFaults = proto.maxActiveFaultsRuntime || 'fault.http.max_active_faults';
  const configuredMost = proto.maxActiveFaults ?? Number.POSITIVE_INFINITY;
  return {
    delay: delay && delayFault(delay, delayKeys, errors.at('delay')),
    abort: abort && abortFault(abort, abortKeys, errors.at('abort')),
    rateLimit: responseRateLimit && rateLimitFault(responseRateLimit, ratePercent, errors.at('response_rate_limit')),
    upstreamCluster: proto.upstreamCluster,
    downstreamNodes: new Set(proto.downstreamNodes),
    headers: proto.headers.map((header, i) => headerTest(header, errors.at('headers').at(i))),
    maxActiveFaults: () => integerAt(runtime, mostFaults, configuredMost),
    countByCluster: !proto.disableDownstreamClusterStats,
    metadata: proto.filterMetadata ?? {},
  };
}

/** Where runtime may replace a value: for all requests, or for those that say which cluster they come from. */
interface RuntimeKey {
  readonly runtime: RuntimeSource;
  readonly all: string;
  /** Of a cluster it is `fault.http.CLUSTER.NAME`. */
  readonly name: string;
}

const textOf = ({ all, name }: RuntimeKey, cluster: string) => (cluster === '' ? all : `fault.http.${cluster}.${name}`);

function numberOf(key: RuntimeKey, cluster: string, otherwise: number): number {
  return integerAt(key.runtime, textOf(key, cluster), otherwise);
}

/** Not set means none here, unlike elsewhere. */
const shareOf = (percentage: FractionalPercent | undefined) => (percentage === undefined ? 0 : fraction(percentage));

const fixed = (percentage: FractionalPercent | undefined, key: RuntimeKey) => {
  const share = shareOf(percentage);
  return (_headers: Headers, cluster: string) => shareAt(key.runtime, textOf(key, cluster), share);
};

/** A request may ask for a smaller share than is configured, in the configured unit. */
const byHeader = (name: string, percentage: FractionalPercent | undefined, key: RuntimeKey) => {
  const most = shareOf(percentage);
  return (headers: Headers, cluster: string) => {
    const asked = naturalNumber(headers.get(name));
    const less = percentage !== undefined && asked !== undefined && asked < percentage.numerator;
    const share = less ? (most * asked) / percentage.numerator : most;
    return shareAt(key.runtime, textOf(key, cluster), share);
  };
};

function naturalNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^[ \t]*\+?\d{1,10}[ \t]*$/.test(text) ? Number(text) : undefined;
}

function delayFault(
  proto: NonNullable<HTTPFault['delay']>,
  keys: { readonly percent: RuntimeKey; readonly ms: RuntimeKey },
  errors: ConfigErrors,
): Fault<number> {
  const { faultDelaySecifier: specifier, percentage } = proto;
  if (specifier.case === 'headerDelay') {
    return {
      share: byHeader('x-envoy-fault-delay-request-percentage', percentage, keys.percent),
      value: (headers) => naturalNumber(headers.get('x-envoy-fault-delay-request')),
    };
  }
  if (specifier.case === undefined) errors.add('', 'fixed_delay or header_delay is needed');
  const ms = Math.floor(durationMs(specifier.value, 0));
  if (specifier.case === 'fixedDelay' && ms <= 0) errors.add('fixed_delay', 'must be more than 0');
  return { share: fixed(percentage, keys.percent), value: (_, cluster) => numberOf(keys.ms, cluster, ms) };
}

function abortFault(
  proto: NonNullable<HTTPFault['abort']>,
  keys: { readonly percent: RuntimeKey; readonly httpStatus: RuntimeKey; readonly grpcStatus: RuntimeKey },
  errors: ConfigErrors,
): Fault<Abort> {
  const { errorType: type, percentage } = proto;
  if (type.case === 'headerAbort') {
    const share = byHeader('x-envoy-fault-abort-request-percentage', percentage, keys.percent);
    return { share, value: abortOfHeaders };
  }
  if (type.case === undefined) errors.add('', 'http_status, grpc_status or header_abort is needed');
  if (type.case === 'httpStatus' && (type.value < 200 || type.value > 599)) {
    errors.add('http_status', 'must be between 200 and 599');
  }
  const share = fixed(percentage, keys.percent);
  const configured = type.value ?? 200;
  if (type.case === 'grpcStatus') {
    return { share, value: (_, c) => ({ status: 200, grpcStatus: numberOf(keys.grpcStatus, c, configured) }) };
  }
  return { share, value: (_, c) => ({ status: numberOf(keys.httpStatus, c, configured), grpcStatus: undefined }) };
}

function abortOfHeaders(headers: Headers): Abort | undefined {
  const status = naturalNumber(headers.get('x-envoy-fault-abort-request'));
  if (status !== undefined && status >= 200 && status < 600) return { status, grpcStatus: undefined };
  const grpcStatus = naturalNumber(headers.get('x-envoy-fault-abort-grpc-request'));
  return grpcStatus === undefined ? undefined : { status: 200, grpcStatus };
}

function rateLimitFault(
  proto: NonNullable<HTTPFault['responseRateLimit']>,
  percent: RuntimeKey,
  errors: ConfigErrors,
): Fault<number> {
  const { limitType: type, percentage } = proto;
  if (type.case === 'headerLimit') {
    return {
      share: byHeader('x-envoy-fault-throughput-response-percentage', percentage, percent),
      value: (headers) => naturalNumber(headers.get('x-envoy-fault-throughput-response')) || undefined,
    };
  }
  const kbps = Number(type.value?.limitKbps ?? 0n);
  if (kbps < 1) errors.add(type.case === undefined ? '' : 'fixed_limit.limit_kbps', 'must be at least 1');
  return { share: fixed(percentage, percent), value: () => kbps };
}
