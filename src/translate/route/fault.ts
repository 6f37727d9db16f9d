import type { MessageInitShape } from '@bufbuild/protobuf';
import type { HTTPFaultSchema } from '../../api/gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts';
import type { HttpFault } from '../../config/kinds/virtual-service/schema.ts';
import { duration } from '../proto/values.ts';
import { fraction, wholeFraction } from './percent.ts';

type FaultInit = MessageInitShape<typeof HTTPFaultSchema>;

/** Names of gRPC's status codes. */
const GRPC_STATUS: Readonly<Record<string, number>> = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
};

/** Faults to inject, none of them where there is nothing that Envoy can do. Without a percentage an abort or delay never happens. */
export function faultOf({ delay, abort }: HttpFault): FaultInit {
  const delayed =
    delay?.fixedDelay === undefined
      ? undefined
      : {
          percentage: delay.percentage ? fraction(delay.percentage.value ?? 0) : wholeFraction(delay.percent ?? 0),
          faultDelaySecifier: { case: 'fixedDelay' as const, value: duration(delay.fixedDelay) },
        };
  const errorType =
    abort?.httpStatus !== undefined
      ? { case: 'httpStatus' as const, value: abort.httpStatus }
      : abort?.grpcStatus !== undefined
        ? { case: 'grpcStatus' as const, value: GRPC_STATUS[abort.grpcStatus] ?? 0 }
        : undefined;
  const percentage = abort?.percentage && { percentage: fraction(abort.percentage.value ?? 0) };
  return {
    ...(delayed === undefined ? {} : { delay: delayed }),
    ...(errorType === undefined ? {} : { abort: { ...percentage, errorType } }),
  };
}
