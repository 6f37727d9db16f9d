import { StatusSchema } from '../../../api/gen/google/rpc/status_pb.ts';
import { DEFAULT_MAX_MESSAGE_SIZE } from '../../../wire/grpc/framing.ts';
import type { Headers } from '../../../wire/headers.ts';
import { DataStatus, type FilterCallbacks, HeadersStatus, type HttpFilter, TrailersStatus } from '../../http/filter.ts';
import { isGrpc } from '../../router/route-entry.ts';
import { TranscodeError } from './json-reader.ts';
import { type RequestTranslator, requestTranslator } from './request-translator.ts';
import { MessageTooLarge, ResponseTranslator } from './response-translator.ts';
import type { TranscodedMethod } from './services.ts';
import { grpcStatusIn, httpStatusOf, STATUS_HEADERS, statusMessage } from './status.ts';
import type { Transcoder } from './transcoder.ts';

const EMPTY = new Uint8Array(0);
const TOO_LARGE_REQUEST =
  "Request rejected because the transcoder's internal buffer size exceeds the configured limit.";
const TOO_LARGE_RESPONSE =
  "Response not transcoded because the transcoder's internal buffer size exceeds the configured limit.";

/** Lets clients that speak HTTP and JSON call gRPC methods, by the `google.api.http` rules of these. */
export class TranscoderFilter implements HttpFilter {
  readonly #transcoder: Transcoder;
  readonly #bufferLimit: number;
  readonly #callbacks: FilterCallbacks;
  #method: TranscodedMethod | undefined = undefined;
  #request: RequestTranslator | undefined = undefined;
  #response: ResponseTranslator | undefined = undefined;
  #responseHeaders: Headers | undefined = undefined;
  /** The body of a response to be sent whole. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(transcoder: Transcoder, bufferLimit: number, callbacks: FilterCallbacks) {
    this.#transcoder = transcoder;
    this.#bufferLimit = bufferLimit;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers, end: boolean): HeadersStatus {
    const transcoder = this.#transcoder;
    if (isGrpc(headers)) return HeadersStatus.Continue;
    const found = transcoder.resolve(headers.method, headers.path);
    if (found.kind === 'unknown method') {
      return transcoder.rejectUnknownMethod ? this.#refuse('NOT_FOUND', found.message) : HeadersStatus.Continue;
    }
    if (found.kind === 'unknown parameter') {
      if (!transcoder.rejectUnknownParameters) return HeadersStatus.Continue;
      return this.#refuse('INVALID_ARGUMENT', found.message);
    }
    const { method, bindings } = found;
    this.#method = method;
    this.#request = requestTranslator(method, bindings, headers.get('content-type') ?? '', transcoder.request);
    this.#response = new ResponseTranslator(method, transcoder.writer, transcoder.format, this.#maxResponse);
    headers.remove('content-length');
    headers.set('content-type', 'application/grpc');
    headers.set('x-envoy-original-path', headers.path);
    headers.add('x-envoy-original-method', headers.method);
    headers.path = method.path;
    headers.method = 'POST';
    headers.set('te', 'trailers');
    if (!transcoder.matchIncomingRequestRoute) this.#callbacks.clearRouteCache();
    if (!end) return HeadersStatus.Continue;
    const body = this.#translateRequest(EMPTY, true, 'early_');
    if (body === undefined) return HeadersStatus.StopAll;
    if (body.length > 0) this.#callbacks.addRequestData(body);
    return HeadersStatus.Continue;
  }

  #refuse(code: 'INVALID_ARGUMENT' | 'NOT_FOUND', body: string, early = 'early_'): HeadersStatus {
    const status = code === 'NOT_FOUND' ? 404 : 400;
    this.#callbacks.sendLocalReply({ status, body, details: `${early}grpc_json_transcode_failure{${code}}` });
    return HeadersStatus.StopAll;
  }

  /** Undefined if the request has been answered instead. */
  #translateRequest(chunk: Uint8Array, end: boolean, early: string): Uint8Array | undefined {
    const request = this.#request!;
    let body: Uint8Array;
    try {
      body = request.translate(chunk, end);
    } catch (error) {
      if (!(error instanceof TranscodeError)) throw error;
      this.#method = undefined;
      this.#refuse('INVALID_ARGUMENT', error.message, early);
      return undefined;
    }
    // A message of JSON has to be there whole; the services behind take no longer ones by default either.
    const most = this.#transcoder.maxRequestBytes ?? Math.max(this.#bufferLimit, DEFAULT_MAX_MESSAGE_SIZE);
    if (request.waiting <= most) return body;
    this.#method = undefined;
    this.#callbacks.sendLocalReply({
      status: 413,
      body: TOO_LARGE_REQUEST,
      details: 'grpc_json_transcode_failure{request_buffer_size_limit_reached}',
    });
    return undefined;
  }

  requestData(chunk: Uint8Array, end: boolean): DataStatus {
    if (this.#method === undefined) return DataStatus.Continue;
    const body = this.#translateRequest(chunk, end, '');
    if (body !== undefined && (body.length > 0 || end)) this.#callbacks.injectRequestData(body, end);
    return DataStatus.StopNoBuffer;
  }

  requestTrailers(): TrailersStatus {
    if (this.#method === undefined) return TrailersStatus.Continue;
    const body = this.#translateRequest(EMPTY, true, '');
    if (body === undefined) return TrailersStatus.Stop;
    if (body.length > 0) this.#callbacks.addRequestData(body);
    return TrailersStatus.Continue;
  }

  responseHeaders(headers: Headers, end: boolean): HeadersStatus {
    const method = this.#method;
    if (method === undefined) return HeadersStatus.Continue;
    if (!isGrpc(headers)) {
      // Not what was asked for: it goes to the client as it is.
      this.#method = undefined;
      return HeadersStatus.Continue;
    }
    this.#responseHeaders = headers;
    if (end) {
      if (method.serverStreaming && !method.responseIsHttpBody) headers.set('content-type', 'application/json');
      this.#finish(headers);
      return HeadersStatus.Continue;
    }
    headers.set('content-type', 'application/json');
    if (method.responseIsHttpBody) return HeadersStatus.StopIteration;
    return method.serverStreaming ? HeadersStatus.Continue : HeadersStatus.StopIteration;
  }

  responseData(chunk: Uint8Array, end: boolean): DataStatus {
    const method = this.#method;
    if (method === undefined) return DataStatus.Continue;
    const body = this.#translateResponse((response) => response.translate(chunk));
    if (body === undefined) return DataStatus.StopNoBuffer;
    this.#takeContentType();
    if (body.length > 0) this.#held.push(body);
    this.#heldBytes += body.length;
    if (!method.serverStreaming && this.#heldBytes > this.#maxResponse) {
      this.#refuseLarge();
      return DataStatus.StopNoBuffer;
    }
    if (end) {
      const last = this.#translateResponse((response) => response.finish());
      if (last === undefined) return DataStatus.StopNoBuffer;
      this.#held.push(last);
    } else if (!method.serverStreaming || this.#heldBytes === 0) return DataStatus.StopNoBuffer;
    this.#callbacks.injectResponseData(this.#takeHeld(), end);
    return DataStatus.StopNoBuffer;
  }

  get #maxResponse(): number {
    return this.#transcoder.maxResponseBytes ?? this.#bufferLimit;
  }

  #takeContentType(): void {
    if (!this.#method!.responseIsHttpBody || this.#response!.count === 0) return;
    this.#responseHeaders!.set('content-type', this.#response!.contentType);
  }

  #takeHeld(): Uint8Array {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    return held.length === 1 ? held[0] : Buffer.concat(held);
  }

  /** Undefined if the response has been given up. */
  #translateResponse(translate: (response: ResponseTranslator) => Uint8Array): Uint8Array | undefined {
    try {
      return translate(this.#response!);
    } catch (error) {
      if (!(error instanceof TranscodeError)) throw error;
      if (error instanceof MessageTooLarge) this.#refuseLarge();
      else this.#failResponse(error.message, 502, 'INVALID_ARGUMENT');
      return undefined;
    }
  }

  #refuseLarge(): void {
    this.#failResponse(TOO_LARGE_RESPONSE, 500, 'response_buffer_size_limit_reached');
  }

  #failResponse(body: string, status: number, reason: string): void {
    this.#method = undefined;
    this.#callbacks.sendLocalReply({ status, body, details: `grpc_json_transcode_failure{${reason}}` });
  }

  responseTrailers(trailers: Headers): TrailersStatus {
    if (this.#method === undefined) return TrailersStatus.Continue;
    return this.#finish(trailers) ? TrailersStatus.Continue : TrailersStatus.Stop;
  }

  /**
   * The end of a response, with the headers that tell how it went: trailers, or the only headers. False if it failed
   * and was answered.
   */
  #finish(last: Headers): boolean {
    const method = this.#method!;
    const headers = this.#responseHeaders!;
    const only = headers === last;
    const status = grpcStatusIn(last);
    if (status !== undefined && this.#convertStatus(status, last)) return true;
    const end = this.#translateResponse((response) => response.finish());
    if (end === undefined) return false;
    this.#held.push(end);
    const body = this.#takeHeld();
    if (body.length > 0) this.#callbacks.addResponseData(body);
    // The headers of a stream have gone.
    if (method.serverStreaming && !only) return true;
    headers.status = status === undefined ? 503 : httpStatusOf(status);
    if (!only) {
      if (status !== undefined) headers.set('grpc-status', String(status));
      const message = last.get('grpc-message');
      if (message !== undefined) headers.set('grpc-message', message);
    }
    if (this.#callbacks.info.protocol !== 'HTTP/2') headers.remove('trailer');
    if (!method.serverStreaming || body.length === 0) headers.set('content-length', String(body.length));
    return true;
  }

  /** `convert_grpc_status`: a failure without a body gets its status as one. */
  #convertStatus(status: number, last: Headers): boolean {
    const { convertGrpcStatus, writer } = this.#transcoder;
    if (!convertGrpcStatus || status === 0 || this.#response!.count > 0) return false;
    const headers = this.#responseHeaders!;
    let json: Buffer;
    try {
      json = Buffer.from(writer.print(StatusSchema, statusMessage(status, last)), 'utf8');
    } catch {
      // Details of a type that is not known here stay in the headers.
      return false;
    }
    headers.status = httpStatusOf(status);
    if (headers === last) for (const name of STATUS_HEADERS) headers.remove(name);
    if (this.#callbacks.info.protocol !== 'HTTP/2') headers.remove('trailer');
    headers.set('content-type', 'application/json');
    headers.set('content-length', String(json.length));
    this.#callbacks.addResponseData(json);
    return true;
  }
}
