import { Headers } from '../headers.ts';
import {
  type ClientCallbacks,
  type ClientCodec,
  type MessageError,
  type OutgoingStream,
  type Output,
  ResetReason,
  type StreamHandler,
} from '../http.ts';
import { DEFAULT_OPTIONS, Framing, type Http1Options, parseResponseHead } from './head.ts';
import { BodyKind, MessageReader, type ReaderSink } from './reader.ts';
import { BodyWriter, Delimiting, headerLines, spelled } from './writer.ts';

const LENGTH_AND_CHUNKED: MessageError = { status: 502, details: 'http1.content_length_and_chunked_not_allowed' };
const UNEXPECTED_UPGRADE: MessageError = { status: 502, details: 'http1.unexpected_switching_protocols' };
/** A server that sends nothing but interim responses would hold the exchange open for ever. */
const MAX_INFORMATIONAL = 32;
const TOO_MANY_INFORMATIONAL: MessageError = { status: 502, details: 'http1.too_many_interim_responses' };

/** The client's end of an HTTP/1 connection. */
export class Http1ClientCodec implements ClientCodec, OutgoingStream, ReaderSink {
  readonly #output: Output;
  readonly #callbacks: ClientCallbacks;
  readonly #options: Http1Options;
  readonly #reader: MessageReader;
  readonly #writer: BodyWriter;
  readonly #framing = new Framing();
  #handler: StreamHandler | undefined = undefined;
  #headers: Headers | undefined = undefined;
  #method = '';
  #upgrade = false;
  #requestComplete = false;
  #responseComplete = false;
  #informational = 0;
  #reusable = true;
  #drainTold = false;
  #receiving = false;
  #exchangeOver = false;
  #pauses = 0;
  #wantedPause = false;
  bodyLength = 0;

  constructor(output: Output, callbacks: ClientCallbacks, options: Http1Options = DEFAULT_OPTIONS) {
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
    return this.#handler === undefined ? 0 : 1;
  }

  get canOpen(): boolean {
    return this.#handler === undefined && this.#reusable && !this.#exchangeOver;
  }

  get wantsPause(): boolean {
    return this.#pauses > 0;
  }

  get bufferedBytes(): number {
    return 0;
  }

  newStream(handler: StreamHandler): OutgoingStream {
    if (!this.canOpen) throw new Error('HTTP/1 connection is busy or used up');
    this.#handler = handler;
    this.#requestComplete = false;
    this.#responseComplete = false;
    this.#informational = 0;
    this.#reader.next();
    return this;
  }

  receive(bytes: Buffer, start: number, end: number): void {
    if (this.#handler === undefined) {
      // Nobody asked: what comes between exchanges cannot be told from an answer to the next one.
      if (!this.#reader.dead) this.#connectionError('http1.unsolicited_response');
      return;
    }
    this.#receiving = true;
    this.#reader.receive(bytes, start, end);
    this.#receiving = false;
    if (this.#exchangeOver) this.#offerAgain();
  }

  receiveEnd(): void {
    this.#reusable = false;
    if (!this.#reader.receiveEnd() || this.#handler !== undefined) {
      this.connectionClosed(ResetReason.ConnectionTermination, '');
    }
    this.#drained();
  }

  connectionClosed(reason: ResetReason, details: string): void {
    this.#reusable = false;
    const handler = this.#handler;
    this.#endStream();
    this.#reader.kill();
    handler?.onReset(reason, details);
  }

  outputBackpressure(high: boolean): void {
    this.#handler?.onWriteBackpressure(high);
  }

  #connectionError(details: string): void {
    this.#reusable = false;
    this.#reader.kill();
    this.#callbacks.onConnectionError(details);
  }

  #notePause(): void {
    const now = this.wantsPause;
    if (now === this.#wantedPause) return;
    this.#wantedPause = now;
    this.#callbacks.onWantsPause?.();
  }

  head(text: string): MessageError | undefined {
    const headers = new Headers();
    this.#headers = headers;
    const error = parseResponseHead(text, headers, this.#framing, this.#options);
    if (error !== undefined) return error;
    const { status } = headers;
    if (status === 101 && !this.#upgrade) return UNEXPECTED_UPGRADE;
    if (status < 200 && status !== 101) {
      return ++this.#informational > MAX_INFORMATIONAL ? TOO_MANY_INFORMATIONAL : undefined;
    }
    if (this.#framing.chunked && this.#framing.contentLength >= 0) return LENGTH_AND_CHUNKED;
    return undefined;
  }

  beginBody(): BodyKind {
    const headers = this.#headers!;
    const handler = this.#handler!;
    const framing = this.#framing;
    const { status } = headers;
    if (status < 200 && status !== 101) {
      handler.onInformational?.(headers);
      return BodyKind.None;
    }
    if (framing.minor === 0 ? !framing.keepAlive : framing.close) this.#reusable = false;
    const kind = this.#bodyKind(status);
    if (kind === BodyKind.Fixed) this.bodyLength = framing.contentLength;
    if (kind === BodyKind.UntilClose || kind === BodyKind.Raw) this.#reusable = false;
    if (kind === BodyKind.None) this.#responseComplete = true;
    handler.onHeaders(headers, kind === BodyKind.None);
    return kind;
  }

  #bodyKind(status: number): BodyKind {
    const framing = this.#framing;
    if (status === 101 || (this.#method === 'CONNECT' && status < 300)) return BodyKind.Raw;
    if (this.#method === 'HEAD' || status === 204 || status === 304) return BodyKind.None;
    if (framing.chunked) return BodyKind.Chunked;
    if (framing.contentLength >= 0) return framing.contentLength === 0 ? BodyKind.None : BodyKind.Fixed;
    return BodyKind.UntilClose;
  }

  data(chunk: Uint8Array, end: boolean): void {
    if (end) this.#responseComplete = true;
    this.#handler?.onData(chunk, end);
  }

  trailers(trailers: Headers): void {
    this.#responseComplete = true;
    this.#handler?.onTrailers(trailers);
  }

  complete(): void {
    if (!this.#responseComplete) {
      // That was an interim response; the real one follows.
      this.#reader.next();
      return;
    }
    if (this.#handler === undefined) return;
    // An answer before the end of the request: what is left of the request cannot be taken back.
    if (!this.#requestComplete) this.#reusable = false;
    this.#endStream();
    this.#exchangeOver = true;
    // Until all that has come is read it is not known whether there is more than was asked for.
    if (!this.#receiving) this.#offerAgain();
  }

  #offerAgain(): void {
    this.#exchangeOver = false;
    // Bytes behind an answer would be taken for the answer to whoever comes next.
    if (this.#reader.hasRest) this.#connectionError('http1.unsolicited_response');
    else if (this.#reusable) this.#callbacks.onStreamAvailable();
    else this.#drained();
  }

  #drained(): void {
    this.#reusable = false;
    if (this.#drainTold) return;
    this.#drainTold = true;
    this.#callbacks.onDrain();
  }

  fail(error: MessageError): void {
    const handler = this.#handler;
    this.#endStream();
    this.#reusable = false;
    handler?.onError(error);
    this.#callbacks.onConnectionError(error.details);
  }

  sendInformational(): void {
    throw new Error('clients send no interim responses');
  }

  sendHeaders(headers: Headers, end: boolean): void {
    if (this.#handler === undefined) return;
    const { method } = headers;
    const { properCase } = this.#options;
    this.#method = method;
    this.#upgrade = method === 'CONNECT' || headers.has('upgrade');
    const target = method === 'CONNECT' ? headers.authority : headers.path;
    const host = spelled('host', headers, properCase);
    let text = method + ' ' + target + ' HTTP/1.1\r\n' + host + ': ' + headers.authority + '\r\n';
    text += headerLines(headers, properCase);
    if (this.#upgrade) this.#writer.start(Delimiting.Raw);
    else if (headers.has('content-length')) this.#writer.start(Delimiting.Length);
    else if (end) {
      this.#writer.start(Delimiting.None);
      if (anticipatesBody(method)) text += spelled('content-length', headers, properCase) + ': 0\r\n';
    } else {
      this.#writer.start(Delimiting.Chunked);
      text += spelled('transfer-encoding', headers, properCase) + ': chunked\r\n';
    }
    this.#output.writeLatin1(text + '\r\n');
    if (end) this.#requestComplete = true;
  }

  sendData(chunk: Uint8Array, end: boolean): void {
    if (this.#handler === undefined) return;
    this.#writer.write(chunk, end);
    if (end) this.#requestComplete = true;
  }

  sendTrailers(trailers: Headers): void {
    if (this.#handler === undefined) return;
    this.#writer.trailers(this.#options.enableTrailers ? headerLines(trailers, false) : '');
    this.#requestComplete = true;
  }

  reset(_reason: ResetReason): void {
    if (this.#handler === undefined) return;
    this.#endStream();
    this.#connectionError('stream reset');
  }

  pauseReading(pause: boolean): void {
    this.#pauses += pause ? 1 : -1;
    this.#notePause();
  }

  #endStream(): void {
    this.#handler = undefined;
    this.#headers = undefined;
    if (this.#pauses !== 0) {
      this.#pauses = 0;
      this.#notePause();
    }
  }
}

/** Methods that mean nothing without content get no `Content-Length: 0` (RFC 9110 section 8.6), as Envoy sees it. */
function anticipatesBody(method: string): boolean {
  return method !== 'GET' && method !== 'HEAD' && method !== 'DELETE' && method !== 'TRACE' && method !== 'CONNECT';
}
