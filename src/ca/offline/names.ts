import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { UserError } from '../../base/errors.ts';
import { spiffeIdProblem } from '../../base/spiffe.ts';
import type { SubjectAltNames } from '../x509/subject-alt-names.ts';

export interface RequestedNames {
  readonly dns: readonly string[];
  readonly ips: readonly string[];
  readonly spiffe?: string;
}

const LABEL = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?';
const DNS_NAME = new RegExp(`^(\\*\\.)?${LABEL}(\\.${LABEL})*$`, 'i');

/** Whether a text can stand as a DNS name in a certificate; a wildcard is the whole first label. */
export const isDnsName = (text: string): boolean => text.length <= 253 && DNS_NAME.test(text) && isIP(text) === 0;

/** Checks names as people give them; a UserError says which is wrong. */
export function toSubjectAltNames({ dns, ips, spiffe }: RequestedNames): Partial<SubjectAltNames> {
  for (const name of dns) {
    if (!isDnsName(name)) throw new UserError(`"${name}" is not a DNS name.`);
  }
  const addresses = ips.map((text) => {
    if (isIP(text) === 0) throw new UserError(`"${text}" is not an IP address.`);
    return Uint8Array.from(ipaddr.parse(text).toByteArray());
  });
  const problem = spiffe === undefined ? undefined : spiffeIdProblem(spiffe);
  if (problem) throw new UserError(`"${spiffe}" is not a SPIFFE ID: ${problem}.`);
  return { dnsNames: dns, ips: addresses, uris: spiffe === undefined ? [] : [spiffe] };
}
