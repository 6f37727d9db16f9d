import { formatLocation } from '../../base/errors.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { End, Pair, Security } from '../../explain/mutual-tls/pairs.ts';
import { explainPlaintext, meshDecision, type SecurityObjects } from '../../explain/mutual-tls/policy.ts';
import { kubectlTable } from '../kubectl/object-table.ts';

export interface MutualTlsReport {
  readonly mesh: string;
  readonly pairs: readonly Pair[];
  /** Proxies that could not be asked. */
  readonly problems: readonly { readonly proxy: string; readonly problem: string }[];
  readonly objects: SecurityObjects;
  /** Milliseconds that were counted for; undefined for all the time of the proxies. */
  readonly during: number | undefined;
}

const LOCK = '\u{1f512}';
/** Two places wide, as the lock is: tables count characters. */
const LOCK_PLACE = '\ue000\ue000';

const WORDS: Readonly<Record<Security, string>> = { mutual_tls: 'mutual TLS', none: 'plaintext', unknown: 'unknown' };
const HEADER = ['SOURCE', 'DESTINATION', 'PROTOCOL', 'SECURITY', 'COUNT', 'SOURCE PRINCIPAL', 'DESTINATION PRINCIPAL'];

/** Whether the output is a terminal that has the lock in its fonts, as far as anybody can tell: one that speaks UTF-8. */
export function canShowLock(env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return isTerminal && /utf-?8/i.test(locale) && !['', 'dumb', 'linux'].includes(env.TERM ?? '');
}

/** What `status --mtls` prints for people. */
export function formatMutualTls(report: MutualTlsReport, hasLock: boolean): string {
  const { mesh, pairs, objects, problems } = report;
  const lock = hasLock ? `${LOCK} ` : '';
  const isSafe = pairs.length > 0 && problems.length === 0 && pairs.every(({ security }) => security === 'mutual_tls');
  const { mode, by } = meshDecision(objects);
  const policy = by ? `${mode}, by ${objectName(by)}` : `${mode}, as no PeerAuthentication is for all of it`;
  const sections = [
    `mesh ${mesh}: ${isSafe ? lock : ''}${summary(report)}\npolicy of the mesh: ${mode === 'STRICT' ? lock : ''}${policy}\n`,
  ];
  if (pairs.length > 0) sections.push(table(pairs, hasLock));
  const notes = [
    ...pairs.filter(({ security }) => security === 'none').map((pair) => plaintextNote(pair, objects)),
    ...pairs.filter(({ security }) => security === 'unknown').map(unknownNote),
    ...problems.map(({ proxy, problem }) => `error: ${proxy}: ${problem}\n`),
  ];
  if (notes.length > 0) sections.push(notes.join(''));
  return sections.join('\n');
}

function summary({ pairs, during }: MutualTlsReport): string {
  const time = during === undefined ? 'since the proxies started' : `within ${during / 1000} s`;
  if (pairs.length === 0) return `no workload has spoken with another ${time}`;
  const count = (wanted: Security) => pairs.filter(({ security }) => security === wanted).length;
  const [safe, plain, unknown] = [count('mutual_tls'), count('none'), count('unknown')];
  const all = pairs.length === 1 ? 'the one pair of workloads' : `all of ${pairs.length} pairs of workloads`;
  const others = [...(plain > 0 ? [`${plain} in plaintext`] : []), ...(unknown > 0 ? [`${unknown} unknown`] : [])];
  const which = safe === pairs.length ? all : `${safe} of ${pairs.length} pairs of workloads`;
  return `mutual TLS on ${which}, counted ${time}${others.length > 0 ? `; ${others.join(', ')}` : ''}`;
}

function table(pairs: readonly Pair[], hasLock: boolean): string {
  const place = (security: Security) => (security === 'mutual_tls' ? `${LOCK_PLACE} ` : '   ');
  const rows = pairs.map((pair) => [
    endName(pair.source),
    destinationName(pair),
    pair.protocol,
    `${hasLock ? place(pair.security) : ''}${WORDS[pair.security]}`,
    countText(pair),
    principal(pair.source),
    principal(pair.destination),
  ]);
  return kubectlTable([HEADER, ...rows]).replaceAll(LOCK_PLACE, LOCK);
}

/** `NAMESPACE/WORKLOAD`; of a client that only has a certificate, its account: `NAMESPACE/sa/ACCOUNT`. */
function endName({ namespace, workload, principal: uri }: End): string {
  const [, own, account] = /\/ns\/([^/]+)\/(sa\/.+)$/.exec(uri) ?? [];
  if (workload === '' && own !== undefined) return `${own}/${account}`;
  return `${namespace === '' ? '' : `${namespace}/`}${workload || 'unknown'}`;
}

/** What has no proxy is known by the service that was asked for. */
function destinationName({ destination, services, security }: Pair): string {
  return security === 'unknown' && services.length > 0 ? services.join(',') : endName(destination);
}

function countText({ protocol, count }: Pair): string {
  const thing = protocol === 'tcp' ? 'connection' : 'request';
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}

/** As AuthorizationPolicy writes them: without the scheme. */
function principal({ principal: uri }: End): string {
  return uri.replace(/^spiffe:\/\//, '') || '-';
}

function plaintextNote(pair: Pair, objects: SecurityObjects): string {
  const why = explainPlaintext(pair, objects, objectName);
  return `plaintext: ${endName(pair.source)} to ${destinationName(pair)}: ${why}\n`;
}

function unknownNote(pair: Pair): string {
  const destination = destinationName(pair);
  return `unknown: ${endName(pair.source)} to ${destination}: the destination has no proxy of the mesh that could tell\n`;
}

/** `PeerAuthentication bookinfo/default (strict.yaml:3:1)` */
function objectName(object: ConfigObject): string {
  const { namespace, name } = object.metadata;
  return `${object.kind} ${namespace}/${name} (${formatLocation(object.locate([]))})`;
}

/** What `-o json` prints. */
export function mutualTlsJson({ mesh, pairs, problems, objects, during }: MutualTlsReport): string {
  const { mode, by } = meshDecision(objects);
  const counted = pairs.map((pair) => ({
    source: pair.source,
    destination: { ...pair.destination, services: pair.services },
    protocol: pair.protocol,
    security: pair.security,
    [pair.protocol === 'tcp' ? 'connections' : 'requests']: pair.count,
    ...(pair.security === 'none' && { cause: explainPlaintext(pair, objects, objectName) }),
  }));
  const whole = {
    mesh,
    encrypted: pairs.filter(({ security }) => security === 'mutual_tls').length,
    plaintext: pairs.filter(({ security }) => security === 'none').length,
    unknown: pairs.filter(({ security }) => security === 'unknown').length,
    policy: { mode, peerAuthentication: by === undefined ? null : `${by.metadata.namespace}/${by.metadata.name}` },
    secondsCounted: during === undefined ? null : during / 1000,
    pairs: counted,
    problems,
  };
  return `${JSON.stringify(whole, null, 2)}\n`;
}
