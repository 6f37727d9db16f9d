/**
 * The static Huffman code of HPACK (RFC 7541 section 5.2 and appendix B).
 *
 * The code is canonical: codes of one length are consecutive numbers, given to the symbols in ascending order, and the
 * first code of a length follows the last of the length before. So the lengths below say everything.
 */
// biome-ignore format: sixteen symbols a line
const LENGTHS = Uint8Array.of(
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
);

const LONGEST = 30;
/** Codes up to this length are found by one look into {@link SHORT}; that is all of printable ASCII but a few. */
const SHORT_BITS = 10;
const SHORT_MASK = (1 << SHORT_BITS) - 1;

/** Code of each symbol, right-aligned. */
const CODES = new Uint32Array(256);
/** The next `SHORT_BITS` bits -> symbol, with the length of its code in the bits above 8; 0 starts a longer code. */
const SHORT = new Uint16Array(1 << SHORT_BITS);
/** For each length: the first code, how many there are, and where their symbols begin in {@link SORTED}. */
const FIRST = new Uint32Array(LONGEST + 1);
const COUNT = new Uint32Array(LONGEST + 1);
const OFFSET = new Uint32Array(LONGEST + 1);
/** Symbols in the order of their codes. */
const SORTED = new Uint8Array(256);

for (let length = 1, code = 0, offset = 0; length <= LONGEST; length++) {
  FIRST[length] = code;
  OFFSET[length] = offset;
  for (let symbol = 0; symbol < 256; symbol++) {
    if (LENGTHS[symbol] !== length) continue;
    CODES[symbol] = code;
    SORTED[offset++] = symbol;
    if (length <= SHORT_BITS) {
      const free = SHORT_BITS - length;
      SHORT.fill((length << 8) | symbol, code << free, (code + 1) << free);
    }
    code++;
  }
  COUNT[length] = offset - OFFSET[length];
  code <<= 1;
}

/** Octets that the text would take, each character being one octet. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += LENGTHS[text.charCodeAt(i) & 255];
  return (bits + 7) >>> 3;
}

/** Writes the code of a latin1 text to `out` from `at` on, and returns where it ends. There has to be room. */
export function huffmanEncode(text: string, out: Uint8Array, at: number): number {
  let to = at;
  let pending = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 255;
    let code = CODES[symbol];
    let length = LENGTHS[symbol];
    if (length > 24) {
      // Fewer than 8 bits wait, so that 24 more are all that fits.
      length -= 16;
      pending = (pending << length) | (code >>> 16);
      bits += length;
      while (bits >= 8) out[to++] = pending >>> (bits -= 8);
      code &= 0xffff;
      length = 16;
    }
    pending = (pending << length) | code;
    bits += length;
    while (bits >= 8) out[to++] = pending >>> (bits -= 8);
  }
  if (bits > 0) out[to++] = (pending << (8 - bits)) | (255 >>> bits);
  return to;
}

/** Most octets that `length` octets of code can stand for: the shortest code has 5 bits. */
export const huffmanCapacity = (length: number): number => Math.ceil((length * 8) / 5);

/**
 * Decodes `start` to `end` of `bytes` to the beginning of `out`, which has room for {@link huffmanCapacity}. Returns
 * the number of octets, or -1 if the code has the EOS symbol in it or does not end in fewer than 8 bits of its prefix.
 */
export function huffmanDecode(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let from = start;
  let to = 0;
  let acc = 0;
  let bits = 0;
  for (;;) {
    while (bits <= 24 && from < end) {
      acc = (acc << 8) | bytes[from++];
      bits += 8;
    }
    while (bits >= SHORT_BITS) {
      const entry = SHORT[(acc >>> (bits - SHORT_BITS)) & SHORT_MASK];
      if (entry === 0) break;
      out[to++] = entry;
      bits -= entry >>> 8;
    }
    if (bits < SHORT_BITS) {
      if (from < end) continue;
      break;
    }
    if (bits <= 24 && from < end) continue;
    // A long code: bit by bit from here.
    let length = SHORT_BITS;
    let code = (acc >>> (bits - SHORT_BITS)) & SHORT_MASK;
    bits -= SHORT_BITS;
    for (;;) {
      if (bits === 0) {
        if (from === end) return -1;
        acc = bytes[from++];
        bits = 8;
      }
      code = (code << 1) | ((acc >>> --bits) & 1);
      if (++length > LONGEST) return -1;
      const index = code - FIRST[length];
      if (index >= 0 && index < COUNT[length]) {
        out[to++] = SORTED[OFFSET[length] + index];
        break;
      }
    }
  }
  // Fewer bits than the table is wide are left: filled up with ones they may hold one more short code or two.
  while (bits > 0) {
    const free = SHORT_BITS - bits;
    const entry = SHORT[((acc << free) | ((1 << free) - 1)) & SHORT_MASK];
    const length = entry >>> 8;
    if (length === 0 || length > bits) break;
    out[to++] = entry;
    bits -= length;
  }
  const mask = (1 << bits) - 1;
  return bits < 8 && (acc & mask) === mask ? to : -1;
}
