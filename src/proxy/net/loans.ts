import { copyBytes, type KeepBytes } from '../../base/bytes.ts';

/**
 * Memory of reads that is used again. All sockets of a worker read into one buffer, out of which whoever wants bytes for
 * longer copies them. A socket that brings much at once reads into a buffer of its own instead: its bytes are lent, travel
 * without a copy, and when all of them have been written the buffer is read into again.
 */

/** Bytes of a buffer for reads. */
export const BUFFER_SIZE = 64 * 1024;
/** A read of so many bytes is the sign of more to come; less is copied. */
export const LARGE = 16 * 1024;
/** Buffers that are kept for the next who wants one. */
const MAX_SPARE = 32;

/** A buffer of which parts may be lent. */
export interface Loan {
  readonly buffer: Buffer;
  /** Bytes that are lent and have not been written yet. */
  out: number;
  /** Whether anything of it was lent since it was taken: then nobody goes on reading into it before it is taken again. */
  lent: boolean;
  /** Whether a socket reads into it. */
  reading: boolean;
}

/** By the memory of the buffer. What is lent and never written is left to the garbage collector, buffer and all. */
const loans = new WeakMap<ArrayBufferLike, Loan>();
const spare: Loan[] = [];

/** A buffer of which nothing is lent, to read into. */
export function takeLoan(): Loan {
  const known = spare.pop();
  if (known !== undefined) {
    known.lent = false;
    known.reading = true;
    return known;
  }
  const buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE);
  const loan = { buffer, out: 0, lent: false, reading: true };
  loans.set(buffer.buffer, loan);
  return loan;
}

/** Nobody reads into it any more: it can be taken again when all of it has been given back. */
export function leaveLoan(loan: Loan): void {
  loan.reading = false;
  recycle(loan);
}

function recycle(loan: Loan): void {
  if (loan.reading || loan.out !== 0 || spare.length >= MAX_SPARE || !loans.has(loan.buffer.buffer)) return;
  spare.push(loan);
}

/**
 * Bytes of a read that is going on, to have and to hold: lent where that is possible, else copied. Nobody writes to them
 * before they have been passed to `write` of a connection, once. Who wants them for longer, or writes them twice, says so
 * with {@link keepForGood}; who changes bytes copies them first.
 */
export const keepBytes: KeepBytes = (bytes, start, end) => {
  if (end - start >= LARGE) {
    const loan = loans.get(bytes.buffer);
    if (loan !== undefined) {
      loan.out += end - start;
      loan.lent = true;
      return bytes.subarray(start, end);
    }
  }
  return copyBytes(bytes, start, end);
};

/** The chunk is wanted for longer than until it has been written once: its memory is not read into again. */
export function keepForGood(chunk: Uint8Array): void {
  if (loanOf(chunk) !== undefined) loans.delete(chunk.buffer);
}

/** What is to be told when the chunk, or a part of one, has been written; undefined where nothing was lent. */
export function loanOf(chunk: Uint8Array): Loan | undefined {
  return chunk.length > 0 && chunk.buffer.byteLength === BUFFER_SIZE ? loans.get(chunk.buffer) : undefined;
}

let lends = true;

/** From now on bytes are copied only: somebody of whom it is not known what he does with them looks at bodies. */
export function lendNothing(): void {
  lends = false;
}

export function mayLend(): boolean {
  return lends;
}

/** So many lent bytes have been written. */
export function giveBack(loan: Loan, bytes: number): void {
  loan.out -= bytes;
  recycle(loan);
}
