import { type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { messageOf } from '../../../base/errors.ts';
import { MessageDecoder } from '../../../wire/grpc/framing.ts';
import { GrpcCode } from '../../../wire/grpc/transport.ts';
import { TranscodeError } from './json-reader.ts';
import type { JsonWriter } from './json-writer.ts';
import type { TranscodedMethod } from './services.ts';

/** A message of a response that is longer than may be kept. */
export class MessageTooLarge extends TranscodeError {}

/** How the messages of a stream are set apart: as a list, or each with a line end. */
export type StreamFormat = 'list' | 'lines';

const NO_TEXT = Buffer.alloc(0);

/** Makes the body of an HTTP response out of gRPC messages. */
export class ResponseTranslator {
  readonly #method: TranscodedMethod;
  readonly #writer: JsonWriter;
  readonly #format: StreamFormat;
  readonly #decoder: MessageDecoder;
  #count = 0;
  /** Type of the first body that was taken as it is; empty until then, and where it said nothing. */
  contentType = '';

  /** `maxSize`: bytes of the longest message. */
  constructor(method: TranscodedMethod, writer: JsonWriter, format: StreamFormat, maxSize: number) {
    this.#method = method;
    this.#writer = writer;
    this.#format = format;
    this.#decoder = new MessageDecoder(maxSize);
  }

  /** Number of messages that have come. */
  get count(): number {
    return this.#count;
  }

  /** Takes a piece of the gRPC body, and returns what can be sent. Throws a {@link TranscodeError}. */
  translate(chunk: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = [];
    const problem = this.#decoder.receive(chunk, (message) => {
      parts.push(this.#message(message));
      this.#count++;
      return true;
    });
    if (problem?.code === GrpcCode.ResourceExhausted) throw new MessageTooLarge(problem.message);
    if (problem !== undefined) throw new TranscodeError(problem.message);
    return parts.length === 0 ? NO_TEXT : Buffer.concat(parts);
  }

  /** What ends the body. */
  finish(): Uint8Array {
    if (!this.#decoder.complete) throw new TranscodeError('Incomplete gRPC frame received.');
    const { serverStreaming, responseIsHttpBody } = this.#method;
    if (!serverStreaming || responseIsHttpBody || this.#format !== 'list') return NO_TEXT;
    return Buffer.from(this.#count === 0 ? '[]' : ']');
  }

  #message(bytes: Uint8Array): Uint8Array {
    const { output, responseIsHttpBody, serverStreaming } = this.#method;
    let message: Message;
    try {
      message = fromBinary(output, bytes);
    } catch (error) {
      throw new TranscodeError(`the response is no ${output.typeName}: ${messageOf(error)}`);
    }
    if (responseIsHttpBody) return this.#httpBody(output, message);
    let text: string;
    try {
      text = this.#writer.print(output, message);
    } catch (error) {
      throw new TranscodeError(messageOf(error));
    }
    return Buffer.from(serverStreaming ? this.#framed(text) : text, 'utf8');
  }

  #framed(text: string): string {
    if (this.#format === 'lines') return `${text}\n`;
    return (this.#count === 0 ? '[' : ',') + text;
  }

  #httpBody(output: DescMessage, message: Message): Uint8Array {
    let at = reflect(output, message);
    for (const field of this.#method.responseBodyPath) at = at.get(field) as typeof at;
    const value = (name: string) => at.get(at.fields.find((field) => field.name === name)!);
    if (this.#count === 0) this.contentType = value('content_type') as string;
    return value('data') as Uint8Array;
  }
}
