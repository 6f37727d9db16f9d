import type { Headers } from '../../src/wire/headers.ts';
import type {
  ClientCallbacks,
  MessageError,
  OutgoingStream,
  ResetReason,
  ServerCallbacks,
  StreamHandler,
} from '../../src/wire/http.ts';
import { pairsOf } from './http2-frames.ts';

/** A handler that writes down what it hears, one line a call; data that comes in pieces makes one line. */
export class StreamRecorder implements StreamHandler {
  readonly #events: string[];
  readonly name: string;
  stream!: OutgoingStream;
  /** What else is to happen when the headers come, or data does. */
  whenHeaders: ((headers: Headers, end: boolean) => void) | undefined;
  whenData: ((chunk: Uint8Array, end: boolean) => void) | undefined;
  body = Buffer.alloc(0);

  constructor(events: string[], name: string) {
    this.#events = events;
    this.name = name;
  }

  #say(text: string): void {
    this.#events.push(`${this.name} ${text}`);
  }

  onInformational(headers: Headers): void {
    this.#say(`interim ${pairsOf(headers)}`);
  }

  onHeaders(headers: Headers, end: boolean): void {
    this.#say(`headers ${pairsOf(headers)}${end ? ' end' : ''}`);
    this.whenHeaders?.(headers, end);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    this.body = Buffer.concat([this.body, chunk]);
    const last = this.#events.length - 1;
    const prefix = `${this.name} data `;
    const text = Buffer.from(chunk).toString('latin1') + (end ? ' end' : '');
    if (this.#events[last]?.startsWith(prefix)) this.#events[last] += text;
    else this.#events.push(prefix + text);
    this.whenData?.(chunk, end);
  }

  onTrailers(trailers: Headers): void {
    this.#say(`trailers ${pairsOf(trailers)}`);
  }

  onReset(reason: ResetReason, details: string): void {
    this.#say(`reset ${reason} ${details}`);
  }

  onError(error: MessageError): void {
    this.#say(`error ${error.status} ${error.details}`);
  }

  onWriteBackpressure(high: boolean): void {
    this.#say(high ? 'stop' : 'go on');
  }
}

/** What the owner of a server codec hears, and a recorder for each stream. */
export class ServerRecorder implements ServerCallbacks {
  readonly events: string[] = [];
  readonly streams: StreamRecorder[] = [];
  /** Called with each new stream before its headers. */
  whenStream: ((recorder: StreamRecorder) => void) | undefined;

  newStream(stream: OutgoingStream): StreamHandler {
    const recorder = new StreamRecorder(this.events, String(this.streams.length + 1));
    recorder.stream = stream;
    this.streams.push(recorder);
    this.whenStream?.(recorder);
    return recorder;
  }

  onConnectionError(details: string): void {
    this.events.push(`connection error ${details}`);
  }

  onConnectionDone(): void {
    this.events.push('connection done');
  }

  /** The events since the last call. */
  take(): string[] {
    return this.events.splice(0);
  }
}

/** What the owner of a client codec hears. */
export class ClientRecorder implements ClientCallbacks {
  readonly events: string[] = [];

  onConnectionError(details: string): void {
    this.events.push(`connection error ${details}`);
  }

  onDrain(): void {
    this.events.push('drain');
  }

  onStreamAvailable(): void {
    this.events.push('available');
  }

  take(): string[] {
    return this.events.splice(0);
  }
}
