import type { Headers } from '../headers.ts';
import { ResetReason } from '../http.ts';
import { GrpcCode, type GrpcStatus } from './transport.ts';

/** The status in trailers, or in the headers of a response that has nothing else; undefined if there is none. */
export function statusOf(headers: Headers): GrpcStatus | undefined {
  const text = headers.get('grpc-status');
  if (text === undefined) return undefined;
  const message = decodeMessage(headers.get('grpc-message') ?? '');
  if (!/^\d{1,3}$/.test(text)) return { code: GrpcCode.Unknown, message: `grpc-status is ${text}: ${message}` };
  const code = Number(text);
  return { code: code > GrpcCode.Unauthenticated ? GrpcCode.Unknown : code, message };
}

/** The status of a response that is no gRPC, from its HTTP status (grpc/grpc `doc/http-grpc-status-mapping.md`). */
export function statusOfHttp(status: number): GrpcStatus {
  return { code: codeOfHttp(status), message: `HTTP status ${status} instead of a gRPC response` };
}

function codeOfHttp(status: number): GrpcCode {
  switch (status) {
    case 400:
      return GrpcCode.Internal;
    case 401:
      return GrpcCode.Unauthenticated;
    case 403:
      return GrpcCode.PermissionDenied;
    case 404:
      return GrpcCode.Unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return GrpcCode.Unavailable;
    default:
      return GrpcCode.Unknown;
  }
}

/** The status of a call whose stream ended before its time. */
export function statusOfReset(reason: ResetReason, details: string): GrpcStatus {
  return { code: codeOfReset(reason), message: details === '' ? reason : `${reason}: ${details}` };
}

function codeOfReset(reason: ResetReason): GrpcCode {
  switch (reason) {
    case ResetReason.RemoteRefused:
    case ResetReason.ConnectionTermination:
    case ResetReason.ConnectionFailure:
    case ResetReason.LocalConnectionFailure:
      return GrpcCode.Unavailable;
    case ResetReason.Overflow:
      return GrpcCode.ResourceExhausted;
    case ResetReason.LocalReset:
      return GrpcCode.Cancelled;
    default:
      return GrpcCode.Internal;
  }
}

/** `grpc-message` -> text: percent-encoded UTF-8. What is not properly encoded stays as it is. */
export function decodeMessage(value: string): string {
  if (!value.includes('%')) return value;
  const bytes: number[] = [];
  for (let i = 0; i < value.length; i++) {
    const hex = value[i] === '%' ? value.slice(i + 1, i + 3) : '';
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      i += 2;
    } else {
      bytes.push(value.charCodeAt(i));
    }
  }
  return Buffer.from(bytes).toString('utf8');
}

/** Text -> `grpc-message`: printable ASCII but the percent sign stays as it is. */
export function encodeMessageText(text: string): string {
  if (/^[ -$&-~]*$/.test(text)) return text;
  let value = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    value += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return value;
}
