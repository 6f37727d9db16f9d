import { UserError } from '../../base/errors.ts';

/** One block of RFC 7468 text. */
export interface PemBlock {
  /** What stands after BEGIN, such as `CERTIFICATE`. */
  readonly label: string;
  readonly der: Buffer;
}

/** The largest text that is read, and the most blocks in it: far beyond any trust bundle, and small enough to hold. */
export const MAX_PEM_BYTES = 1 << 20;
const MAX_BLOCKS = 512;

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,64})-----\r?\n([A-Za-z0-9+/=\s]*?)-----END \1-----/g;
const BEGIN = /-----BEGIN /g;

/**
 * The blocks of a PEM text, in order. Text between blocks is skipped, as OpenSSL does; a block that is damaged is an
 * error, never skipped. `what` names the text in the message.
 */
export function parsePem(text: string, what: string): PemBlock[] {
  if (text.length > MAX_PEM_BYTES) throw new UserError(`${what} is larger than ${MAX_PEM_BYTES} bytes.`);
  const blocks: PemBlock[] = [];
  for (const [, label, body] of text.matchAll(BLOCK)) {
    const base64 = body.replace(/\s+/g, '');
    const der = Buffer.from(base64, 'base64');
    if (base64 === '' || der.toString('base64') !== base64)
      throw new UserError(`${what}: the ${label} in block ${blocks.length + 1} is not valid base64.`);
    blocks.push({ label, der });
    if (blocks.length > MAX_BLOCKS) throw new UserError(`${what} has more than ${MAX_BLOCKS} PEM blocks.`);
  }
  const begun = text.match(BEGIN)?.length ?? 0;
  if (begun !== blocks.length)
    throw new UserError(`${what}: a PEM block is damaged (${begun} begin, ${blocks.length} are whole).`);
  return blocks;
}

/** DER as a PEM block, ending with a newline. */
export function formatPem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64');
  return `-----BEGIN ${label}-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`;
}
