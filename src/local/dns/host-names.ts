import dnsPacket, { type Packet } from 'dns-packet';
import type { PublishedUrl } from '../../config/control/mesh-api.ts';

/** Hosts that gateways serve, `*.example.com` and `*` among them, and the addresses where they do. */
export type HostAddresses = ReadonlyMap<string, readonly string[]>;

/** Seconds. Hosts come and go with Gateways, and asking again costs nothing. */
const TTL = 5;

// RCODEs of RFC 1035, 4.1.1.
const NOT_IMPLEMENTED = 4;
const REFUSED = 5;

/** Where the hosts of published ports are served. */
export function hostAddresses(urls: readonly PublishedUrl[]): HostAddresses {
  const found = new Map<string, string[]>();
  for (const { url, hosts } of urls) {
    const address = addressOf(url);
    for (const host of hosts.map((name) => name.toLowerCase())) {
      const addresses = found.get(host) ?? [];
      if (!addresses.includes(address)) addresses.push(address);
      found.set(host, addresses);
    }
  }
  return found;
}

/**
 * Options of curl with which a URL of a host reaches its gateway, such as `--resolve web.example:8080:127.0.0.1`. What
 * stands for many hosts has none, for curl takes no patterns but `*`.
 */
export function resolveOptions(urls: readonly PublishedUrl[]): string[] {
  return urls.flatMap(({ url, hosts }) => {
    const port = url.slice(url.lastIndexOf(':') + 1);
    const names = hosts.includes('*') ? ["'*"] : hosts.filter((host) => !host.includes('*'));
    return names.map((name) => `--resolve ${name}:${port}:${addressOf(url)}${name === "'*" ? "'" : ''}`);
  });
}

/** `https://127.0.0.1:8443` and `127.0.0.1:31400`: the address. */
function addressOf(url: string): string {
  const authority = url.includes('//') ? url.slice(url.indexOf('//') + 2) : url;
  return authority.slice(0, authority.lastIndexOf(':'));
}

/**
 * Answers a question about a host (RFC 1035): its address where a gateway serves it. Any other name is refused, so that
 * whoever asks goes on to the name server that knows it. Undefined for what is no question.
 */
export function answer(query: Packet, hosts: HostAddresses): Packet | undefined {
  if (query.type !== 'query') return undefined;
  const { id, questions = [] } = query;
  const desired = (query.flags ?? 0) & dnsPacket.RECURSION_DESIRED;
  const reply = (flags: number, answers: Packet['answers'] = []): Packet => {
    return { type: 'response', id, flags: flags | desired, questions, answers };
  };
  const opcode = ((query.flags ?? 0) >> 11) & 0xf;
  const [question] = questions;
  if (opcode !== 0 || question === undefined || questions.length > 1) return reply(NOT_IMPLEMENTED);
  const addresses = addressesOf(question.name.toLowerCase(), hosts);
  if (addresses === undefined) return reply(REFUSED);
  const { name, type } = question;
  const wanted = type === 'A' || (type as string) === 'ANY' ? addresses : [];
  return reply(
    dnsPacket.AUTHORITATIVE_ANSWER,
    wanted.map((data) => ({ type: 'A', name, ttl: TTL, data })),
  );
}

/** The most specific pattern decides, as it does for virtual hosts. */
function addressesOf(name: string, hosts: HostAddresses): readonly string[] | undefined {
  const exact = hosts.get(name);
  if (exact !== undefined) return exact;
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
    const found = hosts.get(`*${name.slice(dot)}`);
    if (found !== undefined) return found;
  }
  return hosts.get('*');
}
