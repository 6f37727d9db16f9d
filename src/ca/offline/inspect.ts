import fs from 'node:fs/promises';
import path from 'node:path';
import { messageOf, UserError } from '../../base/errors.ts';
import { readSmallFile } from '../files/read.ts';
import { type Certificate, parseCertificate } from '../x509/certificate.ts';
import { verifyChain } from '../x509/chain.ts';
import { describeKey } from '../x509/keys.ts';
import { parsePem } from '../x509/pem.ts';
import { formatIp } from '../x509/subject-alt-names.ts';

/** One certificate as it was found, and whether it verifies with the others. */
export interface Inspected {
  readonly file: string;
  /** Its number in the file, from 1. */
  readonly index: number;
  readonly certificate: Certificate;
  readonly key: string;
  /** `DNS:a`, `URI:b`, `IP:c`, `email:d`. */
  readonly names: readonly string[];
  /** From this certificate to a root, if it verifies. */
  readonly path?: readonly Certificate[];
  /** Why it does not. */
  readonly problem?: string;
}

const CERTIFICATE_FILE = /\.(pem|crt|cer|cert)$/i;
const MAX_FILES = 1000;
const MAX_DEPTH = 4;

export interface InspectOptions {
  readonly now: number;
  /** A file with the roots to verify with; unless given, every self-signed certificate among those inspected counts as one. */
  readonly roots?: string;
}

/** Reads the certificates of files and folders and verifies each with all of them. Certificates that occur twice are listed twice. */
export async function inspect(paths: readonly string[], options: InspectOptions): Promise<Inspected[]> {
  const found: { file: string; index: number; certificate: Certificate }[] = [];
  for (const start of paths) {
    const files = await filesUnder(start, 0);
    for (const { file, asked } of files) found.push(...(await readCertificates(file, asked)));
  }
  if (found.length === 0) throw new UserError(`No certificates were found in ${paths.join(', ')}.`);
  const all = found.map((f) => f.certificate);
  const roots = options.roots
    ? (await readCertificates(options.roots, true)).map((f) => f.certificate)
    : unique(all.filter((c) => c.selfIssued && c.isSignedBy(c)));
  const intermediates = unique(all);
  return found.map(({ file, index, certificate }) => ({
    file,
    index,
    certificate,
    key: keyOf(certificate),
    names: namesOf(certificate),
    ...verifyChain(certificate, { intermediates, roots, now: options.now }),
  }));
}

/** `asked`: a person named the file, so it must hold certificates. */
async function filesUnder(start: string, depth: number): Promise<{ file: string; asked: boolean }[]> {
  let isFolder: boolean;
  try {
    isFolder = (await fs.stat(start)).isDirectory();
  } catch (error) {
    throw new UserError(`${start} cannot be read: ${messageOf(error)}.`);
  }
  if (!isFolder) return [{ file: start, asked: true }];
  const files: { file: string; asked: boolean }[] = [];
  for (const entry of (await fs.readdir(start, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.')) continue;
    const file = path.join(start, entry.name);
    if (entry.isDirectory()) {
      if (depth < MAX_DEPTH) files.push(...(await filesUnder(file, depth + 1)));
    } else if (CERTIFICATE_FILE.test(entry.name)) files.push({ file, asked: false });
    if (files.length > MAX_FILES) throw new UserError(`${start} holds more than ${MAX_FILES} files.`);
  }
  return files;
}

async function readCertificates(file: string, asked: boolean) {
  const text = await readSmallFile(file);
  if (text === undefined) throw new UserError(`${file} is missing.`);
  const blocks = parsePem(text, file).filter((block) => block.label === 'CERTIFICATE');
  if (asked && blocks.length === 0) throw new UserError(`${file} holds no certificate in PEM.`);
  return blocks.map(({ der }, i) => ({
    file,
    index: i + 1,
    certificate: parseCertificate(der, blocks.length === 1 ? file : `Certificate ${i + 1} of ${file}`),
  }));
}

const unique = (certificates: readonly Certificate[]) => [
  ...new Map(certificates.map((c) => [c.fingerprint, c])).values(),
];

function keyOf(certificate: Certificate): string {
  try {
    return describeKey(certificate.publicKey);
  } catch {
    return 'unknown';
  }
}

function namesOf(certificate: Certificate): string[] {
  const { dnsNames, uris, ips, emails } = certificate.extensions.subjectAltNames;
  return [
    ...dnsNames.map((n) => `DNS:${n}`),
    ...uris.map((n) => `URI:${n}`),
    ...ips.map((ip) => `IP:${formatIp(ip)}`),
    ...emails.map((n) => `email:${n}`),
  ];
}
