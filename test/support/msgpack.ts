/** Reads MessagePack (the specification of 2017), as far as spans have it; numbers beyond 53 bits come as BigInt. */
export function readMsgpack(bytes: Buffer): unknown {
  let at = 0;
  const take = (length: number) => bytes.subarray(at, (at += length));
  const list = (length: number) => Array.from({ length }, () => value());
  const map = (length: number) => Object.fromEntries(Array.from({ length }, () => [String(value()), value()]));
  const number = (big: bigint) =>
    big <= Number.MAX_SAFE_INTEGER && big >= Number.MIN_SAFE_INTEGER ? Number(big) : big;
  function value(): unknown {
    const type = bytes[at++]!;
    if (type < 0x80) return type;
    if (type < 0x90) return map(type & 15);
    if (type < 0xa0) return list(type & 15);
    if (type < 0xc0) return take(type & 31).toString();
    if (type >= 0xe0) return type - 256;
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return take(4).readFloatBE();
      case 0xcb:
        return take(8).readDoubleBE();
      case 0xcc:
        return take(1).readUInt8();
      case 0xcd:
        return take(2).readUInt16BE();
      case 0xce:
        return take(4).readUInt32BE();
      case 0xcf:
        return number(take(8).readBigUInt64BE());
      case 0xd0:
        return take(1).readInt8();
      case 0xd1:
        return take(2).readInt16BE();
      case 0xd2:
        return take(4).readInt32BE();
      case 0xd3:
        return number(take(8).readBigInt64BE());
      case 0xd9:
        return take(take(1).readUInt8()).toString();
      case 0xda:
        return take(take(2).readUInt16BE()).toString();
      case 0xdb:
        return take(take(4).readUInt32BE()).toString();
      case 0xdc:
        return list(take(2).readUInt16BE());
      case 0xdd:
        return list(take(4).readUInt32BE());
      case 0xde:
        return map(take(2).readUInt16BE());
      case 0xdf:
        return map(take(4).readUInt32BE());
      default:
        throw new Error(`type ${type.toString(16)} at ${at - 1}`);
    }
  }
  const read = value();
  if (at !== bytes.length) throw new Error(`${bytes.length - at} octets too many`);
  return read;
}
