import { isIP } from 'node:net';
import type { CaptureOptions } from './options.ts';

const TABLES = ['raw', 'mangle', 'nat'] as const;
type Table = (typeof TABLES)[number];

/** A rule of iptables: `iptables -t TABLE -A CHAIN MATCH...`. */
export interface Rule {
  readonly table: Table;
  readonly chain: string;
  /** Everything after the chain, one word each. */
  readonly args: readonly string[];
}

type Family = 4 | 6;

const INBOUND = 'ISTIO_INBOUND';
const IN_REDIRECT = 'ISTIO_IN_REDIRECT';
const DIVERT = 'ISTIO_DIVERT';
const TPROXY = 'ISTIO_TPROXY';
const OUTPUT = 'ISTIO_OUTPUT';
const OUTPUT_DNS = 'ISTIO_OUTPUT_DNS';
const REDIRECT = 'ISTIO_REDIRECT';

/** The source of what the proxy sends to the programs of its own pod, and localhost. */
const ADDRESSES = {
  4: { passthrough: '127.0.0.6/32', localhost: '127.0.0.1/32' },
  6: { passthrough: '::6/128', localhost: '::1/128' },
} as const;

/**
 * The rules of one address family, in the order in which they are added: Istio's own chains, first what bypasses the
 * proxy, then what goes to it. What comes from the proxy is told by its user and group.
 */
export function captureRules(options: CaptureOptions, family: Family): Rule[] {
  return [
    ...inboundRules(options, family),
    ...outboundRules(options, family),
    ...(isTransparent(options) ? markRules(options, family) : []),
    ...dnsZones(options, family),
  ];
}

const nat = (chain: string, ...args: readonly string[]): Rule => ({ table: 'nat', chain, args });
const mangle = (chain: string, ...args: readonly string[]): Rule => ({ table: 'mangle', chain, args });
const raw = (chain: string, ...args: readonly string[]): Rule => ({ table: 'raw', chain, args });
const tcpTo = (port: number) => ['-p', 'tcp', '--dport', String(port)];

/** Whether what comes in keeps its addresses on the way to the proxy. */
function isTransparent({ inboundMode, includeInboundPorts }: CaptureOptions): boolean {
  return inboundMode === 'TPROXY' && includeInboundPorts.length > 0;
}

function inboundRules(options: CaptureOptions, family: Family): Rule[] {
  const { includeInboundPorts, excludeInboundPorts, excludeInterfaces } = options;
  const rules = [
    nat(INBOUND, ...tcpTo(options.tunnelPort), '-j', 'RETURN'),
    nat(REDIRECT, '-p', 'tcp', '-j', 'REDIRECT', '--to-ports', String(options.outboundPort)),
    nat(IN_REDIRECT, '-p', 'tcp', '-j', 'REDIRECT', '--to-ports', String(options.inboundPort)),
  ];
  if (includeInboundPorts.length === 0) return rules;
  const transparent = isTransparent(options);
  const add = transparent ? mangle : nat;
  const take = (...match: readonly string[]) =>
    transparent
      ? [
          mangle(INBOUND, '-p', 'tcp', ...match, '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', DIVERT),
          mangle(INBOUND, '-p', 'tcp', ...match, '-j', TPROXY),
        ]
      : [nat(INBOUND, '-p', 'tcp', ...match, '-j', IN_REDIRECT)];
  for (const name of excludeInterfaces) rules.push(add('PREROUTING', '-i', name, '-j', 'RETURN'));
  rules.push(add('PREROUTING', '-p', 'tcp', '-j', INBOUND));
  if (transparent) rules.push(...transparentRules(options, family));
  if (includeInboundPorts !== '*')
    return [...rules, ...includeInboundPorts.flatMap((port) => take('--dport', String(port)))];
  const excluded = excludeInboundPorts.map((port) => add(INBOUND, ...tcpTo(port), '-j', 'RETURN'));
  return [...rules, ...excluded, ...take()];
}

/**
 * What `ip` is told besides, in the terms of ip-route(8) and ip-rule(8): packets with the mark of TPROXY are for this
 * namespace whatever their address, and of IPv6 the address has to be made by which programs tell the proxy.
 */
export function captureRoutes(options: CaptureOptions, family: Family): string[][] {
  const source = family === 6 ? [['addr', 'replace', ADDRESSES[6].passthrough, 'dev', 'lo', 'nodad']] : [];
  if (!isTransparent(options)) return source;
  const [mark, table] = [String(options.tproxyMark), String(options.tproxyTable)];
  return [
    ...source,
    ['rule', 'add', 'fwmark', mark, 'lookup', table],
    ['route', 'add', 'local', 'default', 'dev', 'lo', 'table', table],
  ];
}

/** Mark of what the proxy sends to its own pod by the pod's address, which comes in like anybody else's. */
const OWN_POD_MARK = '1338';

/** What goes to the proxy with its addresses as they are, and what is on its way between the proxy and its programs. */
function transparentRules({ tproxyMark, inboundPort }: CaptureOptions, family: Family): Rule[] {
  const { passthrough, localhost } = ADDRESSES[family];
  const mark = String(tproxyMark);
  const place = ['--tproxy-mark', `${mark}/0xffffffff`, '--on-port', String(inboundPort)];
  return [
    mangle(DIVERT, '-j', 'MARK', '--set-mark', mark),
    mangle(DIVERT, '-j', 'ACCEPT'),
    mangle(TPROXY, '!', '-d', localhost, '-p', 'tcp', '-j', 'TPROXY', ...place),
    mangle(INBOUND, '-p', 'tcp', '-m', 'mark', '--mark', mark, '-j', 'RETURN'),
    mangle(INBOUND, '-p', 'tcp', '-s', passthrough, '-i', 'lo', '-j', 'RETURN'),
    mangle(INBOUND, '-p', 'tcp', '-i', 'lo', '-m', 'mark', '!', '--mark', OWN_POD_MARK, '-j', 'RETURN'),
  ];
}

/**
 * Marks of connections that the proxy makes with a client's address: the answers of programs would otherwise leave for
 * that client.
 */
function markRules(options: CaptureOptions, family: Family): Rule[] {
  const mark = String(options.tproxyMark);
  const { localhost } = ADDRESSES[family];
  return [
    mangle('PREROUTING', '-p', 'tcp', '-m', 'mark', '--mark', mark, '-j', 'CONNMARK', '--save-mark'),
    ...options.excludeInterfaces.map((name) => mangle('OUTPUT', '-o', name, '-j', 'RETURN')),
    mangle('OUTPUT', '-p', 'tcp', '-o', 'lo', '-m', 'mark', '--mark', mark, '-j', 'RETURN'),
    ...owners(options).map(([flag, id]) =>
      mangle(
        'OUTPUT',
        ...['!', '-d', localhost, '-p', 'tcp', '-o', 'lo', '-m', 'owner', flag, id],
        ...['-j', 'MARK', '--set-mark', OWN_POD_MARK],
      ),
    ),
    mangle('OUTPUT', '-p', 'tcp', '-m', 'connmark', '--mark', mark, '-j', 'CONNMARK', '--restore-mark'),
  ];
}

function outboundRules(options: CaptureOptions, family: Family): Rule[] {
  const { includeOutboundPorts, excludeOutboundPorts, excludeInterfaces } = options;
  const { passthrough, localhost } = ADDRESSES[family];
  const excludedRanges = ofFamily(options.excludeOutboundRanges, family);
  const rules = excludeInterfaces.map((name) => nat('OUTPUT', '-o', name, '-j', 'RETURN'));
  rules.push(nat('OUTPUT', '-j', OUTPUT));
  for (const port of excludeOutboundPorts) {
    for (const protocol of ['tcp', 'udp'])
      rules.push(nat(OUTPUT, '-p', protocol, '--dport', String(port), '-j', 'RETURN'));
  }
  rules.push(nat(OUTPUT, '-o', 'lo', '-s', passthrough, '-j', 'RETURN'));
  // istio-iptables has no such rule; without it Linux 6.18 sends what the proxy passes on back to the proxy.
  if (isTransparent(options))
    rules.push(
      nat(OUTPUT, '-o', 'lo', '-p', 'tcp', '-m', 'mark', '--mark', String(options.tproxyMark), '-j', 'RETURN'),
    );
  rules.push(...owners(options).flatMap((owner) => proxyRules(options, owner, localhost)));
  rules.push(...dnsRules(options, family));
  const others = ofFamily(options.loopbackRanges, family);
  rules.push(...others.map((range) => nat(OUTPUT, '-d', range, '-p', 'tcp', '-j', REDIRECT)));
  rules.push(nat(OUTPUT, '-d', others.length > 0 ? '127.0.0.0/8' : localhost, '-j', 'RETURN'));
  rules.push(...excludedRanges.map((range) => nat(OUTPUT, '-d', range, '-j', 'RETURN')));
  rules.push(...includeOutboundPorts.map((port) => nat(OUTPUT, ...tcpTo(port), '-j', REDIRECT)));
  if (options.includeOutboundRanges === '*') rules.push(nat(OUTPUT, '-p', 'tcp', '-j', REDIRECT));
  else {
    const included = ofFamily(options.includeOutboundRanges, family);
    rules.push(...included.map((range) => nat(OUTPUT, '-d', range, '-p', 'tcp', '-j', REDIRECT)));
  }
  return rules;
}

/** How the proxy is told from the programs, by each of its users and groups. */
function owners({ proxyUids, proxyGids }: CaptureOptions): [flag: string, id: string][] {
  const uids = proxyUids.map((id): [string, string] => ['--uid-owner', String(id)]);
  return [...uids, ...proxyGids.map((id): [string, string] => ['--gid-owner', String(id)])];
}

/** A proxy that calls its own pod by the pod's address comes in like anybody else; whatever else it sends goes out. */
function proxyRules({ tunnelPort, dns }: CaptureOptions, [flag, id]: [string, string], localhost: string): Rule[] {
  const isUser = flag === '--uid-owner';
  const elsewhere =
    dns && isUser ? ['-m', 'multiport', '!', '--dports', `53,${tunnelPort}`] : ['!', '--dport', String(tunnelPort)];
  const fromProgram = dns ? ['-p', 'tcp', '!', '--dport', '53'] : [];
  const own = ['-m', 'owner', flag, id];
  return [
    nat(OUTPUT, '-o', 'lo', '!', '-d', localhost, '-p', 'tcp', ...elsewhere, ...own, '-j', IN_REDIRECT),
    // Programs of a pod speak to each other directly, but ask the agent for names.
    nat(OUTPUT, '-o', 'lo', ...fromProgram, '-m', 'owner', '!', flag, id, '-j', 'RETURN'),
    nat(OUTPUT, ...own, '-j', 'RETURN'),
  ];
}

/** Whom DNS queries are taken from: each server with its match, or everyone. */
function serversOf({ dns }: CaptureOptions, family: Family, flag: '-d' | '-s'): string[][] {
  if (dns === undefined) return [];
  if (dns.servers === '*') return [[]];
  return dns.servers.filter((ip) => isIP(ip) === family).map((ip) => [flag, `${ip}/${family === 4 ? 32 : 128}`]);
}

function dnsRules(options: CaptureOptions, family: Family): Rule[] {
  const { dns } = options;
  if (dns === undefined) return [];
  const servers = serversOf(options, family, '-d');
  const take = (protocol: string) =>
    servers.map((match) =>
      nat(OUTPUT_DNS, '-p', protocol, '--dport', '53', ...match, '-j', 'REDIRECT', '--to-ports', String(dns.port)),
    );
  const own = owners(options).map(([flag, id]) =>
    nat(OUTPUT_DNS, '-p', 'udp', '--dport', '53', '-m', 'owner', flag, id, '-j', 'RETURN'),
  );
  return [nat(OUTPUT, '-j', OUTPUT_DNS), ...take('tcp'), ...own, ...take('udp')];
}

/**
 * Zones of connection tracking. A query of a program and the agent's own, sent on, may have the same addresses and
 * ports; without zones one of the two would be lost.
 */
function dnsZones(options: CaptureOptions, family: Family): Rule[] {
  const { dns } = options;
  // Where the agent is in another network, its queries are too.
  if (dns === undefined || owners(options).length === 0) return [];
  const zone = (number: number) => ['-j', 'CT', '--zone', String(number)];
  const rules = [raw('OUTPUT', '-j', OUTPUT_DNS)];
  for (const [flag, id] of owners(options)) {
    const own = ['-m', 'owner', flag, id];
    rules.push(raw(OUTPUT_DNS, '-p', 'udp', '--dport', '53', ...own, ...zone(1)));
    rules.push(raw(OUTPUT_DNS, '-p', 'udp', '--sport', String(dns.port), ...own, ...zone(2)));
  }
  rules.push(raw('PREROUTING', '-j', INBOUND));
  for (const match of serversOf(options, family, '-d'))
    rules.push(raw(OUTPUT_DNS, '-p', 'udp', '--dport', '53', ...match, ...zone(2)));
  for (const match of serversOf(options, family, '-s'))
    rules.push(raw(INBOUND, '-p', 'udp', '--sport', '53', ...match, ...zone(1)));
  return rules;
}

function ofFamily(ranges: readonly string[], family: Family): string[] {
  return ranges.filter((range) => isIP(range.split('/')[0]!) === family);
}

/** The rules as `iptables-restore --noflush` reads them, which takes all of a table or nothing. */
export function restoreText(rules: readonly Rule[]): string {
  const lines: string[] = [];
  for (const table of TABLES) {
    const own = rules.filter((rule) => rule.table === table);
    if (own.length === 0) continue;
    const chains = new Set(own.flatMap(({ chain, args }) => [chain, args[args.indexOf('-j') + 1]!]));
    lines.push(`*${table}`);
    for (const chain of chains) if (chain.startsWith('ISTIO_')) lines.push(`:${chain} - [0:0]`);
    for (const { chain, args } of own) lines.push(['-A', chain, ...args].join(' '));
    lines.push('COMMIT');
  }
  return `${lines.join('\n')}\n`;
}
