import path from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type Inspected,
  inspect,
  isDnsName,
  KEY_TYPES,
  type KeyType,
  LEAF_LAYOUTS,
  type LeafLayout,
  type Made,
  makeIntermediate,
  makeLeaf,
  makeRoot,
  parseName,
  toSubjectAltNames,
} from '../app/ca.ts';
import { UserError } from '../base/errors.ts';
import { defineRotate } from './ca-rotate.ts';
import type { Streams } from './command.ts';
import { formatLeft, formatMinute } from './output/time-left.ts';

const DAY_MS = 24 * 3_600_000;

/** What the three commands that make something have in common. */
interface MakeFlags {
  readonly dir?: string;
  readonly subject?: string;
  readonly key: KeyType;
  readonly days: number;
  readonly force?: true;
}

export function define(command: Command, streams: Streams): void {
  command.addHelpText('after', OVERVIEW).action(() => command.help({ error: true }));
  defineRoot(command);
  defineIntermediate(command);
  defineIssue(command);
  defineInspect(command);
  defineRotate(command, streams);
}

const OVERVIEW = `
Examples:
  # A root, an intermediate for Istio, and one for virtual machines, under one trust
  isthmus ca root --dir certs
  isthmus ca intermediate istio --ca certs
  isthmus ca intermediate vms --ca certs
  kubectl create secret generic cacerts -n istio-system --from-file=certs/istio

  # Certificates for a gateway, for a client of it, and for a workload
  isthmus ca issue shop.example.com --ca certs
  isthmus ca issue curl --client --ca certs
  isthmus ca issue vm1 --spiffe spiffe://cluster.local/ns/vms/sa/vm1 --ca certs/vms

  # Another root for a running mesh, without an outage
  isthmus ca rotate start && isthmus ca rotate next --wait

  # What there is, for whom, until when, and whether it verifies
  isthmus ca inspect certs
`;

function withMakeFlags(command: Command, days: number, dir: string): Command {
  return command
    .option('--dir <folder>', `folder for the new files (default: ${dir})`)
    .option('--subject <name>', 'subject, as "/O=Example/CN=name" or "O=Example, CN=name"')
    .addOption(new Option('--key <type>', 'type of the private key').choices(KEY_TYPES).default('ecdsa-p256'))
    .option('--days <number>', 'lifetime in days', parseDays, days)
    .option('--force', 'replace files that exist; a key that is replaced is gone');
}

/** `dir` is asked only where no folder was given. */
function common(flags: MakeFlags, dir: () => string, subject: string) {
  return {
    dir: flags.dir ?? dir(),
    subject: parseName(flags.subject ?? subject),
    keyType: flags.key,
    ttlMs: flags.days * DAY_MS,
    now: Date.now(),
    force: flags.force ?? false,
  };
}

function defineRoot(parent: Command): void {
  const command = parent
    .command('root')
    .summary('make a root authority')
    .description('Makes a self-signed root: root-cert.pem for everybody, root-key.pem for nobody but the authority.');
  withMakeFlags(command, 3650, 'certs')
    .addHelpText(
      'after',
      `
Examples:
  isthmus ca root
  isthmus ca root --dir certs --subject "/O=Cargo Inc./CN=Cargo root" --key rsa-4096 --days 7300
`,
    )
    .action(async (flags: MakeFlags) => {
      const made = await makeRoot(common(flags, () => 'certs', '/O=Istio/CN=Root CA'));
      report(made);
    });
}

function defineIntermediate(parent: Command): void {
  const command = parent
    .command('intermediate <name>')
    .summary('make an intermediate authority')
    .description(
      'Makes an intermediate, signed by a root or by another intermediate. The folder is a complete "cacerts": ' +
        'ca-cert.pem, ca-key.pem, cert-chain.pem and root-cert.pem.',
    );
  withMakeFlags(command, 730, 'a folder NAME beside the authority')
    .option('--ca <folder>', 'folder of the authority that signs', 'certs')
    .option('--path-length <number>', 'how many further authorities may stand below', parseCount, 0)
    .addHelpText(
      'after',
      `
Examples:
  isthmus ca intermediate istio --ca certs
  kubectl create secret generic cacerts -n istio-system --from-file=certs/istio
  isthmus ca intermediate istio --ca certs --subject "/O=Cargo Inc./CN=Mesh" --days 365 --dir cacerts
`,
    )
    .action(async (name: string, flags: MakeFlags & { ca: string; pathLength: number }) => {
      const options = common(
        flags,
        () => path.join(flags.ca, folderName(name)),
        `/O=Istio/CN=Intermediate CA/L=${escapeName(name)}`,
      );
      const made = await makeIntermediate({ ...options, authority: flags.ca, pathLength: flags.pathLength });
      report(made, [`kubectl create secret generic cacerts -n istio-system --from-file=${options.dir}`]);
    });
}

interface IssueFlags extends MakeFlags {
  readonly ca: string;
  readonly dns?: readonly string[];
  readonly ip?: readonly string[];
  readonly spiffe?: string;
  readonly server?: true;
  readonly client?: true;
  readonly files?: LeafLayout;
}

function defineIssue(parent: Command): void {
  const command = parent
    .command('issue <name>')
    .summary('issue a certificate for a server, a client or a workload')
    .description(
      'Makes a key and a certificate with its chain. Without --dns, --ip and --spiffe the name itself is the DNS name ' +
        'of a server. With neither --server nor --client the certificate is good for both.',
    );
  withMakeFlags(command, 365, 'a folder NAME beside the authority')
    .option('--ca <folder>', 'folder of the authority that signs', 'certs')
    .option('--dns <names>', 'DNS names, separated by commas; may be repeated', collect)
    .option('--ip <addresses>', 'IP addresses, separated by commas; may be repeated', collect)
    .option('--spiffe <id>', 'SPIFFE ID of a workload, as spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT')
    .option('--server', 'for TLS servers only')
    .option('--client', 'for TLS clients only')
    .addOption(
      new Option(
        '--files <names>',
        'tls: tls.crt tls.key ca.crt; mesh: cert-chain.pem key.pem root-cert.pem (default: tls, with --spiffe mesh)',
      ).choices(Object.keys(LEAF_LAYOUTS)),
    )
    .addHelpText(
      'after',
      `
Examples:
  # A gateway's server certificate, and the secret that credentialName refers to
  isthmus ca issue shop.example.com --dns shop.example.com,www.shop.example.com --ca certs
  kubectl create secret tls shop -n istio-system --cert=certs/shop.example.com/tls.crt --key=certs/shop.example.com/tls.key

  # A client certificate, and mutual TLS with it
  isthmus ca issue curl --client --ca certs
  curl --cacert certs/curl/ca.crt --cert certs/curl/tls.crt --key certs/curl/tls.key https://shop.example.com

  # A workload outside the mesh's own authority, such as Envoy on a virtual machine
  isthmus ca issue vm1 --spiffe spiffe://cluster.local/ns/vms/sa/vm1 --ca certs/vms
`,
    )
    .action(async (name: string, flags: IssueFlags) => {
      const { dns = [], ip = [] } = flags;
      const unnamed = dns.length === 0 && ip.length === 0 && flags.spiffe === undefined;
      if (unnamed && !flags.client && !isDnsName(name))
        throw new UserError(
          `"${name}" is not a DNS name; give the certificate one with --dns, or --ip, --spiffe or --client.`,
        );
      const dnsNames = unnamed && !flags.client ? [name] : dns;
      // A workload is known by its SPIFFE ID alone, as with Istio.
      const subject = flags.spiffe !== undefined ? '' : `CN=${escapeName(name)}`;
      const options = common(flags, () => path.join(flags.ca, folderName(name)), subject);
      const layout = flags.files ?? (flags.spiffe === undefined ? 'tls' : 'mesh');
      const either = !flags.server && !flags.client;
      const made = await makeLeaf({
        ...options,
        authority: flags.ca,
        names: toSubjectAltNames({ dns: dnsNames, ips: ip, spiffe: flags.spiffe }),
        server: either || flags.server === true,
        client: either || flags.client === true,
        layout,
      });
      report(made, layout === 'tls' ? [secretCommand(name, options.dir)] : []);
    });
}

function secretCommand(name: string, dir: string): string {
  const { chain, key } = LEAF_LAYOUTS.tls;
  const secret = name
    .toLowerCase()
    .replace(/^\*\./, '')
    .replace(/[^a-z0-9.-]/g, '-');
  return `kubectl create secret tls ${secret} -n istio-system --cert=${path.join(dir, chain)} --key=${path.join(dir, key)}`;
}

interface InspectFlags {
  readonly roots?: string;
  readonly output: 'table' | 'json';
  readonly check?: true;
}

function defineInspect(parent: Command): void {
  parent
    .command('inspect <paths...>')
    .summary('show certificates and whether they verify')
    .description(
      'Shows every certificate in the files and folders, and verifies each with all the others. Self-signed ones count as ' +
        'trusted roots, unless --roots says which do.',
    )
    .option('--roots <file>', 'verify with these roots')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['table', 'json']).default('table'))
    .option('--check', 'end with exit code 1 if a certificate has expired or does not verify')
    .addHelpText(
      'after',
      `
Examples:
  isthmus ca inspect certs
  isthmus ca inspect /etc/certs/cert-chain.pem --roots /etc/certs/root-cert.pem
  isthmus ca inspect certs -o json | jq -r '.[] | select(.secondsLeft < 604800) | .file'
`,
    )
    .action(async (paths: string[], flags: InspectFlags) => {
      const now = Date.now();
      const found = await inspect(paths, { now, roots: flags.roots });
      const text =
        flags.output === 'json'
          ? `${JSON.stringify(
              found.map((f) => toJson(f, now)),
              null,
              2,
            )}\n`
          : toTable(found, now);
      process.stdout.write(text);
      if (flags.check && found.some((f) => f.problem !== undefined)) process.exitCode = 1;
    });
}

const COLUMNS = ['FILE', 'SUBJECT', 'ISSUER', 'NAMES', 'KEY', 'NOT BEFORE', 'NOT AFTER', 'LEFT', 'SHA256', 'CHAIN'];

function toTable(found: readonly Inspected[], now: number): string {
  const many = new Set(found.filter((f) => f.index > 1).map((f) => f.file));
  const rows = found.map((f) => [
    many.has(f.file) ? `${f.file}#${f.index}` : f.file,
    f.certificate.subjectName || '-',
    f.certificate.issuerName || '-',
    f.names.join(',') || '-',
    f.key,
    formatMinute(f.certificate.notBefore),
    formatMinute(f.certificate.notAfter),
    formatLeft(f.certificate.notAfter - now),
    f.certificate.fingerprint.slice(0, 16),
    f.problem ?? verdict(f),
  ]);
  const widths = COLUMNS.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i].length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('   ')
      .trimEnd();
  return `${[COLUMNS, ...rows].map(line).join('\n')}\n`;
}

function verdict({ path: chain = [] }: Inspected): string {
  const root = chain[chain.length - 1];
  return chain.length === 1 ? 'OK, a root' : `OK, to ${root.displayName}`;
}

function toJson({ file, index, certificate, key, names, path: chain, problem }: Inspected, now: number) {
  return {
    file,
    index,
    subject: certificate.subjectName,
    issuer: certificate.issuerName,
    serial: certificate.serial,
    names,
    key,
    ca: certificate.extensions.basicConstraints?.ca ?? false,
    notBefore: new Date(certificate.notBefore).toISOString(),
    notAfter: new Date(certificate.notAfter).toISOString(),
    secondsLeft: Math.floor((certificate.notAfter - now) / 1000),
    sha256: certificate.fingerprint,
    verified: problem === undefined,
    ...(problem === undefined ? { chain: chain?.map((c) => c.displayName) } : { problem }),
  };
}

function report({ certificate, files, shortened }: Made, next: readonly string[] = []): void {
  const lines = files.map(
    (file) => `Wrote ${file}${/(^|[-.])key(\.|$)/.test(path.basename(file)) ? ' (private key, mode 0600)' : ''}`,
  );
  const until = formatMinute(certificate.notAfter);
  lines.push(shortened ? `Valid until ${until}, when its issuer expires` : `Valid until ${until}`);
  if (next.length > 0) lines.push('Next:', ...next.map((text) => `  ${text}`));
  process.stdout.write(`${lines.join('\n')}\n`);
}

function parseDays(text: string): number {
  const days = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || days <= 0 || days > 36_500)
    throw new InvalidArgumentError('It must be a number of days up to 36500.');
  return days;
}

function parseCount(text: string): number {
  if (!/^\d{1,2}$/.test(text)) throw new InvalidArgumentError('It must be a number from 0 to 99.');
  return Number(text);
}

const collect = (text: string, before: readonly string[] | undefined) => [
  ...(before ?? []),
  ...text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
];

/** A name becomes a folder of its own, never a path. */
function folderName(name: string): string {
  const folder = name.replace(/^\*\./, 'wildcard.');
  if (!/^[A-Za-z0-9_][A-Za-z0-9._@-]*$/.test(folder))
    throw new UserError(
      `"${name}" cannot be the name of a folder; use letters, digits, dots and dashes, or give --dir.`,
    );
  return folder;
}

const escapeName = (name: string) => name.slice(0, 64).replace(/[\\,/]/g, '\\$&');
