import type { GrpcCode } from '../../wire/grpc/transport.ts';

/** What a call ends with when it fails. The message is sent to the caller. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';
  readonly code: GrpcCode;

  constructor(code: GrpcCode, message: string) {
    super(message);
    this.code = code;
  }
}
