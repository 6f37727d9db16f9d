import { encodeMessageText } from '../../wire/grpc/status.ts';
import { Headers } from '../../wire/headers.ts';
import type { LocalReply } from './filter.ts';

/** An answer that was made here, ready to be sent. */
export interface LocalResponse {
  readonly headers: Headers;
  readonly body: Uint8Array | undefined;
}

/** gRPC's mapping from HTTP statuses (grpc/grpc `doc/http-grpc-status-mapping.md`), as Envoy applies it. */
export function grpcStatusOf(status: number): number {
  switch (status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

/** What an answer of our own has to know of the request as the client sent it, whatever filters made of it. */
export interface RequestKind {
  readonly grpc: boolean;
  readonly head: boolean;
}

/** Builds an answer of our own: text with its length, or for a gRPC request a message of trailers only. */
export function localResponse(
  reply: LocalReply,
  body: string,
  contentType: string,
  request: RequestKind,
): LocalResponse {
  if (request.grpc) {
    const headers = Headers.response(200, 'content-type', 'application/grpc');
    headers.add('grpc-status', String(reply.grpcStatus ?? grpcStatusOf(reply.status)));
    if (body !== '') headers.add('grpc-message', encodeMessageText(body));
    reply.edit?.(headers);
    return { headers, body: undefined };
  }
  const headers = Headers.response(reply.status);
  if (body === '') {
    reply.edit?.(headers);
    return { headers, body: undefined };
  }
  const bytes = Buffer.from(body, 'utf8');
  headers.add('content-length', String(bytes.length));
  headers.add('content-type', contentType);
  reply.edit?.(headers);
  return { headers, body: request.head ? undefined : bytes };
}
