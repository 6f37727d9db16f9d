import type { Headers } from '../headers.ts';

/** gRPC status codes (grpc/grpc `doc/statuscodes.md`). */
export const GrpcCode = {
  Ok: 0,
  Cancelled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;
export type GrpcCode = (typeof GrpcCode)[keyof typeof GrpcCode];

export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
}

/** Receives what a server sends in one call. `onEnd` comes exactly once and last, unless the call was cancelled here. */
export interface GrpcCallHandler {
  onHeaders?(headers: Headers): void;
  /** One message, without the length prefix. The bytes are the handler's to keep. */
  onMessage(bytes: Uint8Array): void;
  onEnd(status: GrpcStatus, trailers: Headers | undefined): void;
}

/** The client's side of one call. */
export interface GrpcCall {
  /** Sends one message; what cannot leave yet is queued. */
  send(message: Uint8Array): void;
  /** Half-closes: no more messages. */
  end(): void;
  cancel(): void;
  /** Bytes that were queued and have not left. */
  readonly bufferedBytes: number;
}

/**
 * Opens gRPC calls to one server. There are two: a channel on sockets of its own (agent), and one that goes through a
 * cluster of the proxy, so that ADS, SDS and external services use Envoy's cluster configuration.
 */
export interface GrpcTransport {
  /** `path` is `/package.Service/Method`. A transport that cannot connect ends the call with UNAVAILABLE. */
  call(path: string, metadata: readonly (readonly [string, string])[], handler: GrpcCallHandler): GrpcCall;
}
