import { DerReader, Tag } from '../../base/der.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import type { Certificate } from './certificate.ts';
import { parsePem } from './pem.ts';

/**
 * What certificate revocation lists (RFC 5280 section 5.1) revoke, by issuer and serial number. Signatures and dates are
 * not looked at: a list comes with the authority's own files and is trusted as they are, and one that is late revokes
 * nothing less.
 */
export class RevocationLists {
  readonly #revoked: ReadonlySet<string>;

  /** Throws a UserError that calls the text `what` if it is not one or more lists in PEM. */
  constructor(pem: string, what: string) {
    const revoked = new Set<string>();
    const blocks = parsePem(pem, what);
    if (blocks.length === 0 || blocks.some(({ label }) => label !== 'X509 CRL'))
      throw new UserError(`${what} holds no certificate revocation list in PEM.`);
    for (const { der } of blocks) {
      try {
        readList(der, revoked);
      } catch (error) {
        throw new UserError(`${what} holds a list that is not valid: ${messageOf(error)}.`);
      }
    }
    this.#revoked = revoked;
  }

  has({ issuer, serial }: Certificate): boolean {
    return this.#revoked.has(keyOf(issuer, serial));
  }
}

function keyOf(issuer: Uint8Array, serial: string): string {
  return `${Buffer.from(issuer).toString('base64')} ${serial}`;
}

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

function readList(der: Uint8Array, into: Set<string>): void {
  const list = new DerReader(der).enter(Tag.Sequence, 'the list').enter(Tag.Sequence, 'the signed part');
  list.optional(Tag.Integer, 'the version');
  list.next(Tag.Sequence, 'the signature algorithm');
  const issuer = list.next(Tag.Sequence, 'the issuer').bytes;
  list.any('thisUpdate');
  if (!list.optional(UTC_TIME, 'nextUpdate')) list.optional(GENERALIZED_TIME, 'nextUpdate');
  const revoked = list.optional(Tag.Sequence, 'the revoked certificates');
  if (revoked === undefined) return;
  const entries = new DerReader(revoked.content);
  while (!entries.done) {
    const { content } = entries.enter(Tag.Sequence, 'a revoked certificate').next(Tag.Integer, 'its serial number');
    into.add(
      keyOf(
        issuer,
        Buffer.from(content)
          .toString('hex')
          .replace(/^(00)+(?=.)/, ''),
      ),
    );
  }
}
