/** Octets before each message: flags and length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const PREFIX = 5;

/** Counts the messages in one direction of a call, in whatever pieces it comes; one counts as soon as it begins. */
export class MessageCounter {
  count = 0;
  /** Octets of the prefix that have come. */
  #prefix = 0;
  /** The length so far, and then the octets of the message that are to come. */
  #left = 0;

  /** Takes a piece of the body; returns how many messages begin in it. */
  receive(chunk: Uint8Array): number {
    const before = this.count;
    let at = 0;
    while (at < chunk.length) {
      if (this.#prefix === PREFIX) {
        const skipped = Math.min(this.#left, chunk.length - at);
        at += skipped;
        this.#left -= skipped;
        if (this.#left === 0) this.#prefix = 0;
        continue;
      }
      if (this.#prefix === 0) {
        this.count++;
        this.#left = 0;
      } else this.#left = this.#left * 256 + chunk[at];
      at++;
      this.#prefix++;
      if (this.#prefix === PREFIX && this.#left === 0) this.#prefix = 0;
    }
    return this.count - before;
  }
}
