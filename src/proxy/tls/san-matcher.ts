import {
  type CertificateValidationContext,
  SubjectAltNameMatcher_SanType as ProtoType,
  type SubjectAltNameMatcher,
} from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts';
import type { StringMatcher } from '../../api/gen/envoy/type/matcher/v3/string_pb.ts';
import { wireForm } from '../../base/bytes.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { stringTest } from '../router/string-match.ts';
import type { SanType, SubjectAltName } from './subject-alt-names.ts';

/** Whether one name of a certificate is among those that a context expects. */
export interface SanMatcher {
  matches(name: SubjectAltName): boolean;
  /** For people: `URI spiffe://cluster.local/ns/a/sa/b` or `any name with prefix spiffe://cluster.local/`. */
  readonly description: string;
}

const TYPES: ReadonlyMap<number, SanType> = new Map([
  [ProtoType.EMAIL, 'email'],
  [ProtoType.DNS, 'dns'],
  [ProtoType.URI, 'uri'],
  [ProtoType.IP_ADDRESS, 'ip'],
  [ProtoType.OTHER_NAME, 'other'],
]);
/** The types that the untyped `match_subject_alt_names` of old stands for. */
const UNTYPED: ReadonlySet<SanType> = new Set(['dns', 'uri', 'email', 'ip']);
const OID = /^[012](\.\d{1,15}){1,30}$/;

/** `match_typed_subject_alt_names`, or else the deprecated `match_subject_alt_names`. */
export function sanMatchers(proto: CertificateValidationContext, errors: ConfigErrors): SanMatcher[] {
  if (proto.matchTypedSubjectAltNames.length > 0) {
    return proto.matchTypedSubjectAltNames.map((m, i) =>
      typedMatcher(m, errors.at('match_typed_subject_alt_names').at(i)),
    );
  }
  return proto.matchSubjectAltNames.map((m, i) =>
    untypedMatcher(m, errors.at('match_subject_alt_names').at(i), 'any name'),
  );
}

function typedMatcher(proto: SubjectAltNameMatcher, errors: ConfigErrors): SanMatcher {
  const type = TYPES.get(proto.sanType);
  if (type === undefined) errors.add('san_type', 'must say which type of name is meant');
  if (type === 'other' && !OID.test(proto.oid)) {
    errors.add('oid', `${JSON.stringify(proto.oid)} is not a dotted object identifier, which OTHER_NAME needs`);
  }
  if (proto.matcher === undefined) {
    errors.add('matcher', 'is needed');
    return { matches: () => false, description: 'nothing' };
  }
  if (type === 'dns' && proto.matcher.matchPattern.case === 'exact')
    return dnsMatcher(proto.matcher.matchPattern.value);
  const label = type === 'other' ? `other name ${proto.oid}` : (type ?? '').toUpperCase();
  const { matches, description } = untypedMatcher(proto.matcher, errors.at('matcher'), label);
  return {
    description,
    matches: (name) => name.type === type && (type !== 'other' || name.oid === proto.oid) && matches(name),
  };
}

function untypedMatcher(proto: StringMatcher, errors: ConfigErrors, label: string): SanMatcher {
  const test = stringTest(proto, errors);
  const { case: kind, value } = proto.matchPattern;
  // A DNS name that is to be matched exactly follows the rules of DNS names, wildcards in the certificate included.
  const dns = label === 'any name' && kind === 'exact' ? dnsMatcher(value) : undefined;
  const any = label === 'any name';
  return {
    matches: (name) =>
      dns !== undefined && name.type === 'dns'
        ? dns.matches(name)
        : (!any || UNTYPED.has(name.type)) && test(name.value),
    description: `${label} ${describePattern(proto)}`,
  };
}

function describePattern({ matchPattern: { case: kind, value } }: StringMatcher): string {
  if (kind === 'exact') return value;
  if (kind === 'safeRegex') return `matching ${value.regex}`;
  return `${kind === 'contains' ? 'containing' : `with ${kind}`} ${String(value)}`;
}

/** A DNS name of the certificate that covers `host`. */
export function dnsMatcher(host: string): SanMatcher {
  const wanted = wireForm(host).toLowerCase();
  return {
    matches: (name) => name.type === 'dns' && dnsNameCovers(name.value.toLowerCase(), wanted),
    description: `DNS ${host}`,
  };
}

/**
 * The SANs that a request brings (`auto_san_validation`, filter state): equal to a name of any type, or covered by a
 * DNS name of the certificate.
 */
export function anyNameMatcher(expected: string): SanMatcher {
  const dns = dnsMatcher(expected);
  const wanted = wireForm(expected);
  return {
    matches: (name) => (name.type === 'dns' ? dns.matches(name) : name.value === wanted),
    description: expected,
  };
}

/**
 * Whether a DNS name of a certificate, in lower case, covers a host: equal, or with one `*` in its first label, which
 * stands for a part of one label (RFC 6125 section 6.4.3); A-labels take no wildcard.
 */
function dnsNameCovers(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  const patternDot = pattern.indexOf('.');
  const hostDot = host.indexOf('.');
  if (patternDot < 0 || hostDot < 0) return false;
  if (pattern.slice(patternDot) !== host.slice(hostDot) || pattern.includes('*', patternDot)) return false;
  const label = pattern.slice(0, patternDot);
  const star = label.indexOf('*');
  if (star < 0 || label.includes('*', star + 1) || label.startsWith('xn--')) return false;
  const found = host.slice(0, hostDot);
  return (
    label === '*' ||
    (label.length <= found.length + 1 &&
      found.startsWith(label.slice(0, star)) &&
      found.endsWith(label.slice(star + 1)))
  );
}
