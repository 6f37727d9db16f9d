import { isIp } from '../../registry/address.ts';
import type { Service } from '../../registry/service.ts';
import { UNSPECIFIED } from '../../registry/service.ts';
import { bracketed, domainName } from '../names.ts';

/** The domains of a service's virtual host. */
export interface ServiceDomains {
  readonly domains: readonly string[];
  /** Those of the domains that are other spellings of a name, and give way where another service has it as its own. */
  readonly alternatives: ReadonlySet<string>;
}

/**
 * All that callers may put into the host header to mean a service: its names, with and without the parts of them that
 * the caller's resolver adds, and its addresses. With a port, each also with the port.
 */
export function serviceDomains(
  service: Service,
  addresses: readonly string[],
  port: number | undefined,
  dnsDomain: string,
): ServiceDomains {
  const domains: string[] = [];
  const alternatives = new Set<string>();
  for (const hostname of [service.hostname, ...service.aliases.map((alias) => alias.hostname)]) {
    domains.push(...withPort(hostname, port));
    for (const name of alternativeNames(hostname, port, dnsDomain)) {
      domains.push(name);
      alternatives.add(name);
    }
  }
  // Each pod of a headless service has a name under the service's.
  if (service.resolution === 'PASSTHROUGH' && service.origin === 'Kubernetes') {
    domains.push(...domains.map((domain) => `*.${domain}`));
  }
  for (const address of addresses) if (address !== UNSPECIFIED) domains.push(...withPort(address, port));
  return { domains, alternatives };
}

function withPort(host: string, port: number | undefined): string[] {
  return port === undefined ? [bracketed(host)] : [bracketed(host), domainName(host, port)];
}

function alternativeNames(hostname: string, port: number | undefined, dnsDomain: string): string[] {
  const absolute: string[] = [];
  if (!isIp(hostname)) absolute.push(`${hostname}.`);
  if (port !== undefined) absolute.push(domainName(`${hostname}.`, port));
  return [...absolute, ...shortNames(hostname, dnsDomain).flatMap((name) => withPort(name, port))];
}

/** Names that a resolver with `dnsDomain` in its search list completes to `hostname`. */
function shortNames(hostname: string, dnsDomain: string): string[] {
  const suffix = dnsDomain.indexOf('.svc.');
  if (suffix !== -1) {
    // Only services are shortened: other names could then be taken for some service's short name.
    return hostname.endsWith(suffix > 0 ? dnsDomain.slice(suffix) : dnsDomain)
      ? shortNamesOfService(hostname, dnsDomain.slice(0, suffix))
      : [];
  }
  const name = hostname.split('.');
  const domain = dnsDomain.split('.');
  let shared = 0;
  while (shared < name.length && shared < domain.length && name.at(-1 - shared) === domain.at(-1 - shared)) shared++;
  if (shared === 0) return [];
  const unique = name.slice(0, name.length - shared);
  const short = unique.join('.');
  return unique.length === 2 ? [short, `${short}.${name[name.length - shared]}`] : [short];
}

function shortNamesOfService(hostname: string, namespace: string): string[] {
  const end = hostname.indexOf('.svc.');
  const dot = hostname.indexOf('.');
  if (end <= 0 || dot + 1 > end) return [];
  const [whole, withSvc] = [hostname.slice(0, end), `${hostname.slice(0, end)}.svc`];
  return hostname.slice(dot + 1, end) === namespace ? [hostname.slice(0, dot), withSvc, whole] : [whole, withSvc];
}
