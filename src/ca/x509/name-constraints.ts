import { contextTag, DerReader, type Element, readOnly, Tag } from '../../base/der.ts';
import type { SubjectAltNames } from './subject-alt-names.ts';

/** What an authority may issue for (RFC 5280 section 4.2.1.10). */
export interface NameConstraints {
  readonly permitted: readonly Subtree[];
  readonly excluded: readonly Subtree[];
}

interface Subtree {
  /** Tag of the GeneralName. */
  readonly form: number;
  readonly base: Uint8Array;
}

const EMAIL = contextTag(1, false);
const DNS = contextTag(2, false);
const DIRECTORY = contextTag(4, true);
const URI = contextTag(6, false);
const IP = contextTag(7, false);

export function readNameConstraints(value: Uint8Array): NameConstraints {
  const constraints = new DerReader(readOnly(value, Tag.Sequence, 'the name constraints').content);
  const permitted = readSubtrees(constraints.optional(contextTag(0, true), 'the permitted names'));
  const excluded = readSubtrees(constraints.optional(contextTag(1, true), 'the excluded names'));
  constraints.end('the name constraints');
  return { permitted, excluded };
}

function readSubtrees(element: Element | undefined): Subtree[] {
  const list = new DerReader(element?.content ?? new Uint8Array());
  const subtrees: Subtree[] = [];
  while (!list.done) {
    const subtree = list.enter(Tag.Sequence, 'a name constraint');
    const { tag, content } = subtree.any('the name of a constraint');
    subtree.end('a name constraint');
    subtrees.push({ form: tag, base: content });
  }
  return subtrees;
}

/**
 * Which name of a certificate its issuer may not certify, or undefined. DNS names, URIs and addresses are checked; a
 * constraint on a form that is not checked here forbids every name of that form, as section 4.2.1.10 demands of whoever
 * cannot process it.
 */
export function nameConstraintsProblem(
  constraints: NameConstraints,
  names: SubjectAltNames,
  subjectIsEmpty: boolean,
): string | undefined {
  const entries: [form: number, name: string | Uint8Array][] = [
    ...names.dnsNames.map((n): [number, string] => [DNS, n]),
    ...names.uris.map((n): [number, string] => [URI, n]),
    ...names.emails.map((n): [number, string] => [EMAIL, n]),
    ...names.ips.map((n): [number, Uint8Array] => [IP, n]),
  ];
  for (const [form, name] of entries) {
    const under = (subtree: Subtree) => subtree.form === form && matches(form, subtree.base, name);
    const ofForm = constraints.permitted.filter((s) => s.form === form);
    if (constraints.excluded.some(under) || (ofForm.length > 0 && !ofForm.some(under)))
      return typeof name === 'string' ? `"${name}"` : `address ${name.join('.')}`;
  }
  const all = [...constraints.permitted, ...constraints.excluded];
  if (!subjectIsEmpty && all.some((s) => s.form === DIRECTORY)) return 'its subject';
  if (names.others && all.some((s) => ![DNS, URI, EMAIL, IP, DIRECTORY].includes(s.form)))
    return 'a name of another form';
  // An address that cannot be checked counts as excluded.
  if (names.emails.length > 0 && all.some((s) => s.form === EMAIL)) return `"${names.emails[0]}"`;
  return undefined;
}

function matches(form: number, base: Uint8Array, name: string | Uint8Array): boolean {
  if (typeof name !== 'string') return matchesAddress(base, name);
  const constraint = Buffer.from(base).toString('latin1').toLowerCase();
  if (form === DNS) {
    const dns = name.toLowerCase();
    return constraint === '' || dns === constraint || dns.endsWith(`.${constraint}`);
  }
  if (form === URI) {
    const host = /^[^:/?#]+:\/\/(?:[^@/?#]*@)?([^:/?#]*)/.exec(name)?.[1].toLowerCase() ?? '';
    return constraint.startsWith('.') ? host.endsWith(constraint) : host === constraint;
  }
  return false;
}

/** The constraint is an address followed by its mask. */
function matchesAddress(base: Uint8Array, address: Uint8Array): boolean {
  const { length } = address;
  return (
    base.length === 2 * length && address.every((byte, i) => (byte & base[length + i]) === (base[i] & base[length + i]))
  );
}
