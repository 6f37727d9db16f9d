import { GrpcCode } from '../../../wire/grpc/transport.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { Host } from '../../cluster/host.ts';

/** HTTP statuses of gRPC's, as Envoy translates them to judge a host by. */
const HTTP_STATUS: Readonly<Record<number, number>> = {
  [GrpcCode.Ok]: 200,
  [GrpcCode.Cancelled]: 499,
  [GrpcCode.InvalidArgument]: 400,
  [GrpcCode.DeadlineExceeded]: 504,
  [GrpcCode.NotFound]: 404,
  [GrpcCode.AlreadyExists]: 409,
  [GrpcCode.PermissionDenied]: 403,
  [GrpcCode.ResourceExhausted]: 429,
  [GrpcCode.FailedPrecondition]: 400,
  [GrpcCode.Aborted]: 409,
  [GrpcCode.OutOfRange]: 400,
  [GrpcCode.Unimplemented]: 501,
  [GrpcCode.Unavailable]: 503,
  [GrpcCode.Unauthenticated]: 401,
};

function statusOfGrpc(headers: Headers): number | undefined {
  const text = headers.get('grpc-status');
  return text === undefined ? undefined : (HTTP_STATUS[Number(text)] ?? 500);
}

/**
 * Tells outlier detection, health checking and the counters of a host what the headers of its answer say. Returns
 * whether the trailers will tell the rest: how a gRPC call ended stands at its end.
 */
export function noteAnswer(host: Host, headers: Headers, grpc: boolean, end: boolean): boolean {
  const { status } = headers;
  const grpcStatus = grpc ? statusOfGrpc(headers) : undefined;
  host.outcomes?.httpResponse(grpcStatus ?? status);
  if (headers.has('x-envoy-immediate-health-check-fail')) host.check?.failedImmediately();
  if (status < 500 && grpc && !end) return true;
  const failed = status >= 500 || (grpc && (grpcStatus === undefined || grpcStatus >= 500));
  if (failed) host.stats.rq_error++;
  else host.stats.rq_success++;
  return false;
}

/** The end of a gRPC call of which the headers did not say how it went. */
export function noteEnd(host: Host, trailers: Headers | undefined): void {
  const status = trailers && statusOfGrpc(trailers);
  if (status === undefined || status >= 500) host.stats.rq_error++;
  else host.stats.rq_success++;
}
