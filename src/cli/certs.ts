import { type Command, Option } from 'commander';
import type { CertificateEntry, CertificatesResponse } from '../config/control/mesh-api.ts';
import { Exit, type Streams } from './command.ts';
import { addMeshFlag, connect, type MeshFlags } from './kubectl/flags.ts';
import { formatAge } from './output/age.ts';
import { formatTable } from './output/table.ts';
import { formatLeft, formatMinute } from './output/time-left.ts';

interface Flags extends MeshFlags {
  readonly output?: 'json';
}

const NOTES = `
Leaves are what workloads present, issuers and roots what stands above them and what is trusted. RENEWED is when an
agent last got the certificate; what no agent renews has none. The exit code is 1 when a renewal is overdue, a
certificate has expired, or a workload cannot be asked.

Examples:
  isthmus certs
  isthmus certs renew
  isthmus certs -o json | jq -r '.certificates[] | select(.kind == "leaf") | [.name, .secondsLeft] | @tsv'
`;

/** `isthmus certs`: every certificate of a running mesh, with what is left of its life. */
export function define(command: Command, streams: Streams): void {
  command.addOption(new Option('-o, --output <format>', 'output format').choices(['json'])).addHelpText('after', NOTES);
  defineRenew(command, streams);
  addMeshFlag(command).action(async (flags: Flags) => {
    const { client } = await connect(flags);
    const found = await client.certificates();
    const now = Date.now();
    streams.stdout.write(flags.output === 'json' ? toJson(found, now) : formatCertificates(found, now));
    if (troubles(found).length > 0) throw new Exit(1);
  });
}

function defineRenew(parent: Command, streams: Streams): void {
  const command = parent
    .command('renew [workloads...]')
    .summary('renew certificates before they are due')
    .description('Has workloads, named as NAME.NAMESPACE, get new keys and certificates now. Without names all do.');
  addMeshFlag(command).action(async (workloads: string[], flags: MeshFlags) => {
    const { client } = await connect(flags);
    const { renewed, problems } = await client.renew(workloads.length === 0 ? {} : { workloads });
    const failed = new Set(problems.map(({ workload }) => workload));
    for (const workload of renewed) if (!failed.has(workload)) streams.stdout.write(`${workload} renews\n`);
    for (const { workload, problem } of problems) streams.stderr.write(`error: ${workload}: ${problem}\n`);
    if (problems.length > 0) throw new Exit(1);
  });
}

/** What is wrong with the certificates of a mesh, a sentence each. */
export function troubles({ certificates, problems }: CertificatesResponse): string[] {
  return [
    ...problems.map(({ workload, problem }) => `${workload}: ${problem}`),
    ...certificates.flatMap(({ name, workloads, problem }) =>
      problem === undefined ? [] : [`${workloads.length > 0 ? workloads.join(', ') : name}: ${problem}`],
    ),
  ];
}

/** Secrets that proxies wait for, a sentence each. */
export function missingSecrets({ waiting = [] }: CertificatesResponse): string[] {
  return waiting.map(({ workload, secret }) => `${workload}: the secret ${secret} has not come`);
}

const HEADER = ['KIND', 'NAME', 'WORKLOADS', 'SECRETS', 'KEY', 'SERIAL', 'NOT AFTER', 'LEFT', 'RENEWED', 'STATUS'];
/** A root is trusted by everybody. */
const MOST_NAMES = 2;

/** The table for people. */
export function formatCertificates(found: CertificatesResponse, now: number): string {
  const { certificates, problems } = found;
  const rows = certificates.map((certificate) => [
    certificate.kind,
    certificate.name,
    some(certificate.workloads, 'workloads'),
    some(certificate.resources, 'secrets'),
    certificate.key,
    certificate.serial.slice(0, 16),
    formatMinute(certificate.notAfter),
    formatLeft(certificate.notAfter - now),
    certificate.lastRenewal === undefined ? '-' : `${formatAge(now - certificate.lastRenewal)} ago`,
    certificate.problem ?? 'ok',
  ]);
  const wrong = [...problems.map(({ workload, problem }) => `${workload}: ${problem}`), ...missingSecrets(found)];
  const notes = wrong.map((sentence) => `error: ${sentence}\n`);
  return formatTable([HEADER, ...rows], 3) + notes.join('');
}

function some(names: readonly string[], what: string): string {
  if (names.length === 0) return '-';
  return names.length <= MOST_NAMES ? names.join(',') : `${names.length} ${what}`;
}

/** One line about the certificates of a mesh: how many there are, and what is next. */
export function certificatesLine(found: CertificatesResponse, now: number): string {
  const leaves = found.certificates.filter(({ kind }) => kind === 'leaf');
  const first = Math.min(...leaves.map(({ notAfter }) => notAfter));
  const count = `${leaves.length} ${leaves.length === 1 ? 'leaf' : 'leaves'}`;
  const left = leaves.length === 0 ? '' : `, the first ${first < now ? '' : 'ends in '}${formatLeft(first - now)}`;
  const wrong = troubles(found);
  if (wrong.length === 0) return `${count}${left}; none is overdue`;
  return `${count}${left}; ${wrong[0]}${wrong.length > 1 ? ` and ${wrong.length - 1} more, see "isthmus certs"` : ''}`;
}

function toJson({ certificates, problems, waiting = [] }: CertificatesResponse, now: number): string {
  const time = (ms: number) => new Date(ms).toISOString();
  const entry = ({ notBefore, notAfter, lastRenewal, renewalDue, ...rest }: CertificateEntry) => ({
    ...rest,
    notBefore: time(notBefore),
    notAfter: time(notAfter),
    secondsLeft: Math.floor((notAfter - now) / 1000),
    ...(lastRenewal !== undefined && { lastRenewal: time(lastRenewal) }),
    renewalDue: time(renewalDue),
  });
  return `${JSON.stringify({ certificates: certificates.map(entry), problems, waiting }, null, 2)}\n`;
}
