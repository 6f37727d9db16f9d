import { Headers } from '../headers.ts';
import { type OutgoingStream, ResetReason, type StreamHandler } from '../http.ts';
import { DEFAULT_MAX_MESSAGE_SIZE, encodeMessage, MessageDecoder } from './framing.ts';
import { encodeMessageText } from './status.ts';
import { parseTimeout } from './timeout.ts';
import { GrpcCode, type GrpcStatus } from './transport.ts';

/** The server's side of one call. After `end`, or after the handler has heard `onCancel`, nothing can be sent. */
export interface GrpcServerCall {
  readonly path: string;
  /** The request's headers. */
  readonly metadata: Headers;
  /** Milliseconds that the client gives the call, or undefined; to hold to it is the method's job. */
  readonly timeout: number | undefined;
  /** Sends the response's headers; they go by themselves with the first message. */
  sendMetadata(metadata: readonly (readonly [string, string])[]): void;
  send(message: Uint8Array): void;
  end(status: GrpcStatus, trailers?: readonly (readonly [string, string])[]): void;
  /** Stops (true) or resumes the flow of messages; calls nest. */
  pauseReading(pause: boolean): void;
  /** Octets that were sent and have not left. */
  readonly bufferedBytes: number;
}

/** Receives what a client sends in one call. */
export interface GrpcServerCallHandler {
  onMessage(message: Uint8Array): void;
  /** The client has sent its last message. */
  onHalfClose(): void;
  /** The client gave up, or the connection ended. Comes at most once and last, and not after `end`. */
  onCancel(): void;
  onWriteBackpressure?(high: boolean): void;
}

export type GrpcMethod = (call: GrpcServerCall) => GrpcServerCallHandler;

/** A method with one request and one response. `respond` is to be called once, with the response or what went wrong. */
export function unary(
  method: (request: Uint8Array, call: GrpcServerCall, respond: (result: Uint8Array | GrpcStatus) => void) => void,
): GrpcMethod {
  return (call) => {
    let request: Uint8Array | undefined;
    const respond = (result: Uint8Array | GrpcStatus) => {
      if (!(result instanceof Uint8Array)) {
        call.end(result);
        return;
      }
      call.send(result);
      call.end(OK);
    };
    return {
      onMessage(message) {
        if (request === undefined) request = message;
        else call.end({ code: GrpcCode.Internal, message: 'more than one request message' });
      },
      onHalfClose() {
        if (request === undefined) call.end({ code: GrpcCode.Internal, message: 'no request message' });
        else method(request, call, respond);
      },
      onCancel() {},
    };
  };
}

export const OK: GrpcStatus = { code: GrpcCode.Ok, message: '' };

/**
 * Dispatches the streams of {@link ServerCodec}s to methods by their path. Its `newStream` is a ServerCallbacks', so that
 * a server needs nothing else but sockets.
 */
export class GrpcServer {
  readonly #methods: ReadonlyMap<string, GrpcMethod>;
  readonly #maxMessageSize: number;

  /** `methods` by `/package.Service/Method`; `maxMessageSize` in octets, of requests. */
  constructor(methods: ReadonlyMap<string, GrpcMethod>, maxMessageSize: number = DEFAULT_MAX_MESSAGE_SIZE) {
    this.#methods = methods;
    this.#maxMessageSize = maxMessageSize;
  }

  newStream(stream: OutgoingStream): StreamHandler {
    return new ServerCall(stream, this.#methods, this.#maxMessageSize);
  }
}

const NO_HEADERS = new Headers();

class ServerCall implements GrpcServerCall, StreamHandler {
  readonly #stream: OutgoingStream;
  readonly #methods: ReadonlyMap<string, GrpcMethod>;
  readonly #decoder: MessageDecoder;
  #handler: GrpcServerCallHandler | undefined = undefined;
  #headersSent = false;
  #over = false;
  metadata = NO_HEADERS;
  timeout: number | undefined = undefined;

  constructor(stream: OutgoingStream, methods: ReadonlyMap<string, GrpcMethod>, maxMessageSize: number) {
    this.#stream = stream;
    this.#methods = methods;
    this.#decoder = new MessageDecoder(maxMessageSize);
  }

  get path(): string {
    return this.metadata.path;
  }

  get bufferedBytes(): number {
    return this.#stream.bufferedBytes;
  }

  pauseReading(pause: boolean): void {
    this.#stream.pauseReading(pause);
  }

  sendMetadata(metadata: readonly (readonly [string, string])[]): void {
    if (this.#over || this.#headersSent) return;
    this.#headersSent = true;
    this.#stream.sendHeaders(responseHeaders(metadata), false);
  }

  send(message: Uint8Array): void {
    if (this.#over) return;
    this.sendMetadata([]);
    this.#stream.sendData(encodeMessage(message), false);
  }

  end(status: GrpcStatus, trailers: readonly (readonly [string, string])[] = []): void {
    if (this.#over) return;
    this.#over = true;
    const last = this.#headersSent ? new Headers() : responseHeaders([]);
    last.add('grpc-status', String(status.code));
    if (status.message !== '') last.add('grpc-message', encodeMessageText(status.message));
    for (const [name, value] of trailers) last.add(name.toLowerCase(), value);
    if (this.#headersSent) this.#stream.sendTrailers(last);
    else this.#stream.sendHeaders(last, true);
  }

  #refuse(status: number): void {
    this.#over = true;
    this.#stream.sendHeaders(Headers.response(status), true);
  }

  onHeaders(headers: Headers, end: boolean): void {
    this.metadata = headers;
    if (headers.method !== 'POST') {
      this.#refuse(405);
      return;
    }
    if (!/^application\/grpc([;+]|$)/i.test(headers.get('content-type') ?? '')) {
      this.#refuse(415);
      return;
    }
    const timeout = headers.get('grpc-timeout');
    if (timeout !== undefined) this.timeout = parseTimeout(timeout);
    if (timeout !== undefined && this.timeout === undefined) {
      this.end({ code: GrpcCode.Internal, message: `malformed grpc-timeout ${timeout}` });
      return;
    }
    const method = this.#methods.get(headers.path);
    if (method === undefined) {
      this.end({ code: GrpcCode.Unimplemented, message: `there is no method ${headers.path}` });
      return;
    }
    this.#handler = method(this);
    if (end) this.#halfClose();
  }

  onData(chunk: Uint8Array, end: boolean): void {
    if (this.#over) return;
    const problem = this.#decoder.receive(chunk, (message) => {
      this.#handler?.onMessage(message);
      return !this.#over;
    });
    if (problem !== undefined) {
      this.#cancelled();
      const trailers = problem.code === GrpcCode.Unimplemented ? ([['grpc-accept-encoding', 'identity']] as const) : [];
      this.end(problem, trailers);
    } else if (end) {
      this.#halfClose();
    }
  }

  #halfClose(): void {
    if (this.#over) return;
    if (this.#decoder.complete) {
      this.#handler?.onHalfClose();
      return;
    }
    this.#cancelled();
    this.end({ code: GrpcCode.Internal, message: 'the request ended within a message' });
  }

  #cancelled(): void {
    const handler = this.#handler;
    this.#handler = undefined;
    handler?.onCancel();
  }

  onTrailers(): void {
    this.#halfClose();
  }

  onReset(): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancelled();
  }

  onError(): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancelled();
    this.#stream.reset(ResetReason.ProtocolError);
  }

  onWriteBackpressure(high: boolean): void {
    this.#handler?.onWriteBackpressure?.(high);
  }
}

function responseHeaders(metadata: readonly (readonly [string, string])[]): Headers {
  const headers = Headers.response(200, 'content-type', 'application/grpc');
  for (const [name, value] of metadata) headers.add(name.toLowerCase(), value);
  return headers;
}
