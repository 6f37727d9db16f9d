import { encodeText } from '../../base/bytes.ts';
import { encodeMessageText } from '../../wire/grpc/status.ts';
import type { Headers } from '../../wire/headers.ts';

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

/** What is left of an answer once configuration has had its say. */
export interface MappedReply {
  readonly status: number;
  readonly body: string;
  readonly contentType: string;
  readonly grpcStatus: number | undefined;
  /** Configuration has put another body in the place of the one that was given. */
  readonly rewritten: boolean;
}

/** Completes the headers of an answer of our own: text with its length, or for a gRPC request trailers only. */
export function localResponse(headers: Headers, reply: MappedReply, request: RequestKind): LocalResponse {
  const { status, body } = reply;
  if (request.grpc) {
    headers.status = 200;
    headers.set('content-type', 'application/grpc');
    headers.set('grpc-status', String(reply.grpcStatus ?? grpcStatusOf(status)));
    if (body !== '') headers.set('grpc-message', encodeMessageText(body));
    return { headers, body: undefined };
  }
  headers.status = status;
  if (body === '') {
    headers.remove('content-length');
    headers.remove('content-type');
    return { headers, body: undefined };
  }
  const bytes = encodeText(body);
  headers.set('content-length', String(bytes.length));
  // Whoever answers may know better what its own text is.
  if (reply.rewritten || !headers.has('content-type')) headers.set('content-type', reply.contentType);
  return { headers, body: request.head ? undefined : bytes };
}
