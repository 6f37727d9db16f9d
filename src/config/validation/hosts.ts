import { isIP } from 'node:net';

const LABEL = '[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?';
const DNS_LABEL = new RegExp(`^${LABEL}$`);
/** Istio lets a wildcard stand for a label or for its beginning: `*`, `*web`, `*-web`. */
const WILDCARD_LABEL = new RegExp(`^(?:\\*|(?:\\*|\\*-)?${LABEL})$`);
const ALL_DIGITS = /^[-+]?\d+$/;

/** RFC 1123 label in any case, as Istio reads the names of subsets, ports, gateways and the parts of hosts. */
export function isHostLabel(text: string): boolean {
  return text.length <= 63 && DNS_LABEL.test(text);
}

export function isIpAddress(text: string): boolean {
  return isIP(text) !== 0;
}

/** What is wrong with a fully qualified or short DNS name without wildcards, as a clause, or undefined. */
export function checkDnsName(name: string): string | undefined {
  return checkLength(name) ?? checkLabels(name, name);
}

/** The same, where the first label may be or begin with a wildcard. */
export function checkWildcardName(name: string): string | undefined {
  const wrong = checkLength(name);
  if (wrong !== undefined) return wrong;
  const dot = name.indexOf('.');
  const first = dot === -1 ? name : name.slice(0, dot);
  if (first.length > 63 || !WILDCARD_LABEL.test(first)) return notAName(name, first);
  return dot === -1 ? undefined : checkLabels(name.slice(dot + 1), name);
}

function checkLength(name: string): string | undefined {
  if (name === '') return 'must be a host name, not empty';
  return name.length > 255 ? 'is longer than the 255 characters of a host name' : undefined;
}

function checkLabels(labels: string, name: string): string | undefined {
  const parts = labels.split('.');
  const last = parts.length - 1;
  if (ALL_DIGITS.test(parts[last]!)) return `is not a host name: ${name} ends in a number`;
  for (const [i, part] of parts.entries()) {
    // A name may end with a dot, which says that it is complete.
    if (i === last && part === '') return undefined;
    if (!isHostLabel(part)) return notAName(name, part);
  }
  return undefined;
}

function notAName(name: string, label: string): string {
  const hint = label.includes('*') ? '; a wildcard may only be the first label' : '';
  return `is not a host name: ${JSON.stringify(label)} in ${JSON.stringify(name)} is not a label${hint}`;
}

/** Wildcards that are part of a label (`*web.com`) are accepted in some hosts and refused in others. */
export function hasPartialWildcard(host: string): boolean {
  return host.includes('*') && host.length !== 1 && !host.startsWith('*.');
}

/**
 * Whether two hosts, either of which may begin with a wildcard, have a name in common.
 * `*.foo.com` does not cover `foo.com`.
 */
export function hostsOverlap(a: string, b: string): boolean {
  return coversHost(a, b) || coversHost(b, a);
}

/** Whether every name that `part` stands for is one that `whole` stands for. */
export function coversHost(whole: string, part: string): boolean {
  if (!whole.startsWith('*')) return whole === part;
  if (!part.startsWith('*')) return part.endsWith(whole.slice(1));
  return part.length >= whole.length && part.slice(1).endsWith(whole.slice(1));
}

/** What is wrong with an IP address, as a clause, or undefined. */
export function checkIpAddress(text: string): string | undefined {
  return isIpAddress(text) ? undefined : `must be an IP address, not ${JSON.stringify(text)}`;
}

/** What is wrong with an IP address or a CIDR block, as a clause, or undefined. */
export function checkIpOrCidr(text: string): string | undefined {
  if (!text.includes('/')) return checkIpAddress(text);
  const [address, bits, ...more] = text.split('/');
  const version = isIP(address!);
  const zone = address!.includes('%');
  const isPrefix = /^(0|[1-9]\d{0,2})$/.test(bits!) && Number(bits) <= (version === 4 ? 32 : 128);
  if (version !== 0 && !zone && isPrefix && more.length === 0) return undefined;
  return `must be an IP address or a CIDR block such as 10.0.0.0/8, not ${JSON.stringify(text)}`;
}
