import { X509Certificate } from 'node:crypto';
import type { Message } from '../output/json.ts';
import { formatTable } from '../output/table.ts';
import { messageAt, messagesAt, textAt } from './fields.ts';

const HEADER = ['RESOURCE NAME', 'TYPE', 'STATUS', 'VALID CERT', 'SERIAL NUMBER', 'NOT AFTER', 'NOT BEFORE'];

/** The table of `proxy-config secret`: a certificate a line, of the chain the first. With `kind`, names are `secret/NAME`. */
export function summarizeSecrets(section: Message, kind = false): string {
  const rows = (['dynamicWarmingSecrets', 'dynamicActiveSecrets'] as const).flatMap((list) =>
    messagesAt(section, list).flatMap((entry) => {
      const status = list === 'dynamicActiveSecrets' ? 'ACTIVE' : 'WARMING';
      const name = `${kind ? 'secret/' : ''}${textAt(entry, 'name')}`;
      return certificatesOf(messageAt(entry, 'secret')).map((pem) => [name, ...describeCertificate(pem, status)]);
    }),
  );
  return rows.length === 0 ? 'No active or warming secrets found.\n' : formatTable([HEADER, ...rows]);
}

/**
 * The PEM texts to show of a secret: the chain, the authorities, or those of each trust domain. One that is empty stands
 * for a secret with nothing to show, such as one that is a file's name.
 */
function certificatesOf(secret: Message | undefined): string[] {
  const chain = inline(messageAt(secret, 'tlsCertificate', 'certificateChain'));
  if (chain !== '') return [chain];
  const context = messageAt(secret, 'validationContext');
  const authorities = inline(messageAt(context, 'trustedCa'));
  if (authorities !== '') return [authorities];
  const domains = messagesAt(context, 'customValidatorConfig', 'typedConfig', 'trustDomains');
  return domains.length === 0 ? [''] : domains.map((domain) => inline(messageAt(domain, 'trustBundle')));
}

/** The authorities in the secret `ROOTCA`, by which the workload knows its peers; undefined if it has none. */
export function rootAuthorities(section: Message): string | undefined {
  const root = messagesAt(section, 'dynamicActiveSecrets').find(({ name }) => name === 'ROOTCA');
  return inline(messageAt(root, 'secret', 'validationContext', 'trustedCa')) || undefined;
}

function inline(source: Message | undefined): string {
  return Buffer.from(textAt(source, 'inlineBytes'), 'base64').toString('latin1');
}

function describeCertificate(pem: string, status: string): string[] {
  const certificate = firstCertificate(pem);
  if (certificate === undefined) return ['', status, 'false', '', '', ''];
  return [
    certificate.ca ? 'CA' : 'Cert Chain',
    status,
    'true',
    certificate.serialNumber.toLowerCase().replace(/^0+/, '').padStart(32, '0'),
    timestamp(certificate.validToDate),
    timestamp(certificate.validFromDate),
  ];
}

/** What the first block of a PEM text holds, if that is a certificate. */
function firstCertificate(pem: string): X509Certificate | undefined {
  const block = /-----BEGIN ([^-\n]+)-----\n.*?\n-----END \1-----/s.exec(pem);
  if (block?.[1] !== 'CERTIFICATE') return undefined;
  try {
    return new X509Certificate(block[0]);
  } catch {
    return undefined;
  }
}

/** RFC 3339, in seconds. */
function timestamp(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
