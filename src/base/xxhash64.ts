const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;
const MASK = 0xffffffffffffffffn;

const mul = (a: bigint, b: bigint) => (a * b) & MASK;
const add = (a: bigint, b: bigint) => (a + b) & MASK;
const rotate = (a: bigint, bits: bigint) => ((a << bits) | (a >> (64n - bits))) & MASK;
const round = (acc: bigint, lane: bigint) => mul(rotate(add(acc, mul(lane, P2)), 31n), P1);
const merge = (acc: bigint, lane: bigint) => add(mul(acc ^ round(0n, lane), P1), P4);

/** XXH64, the hash that Envoy's consistent hashing is built on. Strings are taken in their wire form, byte by character. */
export function xxhash64(input: string | Uint8Array, seed = 0n): bigint {
  const bytes = typeof input === 'string' ? Buffer.from(input, 'latin1') : input;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { length } = bytes;
  let at = 0;
  let hash: bigint;
  if (length >= 32) {
    let a = add(add(seed, P1), P2);
    let b = add(seed, P2);
    let c = seed;
    let d = (seed - P1) & MASK;
    for (; at + 32 <= length; at += 32) {
      a = round(a, view.getBigUint64(at, true));
      b = round(b, view.getBigUint64(at + 8, true));
      c = round(c, view.getBigUint64(at + 16, true));
      d = round(d, view.getBigUint64(at + 24, true));
    }
    hash = add(add(rotate(a, 1n), rotate(b, 7n)), add(rotate(c, 12n), rotate(d, 18n)));
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  } else {
    hash = add(seed, P5);
  }
  hash = add(hash, BigInt(length));
  for (; at + 8 <= length; at += 8) {
    hash = add(mul(rotate(hash ^ round(0n, view.getBigUint64(at, true)), 27n), P1), P4);
  }
  if (at + 4 <= length) {
    hash = add(mul(rotate(hash ^ mul(BigInt(view.getUint32(at, true)), P1), 23n), P2), P3);
    at += 4;
  }
  for (; at < length; at++) hash = mul(rotate(hash ^ mul(BigInt(bytes[at]), P5), 11n), P1);
  hash = mul(hash ^ (hash >> 33n), P2);
  hash = mul(hash ^ (hash >> 29n), P3);
  return hash ^ (hash >> 32n);
}
