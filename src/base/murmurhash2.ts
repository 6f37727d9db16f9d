const M = 0xc6a4a7935bd1e995n;

/** The seed of GCC's `std::hash`, which rings with `MURMUR_HASH_2` were made for. */
const STD_HASH_SEED = 0xc70f6907n;

const u64 = (value: bigint) => BigInt.asUintN(64, value);

let scratch: DataView = new DataView(new ArrayBuffer(1024));

/** MurmurHash64A. Strings are taken in their wire form, byte by character. */
export function murmurHash2(input: string, seed = STD_HASH_SEED): bigint {
  const { length } = input;
  if (length > scratch.byteLength) scratch = new DataView(new ArrayBuffer(2 * length));
  for (let i = 0; i < length; i++) scratch.setUint8(i, input.charCodeAt(i));
  let result = u64(seed ^ u64(BigInt(length) * M));
  const whole = length & ~7;
  for (let at = 0; at < whole; at += 8) {
    const lane = u64(scratch.getBigUint64(at, true) * M);
    result = u64(u64(result ^ u64(u64(lane ^ (lane >> 47n)) * M)) * M);
  }
  if (whole < length) {
    let tail = 0n;
    for (let i = length - 1; i >= whole; i--) tail = u64((tail << 8n) | BigInt(scratch.getUint8(i)));
    result = u64(u64(result ^ tail) * M);
  }
  result = u64(u64(result ^ (result >> 47n)) * M);
  return u64(result ^ (result >> 47n));
}
