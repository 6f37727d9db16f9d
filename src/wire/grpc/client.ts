import { Headers } from '../headers.ts';
import { type MessageError, type OutgoingStream, ResetReason, type StreamHandler } from '../http.ts';
import { DEFAULT_MAX_MESSAGE_SIZE, encodeMessage, MessageDecoder } from './framing.ts';
import { statusOf, statusOfHttp, statusOfReset } from './status.ts';
import { formatTimeout } from './timeout.ts';
import { type GrpcCall, type GrpcCallHandler, GrpcCode, type GrpcStatus } from './transport.ts';

/** What a call asks for. */
export interface GrpcRequest {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  readonly metadata: readonly (readonly [string, string])[];
  /** Tells the server how long the call may take, in milliseconds; to hold it to that is the transport's job. */
  readonly timeout?: number;
  readonly userAgent?: string;
  /** Octets of the longest message that is taken; gRPC's default is 4 MiB. */
  readonly maxMessageSize?: number;
}

const EMPTY = new Uint8Array(0);

/**
 * One gRPC call on one HTTP/2 stream. It can be written to before there is a stream: the transport calls
 * {@link start} when it has one, or {@link fail} if it gets none.
 */
export class GrpcClientCall implements GrpcCall, StreamHandler {
  readonly #request: GrpcRequest;
  readonly #handler: GrpcCallHandler;
  readonly #decoder: MessageDecoder;
  #stream: OutgoingStream | undefined = undefined;
  /** Messages that wait for a stream. */
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #halfClosed = false;
  #over = false;
  #headersSeen = false;

  constructor(request: GrpcRequest, handler: GrpcCallHandler) {
    this.#request = request;
    this.#handler = handler;
    this.#decoder = new MessageDecoder(request.maxMessageSize ?? DEFAULT_MAX_MESSAGE_SIZE);
  }

  /** The call has ended, or was cancelled. */
  get over(): boolean {
    return this.#over;
  }

  get bufferedBytes(): number {
    return this.#queuedBytes + (this.#stream?.bufferedBytes ?? 0);
  }

  /** Opens the stream and sends the headers and what has been waiting. */
  start(open: (handler: StreamHandler) => OutgoingStream): void {
    if (this.#over || this.#stream !== undefined) return;
    const stream = open(this);
    this.#stream = stream;
    stream.sendHeaders(this.#headers(), false);
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const message of queue) stream.sendData(message, false);
    if (this.#halfClosed) stream.sendData(EMPTY, true);
  }

  #headers(): Headers {
    const { path, authority, scheme, metadata, timeout, userAgent } = this.#request;
    const headers = Headers.request('POST', path, authority, 'te', 'trailers', 'content-type', 'application/grpc');
    headers.scheme = scheme;
    headers.add('grpc-accept-encoding', 'identity');
    if (timeout !== undefined) headers.add('grpc-timeout', formatTimeout(timeout));
    if (userAgent !== undefined) headers.add('user-agent', userAgent);
    for (const [name, value] of metadata) headers.add(name.toLowerCase(), value);
    return headers;
  }

  send(message: Uint8Array): void {
    if (this.#over || this.#halfClosed) return;
    const bytes = encodeMessage(message);
    if (this.#stream !== undefined) {
      this.#stream.sendData(bytes, false);
    } else {
      this.#queue.push(bytes);
      this.#queuedBytes += bytes.length;
    }
  }

  end(): void {
    if (this.#over || this.#halfClosed) return;
    this.#halfClosed = true;
    this.#stream?.sendData(EMPTY, true);
  }

  cancel(): void {
    if (this.#over) return;
    this.#close();
    this.#stream?.reset(ResetReason.LocalReset);
  }

  /** Ends the call from this side with a status: no connection, deadline exceeded. */
  fail(status: GrpcStatus): void {
    if (this.#over) return;
    this.#close();
    this.#stream?.reset(ResetReason.LocalReset);
    this.#handler.onEnd(status, undefined);
  }

  #close(): void {
    this.#over = true;
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  #end(status: GrpcStatus, trailers: Headers | undefined): void {
    if (this.#over) return;
    this.#close();
    this.#handler.onEnd(status, trailers);
  }

  onHeaders(headers: Headers, end: boolean): void {
    if (this.#over) return;
    const status = statusOf(headers);
    if (end) {
      this.#end(status ?? missingStatus(headers), headers);
      return;
    }
    if (headers.status !== 200 || !isGrpc(headers)) {
      this.fail(status ?? missingStatus(headers));
      return;
    }
    this.#headersSeen = true;
    this.#handler.onHeaders?.(headers);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    if (this.#over || !this.#headersSeen) return;
    const problem = this.#decoder.receive(chunk, (message) => {
      this.#handler.onMessage(message);
      return !this.#over;
    });
    if (problem !== undefined) this.fail(problem);
    else if (end) this.#end({ code: GrpcCode.Unknown, message: 'the response ended without a status' }, undefined);
  }

  onTrailers(trailers: Headers): void {
    if (this.#over) return;
    const status = statusOf(trailers) ?? { code: GrpcCode.Unknown, message: 'trailers without grpc-status' };
    const cut = status.code === GrpcCode.Ok && !this.#decoder.complete;
    this.#end(cut ? { code: GrpcCode.Internal, message: 'the response ended within a message' } : status, trailers);
  }

  onReset(reason: ResetReason, details: string): void {
    this.#end(statusOfReset(reason, details), undefined);
  }

  onError(error: MessageError): void {
    this.#end({ code: GrpcCode.Internal, message: error.details }, undefined);
  }

  onWriteBackpressure(): void {
    // Who sends much looks at bufferedBytes.
  }
}

function isGrpc(headers: Headers): boolean {
  return /^application\/grpc([;+]|$)/i.test(headers.get('content-type') ?? '');
}

function missingStatus(headers: Headers): GrpcStatus {
  if (headers.status !== 200) return statusOfHttp(headers.status);
  if (isGrpc(headers)) return { code: GrpcCode.Unknown, message: 'the response ended without a status' };
  return { code: GrpcCode.Unknown, message: `content-type ${headers.get('content-type') ?? ''} is not gRPC` };
}
