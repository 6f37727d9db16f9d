import { create, fromBinary } from '@bufbuild/protobuf';
import { type Status, StatusSchema } from '../../../api/gen/google/rpc/status_pb.ts';
import { decodeMessage } from '../../../wire/grpc/status.ts';
import type { Headers } from '../../../wire/headers.ts';

/** HTTP status of each gRPC status (google/rpc/code.proto); anything else is 500. */
const HTTP: readonly number[] = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/** The HTTP status for a status of gRPC (google/rpc/code.proto); 500 for one that nobody knows. */
export function httpStatusOf(grpcStatus: number): number {
  return HTTP[grpcStatus] ?? 500;
}

/** `grpc-status`, or undefined if there is none that is a number. */
export function grpcStatusIn(headers: Headers): number | undefined {
  const text = headers.get('grpc-status');
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** `grpc-status-details-bin`, or the status and its message where there are no details. */
export function statusMessage(code: number, headers: Headers): Status {
  const details = headers.get('grpc-status-details-bin');
  if (details !== undefined) {
    try {
      return fromBinary(StatusSchema, Buffer.from(details, 'base64'));
    } catch {
      // What cannot be read counts as absent.
    }
  }
  return create(StatusSchema, { code, message: decodeMessage(headers.get('grpc-message') ?? '') });
}

export const STATUS_HEADERS: readonly string[] = ['grpc-status', 'grpc-message', 'grpc-status-details-bin'];
