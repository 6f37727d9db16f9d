/** One block of RFC 7468 text. */
export interface PemBlock {
  /** What stands after BEGIN, such as `CERTIFICATE`. */
  readonly label: string;
  /** The block as it stands in the text. */
  readonly text: string;
  readonly der: Buffer;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----((?:(?!-----)[\s\S])*)-----END \1-----/g;
const BEGIN = /-----BEGIN /g;
const CERTIFICATE_LABELS: ReadonlySet<string> = new Set(['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE']);

/**
 * The blocks of a PEM text, in order. Text between blocks is skipped, as BoringSSL does. Throws if a block is damaged:
 * half a bundle must not pass for the whole.
 */
export function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const [block, label, body] of text.matchAll(BLOCK)) {
    // Headers such as those of an encrypted key end with an empty line.
    const base64 = body.slice(body.includes(':') ? body.search(/\r?\n\r?\n/) : 0).replace(/\s+/g, '');
    blocks.push({ label, text: `${block}\n`, der: Buffer.from(base64, 'base64') });
  }
  const begun = text.match(BEGIN)?.length ?? 0;
  if (begun !== blocks.length) throw new Error(`a PEM block is damaged: ${begun} begin and ${blocks.length} are whole`);
  return blocks;
}

export const isCertificate = (block: PemBlock): boolean => CERTIFICATE_LABELS.has(block.label);
export const isCrl = (block: PemBlock): boolean => block.label === 'X509 CRL';
