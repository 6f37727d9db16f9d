import { Headers } from '../headers.ts';
import {
  type MessageError,
  type OutgoingStream,
  type Output,
  ResetReason,
  type ServerCallbacks,
  type ServerCodec,
  type StreamHandler,
} from '../http.ts';
import { reasonPhrase } from '../reason-phrases.ts';
import { checkRequestLine, DEFAULT_OPTIONS, Framing, type Http1Options, parseRequestHead } from './head.ts';
import { BodyKind, MessageReader, type ReaderSink } from './reader.ts';
import { BodyWriter, Delimiting, headerLines, spelled } from './writer.ts';

/** An unread request body up to this size is read and dropped after an early answer; a longer one costs the connection. */
const DISCARD_LIMIT = 64 * 1024;

const statusLines: string[] = [];

function statusLine(status: number): string {
  return (statusLines[status] ??= `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n`);
}

const IGNORED: StreamHandler = {
  onHeaders() {},
  onData() {},
  onTrailers() {},
  onReset() {},
  onError() {},
  onWriteBackpressure() {},
};

/** The server's end of an HTTP/1 connection: one exchange after another. */
export class Http1ServerCodec implements ServerCodec, OutgoingStream, ReaderSink {
  readonly #output: Output;
  readonly #callbacks: ServerCallbacks;
  readonly #options: Http1Options;
  readonly #reader: MessageReader;
  readonly #writer: BodyWriter;
  readonly #framing = new Framing();
  #headers: Headers | undefined = undefined;
  #handler: StreamHandler = IGNORED;
  #active = false;
  #requestComplete = false;
  #responseStarted = false;
  #head = false;
  #upgrade = false;
  #closing = false;
  #draining = false;
  #pauses = 0;
  #wantedPause = false;
  bodyLength = 0;

  constructor(output: Output, callbacks: ServerCallbacks, options: Http1Options = DEFAULT_OPTIONS) {
    this.#output = output;
    this.#callbacks = callbacks;
    this.#options = options;
    this.#reader = new MessageReader(this, options);
    this.#writer = new BodyWriter(output);
  }

  get protocol(): 'HTTP/1.0' | 'HTTP/1.1' {
    return this.#framing.minor === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  get activeStreams(): number {
    return this.#active ? 1 : 0;
  }

  get wantsPause(): boolean {
    return this.#pauses > 0 || this.#reader.hasRest;
  }

  /** Nothing of a next request was read: the connection can be closed without losing one. */
  get idle(): boolean {
    return !this.#active && this.#reader.idle;
  }

  get bufferedBytes(): number {
    return 0;
  }

  receive(bytes: Buffer, start: number, end: number): void {
    this.#reader.receive(bytes, start, end);
    // A request begins with its first byte, for its time limits and for whoever accounts for requests.
    if (!this.#active && this.#reader.begun) {
      this.#framing.minor = 1;
      this.#open();
    }
    this.#notePause();
  }

  receiveEnd(): void {
    const whole = (this.#active && this.#upgrade) || this.#reader.receiveEnd();
    if (this.#reader.dead) return;
    if (this.#active) {
      // A client that ends its connection before the answer to a request, or the end of a tunnel, is taken to have left,
      // as Envoy does.
      const handler = this.#handler;
      this.#endStream();
      handler.onReset(ResetReason.ConnectionTermination, whole ? '' : 'peer closed in the middle of a request');
    }
    this.#reader.kill();
    this.#callbacks.onConnectionDone();
  }

  connectionClosed(reason: ResetReason, details: string): void {
    this.#reader.kill();
    if (!this.#active) return;
    const handler = this.#handler;
    this.#endStream();
    handler.onReset(reason, details);
  }

  outputBackpressure(high: boolean): void {
    if (this.#active) this.#handler.onWriteBackpressure(high);
  }

  drain(): void {
    this.#draining = true;
  }

  goAway(): void {
    this.#draining = true;
  }

  #notePause(): void {
    const now = this.wantsPause;
    if (now === this.#wantedPause) return;
    this.#wantedPause = now;
    this.#callbacks.onWantsPause?.();
  }

  startLine(line: string): MessageError | undefined {
    return checkRequestLine(line, this.#options);
  }

  head(text: string): MessageError | undefined {
    const headers = new Headers();
    this.#headers = headers;
    const error = parseRequestHead(text, headers, this.#framing, this.#options);
    if (error === undefined) return undefined;
    // A head that names a request is shown with its error, so that the log has it.
    if (error.details !== 'missing_host_header') this.#headers = undefined;
    return error;
  }

  beginBody(): BodyKind {
    const headers = this.#headers!;
    const framing = this.#framing;
    this.#begin(headers);
    this.#closing = framing.minor === 0 ? !framing.keepAlive : framing.close;
    this.#upgrade = false;
    if (framing.upgrade && headers.has('upgrade')) {
      if (headers.get('upgrade')!.toLowerCase() === 'h2c') removeH2cUpgrade(headers);
      else this.#upgrade = true;
    }
    const raw = this.#upgrade || headers.method === 'CONNECT';
    this.#upgrade = raw;
    let kind: BodyKind = BodyKind.None;
    if (raw) kind = BodyKind.Raw;
    else if (framing.chunked) {
      kind = BodyKind.Chunked;
    } else if (framing.contentLength > 0) {
      kind = BodyKind.Fixed;
      this.bodyLength = framing.contentLength;
    }
    if (kind === BodyKind.None) this.#requestComplete = true;
    this.#handler.onHeaders(headers, kind === BodyKind.None);
    return kind;
  }

  #begin(headers: Headers): void {
    if (!this.#active) this.#open();
    this.#head = headers.method === 'HEAD';
  }

  #open(): void {
    this.#active = true;
    this.#requestComplete = false;
    this.#responseStarted = false;
    this.#head = false;
    this.#handler = this.#callbacks.newStream(this);
  }

  data(chunk: Uint8Array, end: boolean): void {
    if (!this.#active) return;
    if (end) this.#requestComplete = true;
    this.#handler.onData(chunk, end);
  }

  trailers(trailers: Headers): void {
    if (!this.#active) return;
    this.#requestComplete = true;
    this.#handler.onTrailers(trailers);
  }

  complete(): void {
    this.#requestComplete = true;
    if (!this.#active) this.#nextExchange();
  }

  fail(error: MessageError): void {
    this.#closing = true;
    if (!this.#active) {
      this.#framing.minor = 1;
      this.#begin(this.#headers ?? new Headers());
    }
    if (this.#responseStarted) {
      const handler = this.#handler;
      this.#endStream();
      handler.onReset(ResetReason.ProtocolError, error.details);
      this.#callbacks.onConnectionError(error.details);
      return;
    }
    this.#handler.onError(error, this.#headers);
  }

  sendInformational(headers: Headers): void {
    if (!this.#active) return;
    this.#output.writeLatin1(`${statusLine(headers.status)}${headerLines(headers, false)}\r\n`);
  }

  sendHeaders(headers: Headers, end: boolean): void {
    if (!this.#active) return;
    this.#responseStarted = true;
    const status = headers.status;
    const { properCase } = this.#options;
    const line = statusLine(status);
    // As Envoy answers those who speak HTTP/1.0.
    let text = this.#framing.minor === 0 ? `HTTP/1.0${line.slice('HTTP/1.0'.length)}` : line;
    text += headerLines(headers, properCase);
    const bodiless = this.#head || status === 204 || status === 304;
    if (status === 101 || (this.#upgrade && status >= 200 && status < 300)) {
      this.#writer.start(Delimiting.Raw);
      this.#closing = true;
    } else {
      if (this.#upgrade || this.#draining) this.#closing = true;
      if (bodiless) {
        this.#writer.start(Delimiting.None);
        // HEAD is told how the answer to GET would be delimited.
        const isUnknown = this.#head && status !== 204 && status !== 304 && !headers.has('content-length');
        if (isUnknown && this.#framing.minor === 1)
          text += spelled('transfer-encoding', headers, properCase) + ': chunked\r\n';
      } else if (headers.has('content-length')) {
        this.#writer.start(Delimiting.Length);
      } else if (end) {
        this.#writer.start(Delimiting.None);
        text += spelled('content-length', headers, properCase) + ': 0\r\n';
      } else if (this.#framing.minor === 0) {
        this.#writer.start(Delimiting.Close);
        this.#closing = true;
      } else {
        this.#writer.start(Delimiting.Chunked);
        text += spelled('transfer-encoding', headers, properCase) + ': chunked\r\n';
      }
      if (this.#closing) text += spelled('connection', headers, properCase) + ': close\r\n';
      else if (this.#framing.minor === 0) text += spelled('connection', headers, properCase) + ': keep-alive\r\n';
    }
    this.#output.writeLatin1(text + '\r\n');
    if (end) this.#responseDone();
  }

  sendData(chunk: Uint8Array, end: boolean): void {
    if (!this.#active) return;
    this.#writer.write(chunk, end);
    if (end) this.#responseDone();
  }

  sendTrailers(trailers: Headers): void {
    if (!this.#active) return;
    this.#writer.trailers(this.#options.enableTrailers ? headerLines(trailers, false) : '');
    this.#responseDone();
  }

  reset(_reason: ResetReason): void {
    if (!this.#active) return;
    // HTTP/1 has no way to give up one exchange: the connection is the stream.
    this.#endStream();
    this.#reader.kill();
    this.#callbacks.onConnectionError('stream reset');
  }

  endConnection(): void {
    this.#closing = true;
  }

  pauseReading(pause: boolean): void {
    this.#pauses += pause ? 1 : -1;
    this.#notePause();
  }

  #endStream(): void {
    this.#active = false;
    this.#handler = IGNORED;
    this.#headers = undefined;
    this.#pauses = 0;
  }

  #responseDone(): void {
    this.#endStream();
    if (this.#requestComplete) {
      this.#nextExchange();
      return;
    }
    const { contentLength, chunked } = this.#framing;
    const short = !chunked && contentLength >= 0 && contentLength <= DISCARD_LIMIT;
    if (this.#closing || this.#upgrade || !short || this.#reader.dead) {
      this.#reader.kill();
      this.#callbacks.onConnectionDone();
    }
  }

  #nextExchange(): void {
    if (this.#closing || this.#reader.dead) {
      this.#reader.kill();
      this.#callbacks.onConnectionDone();
      return;
    }
    this.#reader.next();
    this.#notePause();
  }
}

/** An offer to speak HTTP/2 is not taken, and does not travel on (RFC 9110 section 7.8 makes it hop-by-hop). */
function removeH2cUpgrade(headers: Headers): void {
  headers.remove('upgrade');
  headers.remove('http2-settings');
  headers.remove('connection');
}
