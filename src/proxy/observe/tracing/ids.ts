import crypto from 'node:crypto';

const POOL_BYTES = 4096;
let pool = Buffer.alloc(0);
let used = 0;

/** Random bytes for ids of traces and spans, drawn many at a time. */
export function randomId(bytes: number): Buffer {
  if (used + bytes > pool.length) {
    pool = crypto.randomBytes(POOL_BYTES);
    used = 0;
  }
  const id = pool.subarray(used, used + bytes);
  used += bytes;
  return id;
}
