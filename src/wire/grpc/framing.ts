import { GrpcCode, type GrpcStatus } from './transport.ts';

/** Octets before each message: whether it is compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const PREFIX = 5;
/** gRPC's own default for what is received. */
export const DEFAULT_MAX_MESSAGE_SIZE = 4 * 1024 * 1024;

const EMPTY = Buffer.alloc(0);

/** A message with its prefix, uncompressed. */
export function encodeMessage(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, PREFIX);
  return bytes;
}

/** Cuts the body of one direction of a call into messages, in whatever pieces it comes. */
export class MessageDecoder {
  readonly #maxSize: number;
  readonly #prefix = Buffer.alloc(PREFIX);
  #prefixFilled = 0;
  #length = 0;
  /** The start of a message whose rest has not come. It grows with what comes, not with what was announced. */
  #partial = EMPTY;
  #filled = 0;

  /** `maxSize`: octets of the longest message that is taken. */
  constructor(maxSize: number = DEFAULT_MAX_MESSAGE_SIZE) {
    this.#maxSize = maxSize;
  }

  /** No message has begun without having ended. */
  get complete(): boolean {
    return this.#prefixFilled === 0;
  }

  /**
   * Takes a piece of the body, which must not change afterwards: the messages may lie in it. Returns what the call has
   * to end with if it breaks the rules; nothing is to be given here after that. `onMessage` returns false to hear
   * nothing more.
   */
  receive(chunk: Uint8Array, onMessage: (message: Uint8Array) => boolean): GrpcStatus | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.#prefixFilled < PREFIX) {
        this.#prefix[this.#prefixFilled++] = chunk[at++];
        if (this.#prefixFilled < PREFIX) continue;
        const problem = this.#checkPrefix();
        if (problem !== undefined) return problem;
      }
      const piece = chunk.subarray(at, at + this.#length - this.#filled);
      at += piece.length;
      const whole = this.#filled + piece.length === this.#length;
      if (!whole || this.#filled > 0) this.#keep(piece);
      if (!whole) continue;
      const message = this.#filled > 0 ? this.#partial.subarray(0, this.#filled) : piece;
      this.#partial = EMPTY;
      this.#filled = 0;
      this.#prefixFilled = 0;
      if (!onMessage(message)) return undefined;
    }
    return undefined;
  }

  #keep(piece: Uint8Array): void {
    const needed = this.#filled + piece.length;
    if (needed > this.#partial.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#length, Math.max(needed, this.#partial.length * 2, 1024)));
      larger.set(this.#partial.subarray(0, this.#filled));
      this.#partial = larger;
    }
    this.#partial.set(piece, this.#filled);
    this.#filled = needed;
  }

  #checkPrefix(): GrpcStatus | undefined {
    const flag = this.#prefix[0];
    if (flag === 1) return { code: GrpcCode.Unimplemented, message: 'compressed messages are not supported' };
    if (flag !== 0) return { code: GrpcCode.Internal, message: `unknown flags ${flag} in front of a message` };
    this.#length = this.#prefix.readUInt32BE(1);
    if (this.#length <= this.#maxSize) return undefined;
    const message = `a message of ${this.#length} octets, where ${this.#maxSize} are allowed`;
    return { code: GrpcCode.ResourceExhausted, message };
  }
}
