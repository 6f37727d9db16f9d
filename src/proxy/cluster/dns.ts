import dns from 'node:dns/promises';
import fs from 'node:fs/promises';
import { codeOf } from '../../base/errors.ts';
import { ipFamily } from '../config/values.ts';
import type { DnsOptions } from './config.ts';

export interface DnsAnswer {
  readonly addresses: readonly { readonly address: string; readonly family: 4 | 6 }[];
  /** Seconds that the answer is good for; undefined where nobody said (the hosts file). */
  readonly ttl: number | undefined;
}

const HOSTS_FILE = '/etc/hosts';

let hosts: { readonly stamp: string; readonly names: ReadonlyMap<string, readonly string[]> } | undefined;

/** The hosts file, read again when it has changed. `dns.lookup` would read it too, but tells no TTL for the rest. */
async function hostsFile(): Promise<ReadonlyMap<string, readonly string[]>> {
  try {
    const { mtimeMs, size } = await fs.stat(HOSTS_FILE);
    const stamp = `${mtimeMs} ${size}`;
    if (hosts?.stamp !== stamp) hosts = { stamp, names: parseHosts(await fs.readFile(HOSTS_FILE, 'utf8')) };
    return hosts.names;
  } catch {
    return new Map();
  }
}

function parseHosts(text: string): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    for (const alias of aliases) {
      const name = alias.toLowerCase();
      names.set(name, [...(names.get(name) ?? []), address]);
    }
  }
  return names;
}

function known(addresses: readonly string[], family: DnsOptions['family']): DnsAnswer['addresses'] {
  const all = addresses.flatMap((address) => {
    const f = ipFamily(address);
    return f ? [{ address, family: f }] : [];
  });
  return select(
    all.filter((a) => a.family === 4),
    all.filter((a) => a.family === 6),
    family,
  );
}

function select(
  v4: DnsAnswer['addresses'],
  v6: DnsAnswer['addresses'],
  family: DnsOptions['family'],
): DnsAnswer['addresses'] {
  switch (family) {
    case 'v4-only':
      return v4;
    case 'v6-only':
      return v6;
    case 'auto':
      return v6.length > 0 ? v6 : v4;
    case 'v4-preferred':
      return v4.length > 0 ? v4 : v6;
    default:
      return [...v6, ...v4];
  }
}

/**
 * Resolves a name: itself if it is an address, then the hosts file, then DNS. No such name is an empty answer; throws
 * if no server could be asked.
 */
export async function resolve(
  name: string,
  family: DnsOptions['family'],
  resolver = defaultResolver(),
): Promise<DnsAnswer> {
  const literal = ipFamily(name);
  if (literal) return { addresses: [{ address: name, family: literal }], ttl: undefined };
  const fromFile = (await hostsFile()).get(name.toLowerCase());
  if (fromFile) return { addresses: known(fromFile, family), ttl: undefined };
  if (name.toLowerCase() === 'localhost') return { addresses: known(['127.0.0.1', '::1'], family), ttl: undefined };
  const none = Promise.resolve([] as { address: string; ttl: number }[]);
  const [v4, v6] = await Promise.all([
    family === 'v6-only' ? none : orEmpty(resolver.resolve4(name, { ttl: true })),
    family === 'v4-only' ? none : orEmpty(resolver.resolve6(name, { ttl: true })),
  ]);
  const addresses = select(
    v4.map(({ address }) => ({ address, family: 4 as const })),
    v6.map(({ address }) => ({ address, family: 6 as const })),
    family,
  );
  const ttls = [...v4, ...v6].map((r) => r.ttl);
  return { addresses, ttl: ttls.length > 0 ? Math.min(...ttls) : undefined };
}

let shared: dns.Resolver | undefined;

function defaultResolver(): dns.Resolver {
  return (shared ??= new dns.Resolver({ timeout: 5000, tries: 2 }));
}

async function orEmpty<T>(answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOTFOUND' || code === 'ENODATA') return [];
    throw error;
  }
}
