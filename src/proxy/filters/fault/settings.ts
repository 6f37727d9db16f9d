import type { JsonObject } from '@bufbuild/protobuf';
import type { HTTPFault } from '../../../api/gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts';
import type { FractionalPercent } from '../../../api/gen/envoy/type/v3/percent_pb.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';
import { fraction } from '../../router/fraction.ts';
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
  readonly maxActiveFaults: number;
  readonly countByCluster: boolean;
  /** Dynamic metadata of requests that got a fault. */
  readonly metadata: JsonObject;
}

/** One kind of fault: the share of requests that get it, from 0 to 1, and what they get. */
export interface Fault<T> {
  share(headers: Headers): number;
  /** Undefined if the request does not say. */
  value(headers: Headers): T | undefined;
}

export interface Abort {
  readonly status: number;
  readonly grpcStatus: number | undefined;
}

/** Something was set up that the filter could do. */
export function hasFaults(settings: FaultSettings): boolean {
  return settings.delay !== undefined || settings.abort !== undefined || settings.rateLimit !== undefined;
}

export function faultSettings(proto: HTTPFault, errors: ConfigErrors): FaultSettings {
  const { delay, abort, responseRateLimit } = proto;
  return {
    delay: delay && delayFault(delay, errors.at('delay')),
    abort: abort && abortFault(abort, errors.at('abort')),
    rateLimit: responseRateLimit && rateLimitFault(responseRateLimit, errors.at('response_rate_limit')),
    upstreamCluster: proto.upstreamCluster,
    downstreamNodes: new Set(proto.downstreamNodes),
    headers: proto.headers.map((header, i) => headerTest(header, errors.at('headers').at(i))),
    maxActiveFaults: proto.maxActiveFaults ?? Number.POSITIVE_INFINITY,
    countByCluster: !proto.disableDownstreamClusterStats,
    metadata: proto.filterMetadata ?? {},
  };
}

/** Not set means none here, unlike elsewhere. */
const shareOf = (percentage: FractionalPercent | undefined) => (percentage === undefined ? 0 : fraction(percentage));

const fixed = (percentage: FractionalPercent | undefined) => {
  const share = shareOf(percentage);
  return () => share;
};

/** A request may ask for a smaller share than is configured, in the configured unit. */
const byHeader = (name: string, percentage: FractionalPercent | undefined) => {
  const most = shareOf(percentage);
  return (headers: Headers) => {
    const asked = naturalNumber(headers.get(name));
    if (percentage === undefined || asked === undefined || asked >= percentage.numerator) return most;
    return (most * asked) / percentage.numerator;
  };
};

function naturalNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^[ \t]*\+?\d{1,10}[ \t]*$/.test(text) ? Number(text) : undefined;
}

function delayFault(proto: NonNullable<HTTPFault['delay']>, errors: ConfigErrors): Fault<number> {
  const { faultDelaySecifier: specifier, percentage } = proto;
  if (specifier.case === 'headerDelay') {
    return {
      share: byHeader('x-envoy-fault-delay-request-percentage', percentage),
      value: (headers) => naturalNumber(headers.get('x-envoy-fault-delay-request')),
    };
  }
  if (specifier.case === undefined) errors.add('', 'fixed_delay or header_delay is needed');
  const ms = Math.floor(durationMs(specifier.value, 0));
  if (specifier.case === 'fixedDelay' && ms <= 0) errors.add('fixed_delay', 'must be more than 0');
  return { share: fixed(percentage), value: () => ms };
}

function abortFault(proto: NonNullable<HTTPFault['abort']>, errors: ConfigErrors): Fault<Abort> {
  const { errorType: type, percentage } = proto;
  if (type.case === 'headerAbort') {
    return { share: byHeader('x-envoy-fault-abort-request-percentage', percentage), value: abortOfHeaders };
  }
  if (type.case === undefined) errors.add('', 'http_status, grpc_status or header_abort is needed');
  if (type.case === 'httpStatus' && (type.value < 200 || type.value > 599)) {
    errors.add('http_status', 'must be between 200 and 599');
  }
  const abort: Abort =
    type.case === 'grpcStatus'
      ? { status: 200, grpcStatus: type.value }
      : { status: type.value ?? 200, grpcStatus: undefined };
  return { share: fixed(percentage), value: () => abort };
}

function abortOfHeaders(headers: Headers): Abort | undefined {
  const status = naturalNumber(headers.get('x-envoy-fault-abort-request'));
  if (status !== undefined && status >= 200 && status < 600) return { status, grpcStatus: undefined };
  const grpcStatus = naturalNumber(headers.get('x-envoy-fault-abort-grpc-request'));
  return grpcStatus === undefined ? undefined : { status: 200, grpcStatus };
}

function rateLimitFault(proto: NonNullable<HTTPFault['responseRateLimit']>, errors: ConfigErrors): Fault<number> {
  const { limitType: type, percentage } = proto;
  if (type.case === 'headerLimit') {
    return {
      share: byHeader('x-envoy-fault-throughput-response-percentage', percentage),
      value: (headers) => naturalNumber(headers.get('x-envoy-fault-throughput-response')) || undefined,
    };
  }
  const kbps = Number(type.value?.limitKbps ?? 0n);
  if (kbps < 1) errors.add(type.case === undefined ? '' : 'fixed_limit.limit_kbps', 'must be at least 1');
  return { share: fixed(percentage), value: () => kbps };
}
