import { encodeMessageText } from '../../../wire/grpc/status.ts';
import type { Headers } from '../../../wire/headers.ts';
import { DataStatus, type FilterCallbacks, HeadersStatus, type HttpFilter, TrailersStatus } from '../../http/filter.ts';
import { grpcStatusOf } from '../../http/local-reply.ts';
import { Base64Decoder, FrameEncoder, trailersFrame } from './frames.ts';

const BINARY: ReadonlySet<string> = new Set(['application/grpc-web', 'application/grpc-web+proto']);
const TEXT: ReadonlySet<string> = new Set(['application/grpc-web-text', 'application/grpc-web-text+proto']);
/** What of an answer that is no gRPC is told as its message, in bytes. */
const MAX_MESSAGE = 16_384;
const NOTHING = new Uint8Array(0);

/** Lets browsers call gRPC services, whose trailers and streams they cannot read: gRPC-Web to the client, gRPC behind. */
export class GrpcWebFilter implements HttpFilter {
  readonly #callbacks: FilterCallbacks;
  #active = false;
  #decoder: Base64Decoder | undefined = undefined;
  #textResponse = false;
  #encoder: FrameEncoder | undefined = undefined;
  /** Headers of an answer that is no gRPC, and its body so far. */
  #foreign: Headers | undefined = undefined;
  #foreignBody: Buffer = Buffer.alloc(0);

  constructor(callbacks: FilterCallbacks) {
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers): HeadersStatus {
    const type = headers.get('content-type') ?? '';
    if (!BINARY.has(type) && !TEXT.has(type)) return HeadersStatus.Continue;
    this.#active = true;
    if (TEXT.has(type)) this.#decoder = new Base64Decoder();
    this.#textResponse = TEXT.has(headers.get('accept') ?? '');
    headers.remove('content-length');
    headers.set('content-type', 'application/grpc');
    headers.set('te', 'trailers');
    headers.set('grpc-accept-encoding', 'identity');
    return HeadersStatus.Continue;
  }

  requestData(chunk: Uint8Array, end: boolean): DataStatus {
    if (this.#decoder === undefined) return DataStatus.Continue;
    const bytes = this.#decoder.decode(chunk, end);
    if (typeof bytes === 'string') {
      this.#decoder = undefined;
      const body = 'Bad gRPC-web request, invalid base64 data.';
      const details = bytes === 'malformed' ? 'grpc_base_64_decode_failed' : 'grpc_base_64_decode_failed_bad_size';
      this.#callbacks.sendLocalReply({ status: 400, body, details });
    } else if (bytes.length > 0 || end) this.#callbacks.injectRequestData(bytes, end);
    return DataStatus.StopNoBuffer;
  }

  responseHeaders(headers: Headers, end: boolean): HeadersStatus {
    if (!this.#active) return HeadersStatus.Continue;
    const foreign = !/^application\/grpc(?:-web)?(?:[+;]|$)/.test(headers.get('content-type') ?? '');
    headers.set('content-type', this.#textResponse ? 'application/grpc-web-text+proto' : 'application/grpc-web+proto');
    if (foreign) {
      this.#foreign = headers;
      if (end) this.#tellForeign();
      return end ? HeadersStatus.Continue : HeadersStatus.StopIteration;
    }
    headers.remove('content-length');
    if (!end && this.#textResponse) this.#encoder = new FrameEncoder();
    return HeadersStatus.Continue;
  }

  /** What was not gRPC becomes a status with the body as its message. */
  #tellForeign(): void {
    const headers = this.#foreign!;
    headers.set('grpc-status', headers.get('grpc-status') ?? String(grpcStatusOf(headers.status)));
    const message = this.#foreignBody.toString('latin1');
    if (message !== '') headers.set('grpc-message', encodeMessageText(this.#foreignBody.toString('utf8')));
    headers.set('content-length', '0');
  }

  responseData(chunk: Uint8Array, end: boolean): DataStatus {
    if (this.#foreign !== undefined) {
      const room = MAX_MESSAGE - this.#foreignBody.length;
      if (room > 0) this.#foreignBody = Buffer.concat([this.#foreignBody, chunk.subarray(0, room)]);
      if (end) this.#endForeign();
      return DataStatus.StopNoBuffer;
    }
    if (this.#encoder === undefined) return DataStatus.Continue;
    const text = this.#encoder.encode(chunk);
    if (text.length > 0 || end) this.#callbacks.injectResponseData(text, end);
    return DataStatus.StopNoBuffer;
  }

  #endForeign(): void {
    this.#tellForeign();
    this.#callbacks.injectResponseData(NOTHING, true);
  }

  responseTrailers(trailers: Headers): TrailersStatus {
    if (!this.#active) return TrailersStatus.Continue;
    if (this.#foreign !== undefined) {
      this.#endForeign();
      return TrailersStatus.Stop;
    }
    const frame = trailersFrame(trailers);
    this.#callbacks.injectResponseData(
      this.#textResponse ? Buffer.from(frame.toString('base64'), 'latin1') : frame,
      true,
    );
    return TrailersStatus.Stop;
  }
}
