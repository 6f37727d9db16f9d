import type { Headers } from './headers.ts';

/**
 * What HTTP/1 and HTTP/2 have in common: connections that carry streams, each a message in and a message out.
 *
 * Codecs are sans-I/O. Bytes come in through `receive` and leave through an {@link Output}; there are no sockets, no
 * timers and no promises. A codec calls its handlers synchronously from within `receive` and the methods of its
 * streams, and never after `connectionClosed` or the end of a stream.
 *
 * Ownership of bytes: what is passed to `receive` may be overwritten as soon as it returns, so codecs copy what they
 * keep. A chunk of body that a handler gets, or that is passed to `sendData`, is nobody's to write to any more.
 */

/** Where encoded bytes go. Several writes before the end of one event may leave in one piece. */
export interface Output {
  /** The chunk is not written to afterwards. */
  write(chunk: Uint8Array): void;
  /** Each character is one byte. */
  writeLatin1(text: string): void;
}

export const ResetReason = {
  /** We gave the stream up. */
  LocalReset: 'local-reset',
  /** The peer gave the stream up: RST_STREAM. */
  RemoteReset: 'remote-reset',
  /** The peer says that it has not looked at it: RST_STREAM(REFUSED_STREAM), or a GOAWAY with a lower last stream id. */
  RemoteRefused: 'remote-refused',
  /** The connection ended under the stream. */
  ConnectionTermination: 'connection-termination',
  /** No connection could be made. */
  ConnectionFailure: 'connection-failure',
  /** None was even tried: this machine does not have what it is to be made from. */
  LocalConnectionFailure: 'local-connection-failure',
  /** A circuit breaker or a limit of ours. */
  Overflow: 'overflow',
  /** The peer broke the protocol. */
  ProtocolError: 'protocol-error',
} as const;
export type ResetReason = (typeof ResetReason)[keyof typeof ResetReason];

/** Whether there was no connection at all. */
export function isConnectionFailure(reason: ResetReason): boolean {
  return reason === ResetReason.ConnectionFailure || reason === ResetReason.LocalConnectionFailure;
}

/** A message that cannot be taken. `details` is a short stable word for logs, as Envoy's response code details. */
export interface MessageError {
  /** Status to answer a bad request with; for a bad response it is only a hint (502). */
  readonly status: number;
  readonly details: string;
}

/**
 * Receives the message that comes in on one stream. After a call with `end`, `onTrailers` or `onError` nothing more of
 * the message comes; `onWriteBackpressure` and `onReset` still may, until what we send has left. After `onReset` nothing
 * comes at all. An exchange is over when the response is complete, even if the request is not; only a tunnel (CONNECT in
 * HTTP/2) goes on until both directions have ended.
 */
export interface StreamHandler {
  /** Interim response (1xx but 101); clients only. */
  onInformational?(headers: Headers): void;
  onHeaders(headers: Headers, end: boolean): void;
  onData(chunk: Uint8Array, end: boolean): void;
  onTrailers(trailers: Headers): void;
  /** The stream is gone in both directions. */
  onReset(reason: ResetReason, details: string): void;
  /**
   * The message breaks the rules. A server may still answer; the connection takes no further message. `headers` is what
   * there is of a request that can be told by its first line.
   */
  onError(error: MessageError, headers?: Headers): void;
  /** What we send piles up (true: stop producing) or has drained (false). Calls alternate. */
  onWriteBackpressure(high: boolean): void;
}

/** Sends the message that goes out on one stream. */
export interface OutgoingStream {
  /** Interim response (1xx but 101); servers only. */
  sendInformational(headers: Headers): void;
  sendHeaders(headers: Headers, end: boolean): void;
  sendData(chunk: Uint8Array, end: boolean): void;
  /** Ends the message. HTTP/1 sends trailers only in a chunked message and otherwise drops them. */
  sendTrailers(trailers: Headers): void;
  /** Gives the stream up. The handler hears nothing more. */
  reset(reason: ResetReason): void;
  /** Stops (true) or resumes the flow of body from the peer; calls nest, as many resumes as stops are needed. */
  pauseReading(pause: boolean): void;
  /** Servers: the connection is to end with this exchange. HTTP/2 connections do not care about one exchange. */
  endConnection?(): void;
  /** Bytes of body that were accepted by `sendData` and have not been handed to the Output. */
  readonly bufferedBytes: number;
}

/** What all codecs do. */
export interface Codec {
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  /** Takes bytes `start` to `end` of the buffer. */
  receive(bytes: Buffer, start: number, end: number): void;
  /** The peer sends no more. */
  receiveEnd(): void;
  /** The connection is gone: every open stream is reset with the reason. */
  connectionClosed(reason: ResetReason, details: string): void;
  /** What was written to the Output piles up (true) or has drained: the codec tells its streams' handlers. */
  outputBackpressure(high: boolean): void;
  /** True while the codec holds bytes that it cannot process yet, so that its owner should stop reading. */
  readonly wantsPause: boolean;
  /** Streams that are open in either direction. */
  readonly activeStreams: number;
}

export interface ServerCodec extends Codec {
  /**
   * Announces that no further streams will be served: GOAWAY with the highest id in HTTP/2, `Connection: close` on the
   * next response in HTTP/1.
   */
  drain(): void;
  /** Ends the announcement: GOAWAY with the real last stream id. HTTP/1 has nothing to say. */
  goAway(): void;
}

export interface ServerCallbacks {
  /** A request begins: its headers follow at once. */
  newStream(stream: OutgoingStream): StreamHandler;
  /** The connection cannot go on. What is in the Output is still to be sent, then it is to be closed. */
  onConnectionError(details: string): void;
  /** The last exchange is over and the connection must not carry another one: flush and close. */
  onConnectionDone(): void;
  /** `wantsPause` changed. */
  onWantsPause?(): void;
}

export interface ClientCodec extends Codec {
  /** Starts an exchange. Only while `canOpen`. */
  newStream(handler: StreamHandler): OutgoingStream;
  /** Whether another stream may be opened now: one at a time in HTTP/1, the peer's limit in HTTP/2. */
  readonly canOpen: boolean;
}

export interface ClientCallbacks {
  onConnectionError(details: string): void;
  /** The connection can carry nothing new (Connection: close, GOAWAY, ids used up); open streams go on. */
  onDrain(): void;
  /** A stream ended, or the peer's limit changed: `canOpen` may have become true. */
  onStreamAvailable(): void;
  /** `wantsPause` changed. */
  onWantsPause?(): void;
}
