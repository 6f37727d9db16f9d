import { replacementDue } from '../../ca/client/overdue.ts';
import type { Certificate } from '../../ca/x509/certificate.ts';
import { describeKey } from '../../ca/x509/keys.ts';
import type { CertificateEntry } from '../../config/control/mesh-api.ts';
import type { Finding } from './survey.ts';

interface Found {
  readonly kind: CertificateEntry['kind'];
  readonly certificate: Certificate;
  readonly workloads: Set<string>;
  readonly resources: Set<string>;
  readonly renewal: Finding['renewal'];
}

const ORDER = { leaf: 0, issuer: 1, root: 2 };
const OWN = 'default';

/**
 * Every certificate that somebody in the mesh presents or trusts, once: leaves first, then what stands above them.
 * `authority` is what the control plane signs with and publishes, whether or not anybody uses it.
 */
export function inventory(
  findings: readonly Finding[],
  authority: readonly Certificate[],
  now: number,
): CertificateEntry[] {
  const found = new Map<string, Found>();
  const note = (
    certificate: Certificate,
    presented: boolean,
    workload?: string,
    resource?: string,
    renewal?: Found['renewal'],
  ) => {
    const kind = kindOf(certificate, presented);
    const key = certificate.fingerprint;
    const entry = found.get(key) ?? { kind, certificate, workloads: new Set(), resources: new Set(), renewal };
    if (workload !== undefined) entry.workloads.add(workload);
    if (resource !== undefined) entry.resources.add(resource);
    found.set(key, entry);
  };
  for (const { workload, secrets, renewal } of findings) {
    for (const { name, use, certificates } of secrets) {
      for (const [i, certificate] of certificates.entries()) {
        const isOwn = name === OWN && i === 0;
        note(certificate, use === 'presents' && i === 0, workload, name, isOwn ? renewal : undefined);
      }
    }
  }
  for (const certificate of authority) note(certificate, false);
  return [...found.values()]
    .map((entry) => toEntry(entry, now))
    .sort((a, b) => ORDER[a.kind] - ORDER[b.kind] || order(a.workloads[0] ?? '', b.workloads[0] ?? ''));
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function kindOf(certificate: Certificate, presented: boolean): CertificateEntry['kind'] {
  if (presented) return 'leaf';
  return certificate.selfIssued ? 'root' : 'issuer';
}

function toEntry({ kind, certificate, workloads, resources, renewal }: Found, now: number): CertificateEntry {
  const { notBefore, notAfter, serial, fingerprint } = certificate;
  const { lastRenewal, renewalDue } = renewal ?? {};
  const due = renewalDue === undefined ? replacementDue(certificate) : Date.parse(renewalDue);
  return {
    kind,
    workloads: [...workloads].sort(),
    resources: [...resources].sort(),
    name: certificate.displayName,
    issuer: certificate.issuerName,
    serial,
    fingerprint,
    key: keyOf(certificate),
    notBefore,
    notAfter,
    renewalDue: due,
    ...(lastRenewal !== undefined && { lastRenewal: Date.parse(lastRenewal) }),
    ...problemOf(certificate, renewal, due, now),
  };
}

function problemOf(
  { notBefore, notAfter }: Certificate,
  renewal: Finding['renewal'],
  due: number,
  now: number,
): { readonly problem?: string } {
  if (now >= notAfter) return { problem: 'it has expired' };
  if (now < notBefore) return { problem: 'it is not valid yet' };
  if (renewal?.overdue !== undefined) return { problem: renewal.overdue };
  return renewal === undefined && now >= due ? { problem: 'it should be replaced before it expires' } : {};
}

function keyOf(certificate: Certificate): string {
  try {
    return describeKey(certificate.publicKey);
  } catch {
    return 'unknown';
  }
}
