import fs from 'node:fs/promises';

const HOSTS_FILE = '/etc/hosts';

let known: { readonly stamp: string; readonly names: ReadonlyMap<string, readonly string[]> } | undefined;

/** Addresses by name in the hosts file, read again when it has changed; nothing if it cannot be read. */
export async function hostsFile(): Promise<ReadonlyMap<string, readonly string[]>> {
  try {
    const { mtimeMs, size } = await fs.stat(HOSTS_FILE);
    const stamp = `${mtimeMs} ${size}`;
    if (known?.stamp !== stamp) known = { stamp, names: parseHosts(await fs.readFile(HOSTS_FILE, 'utf8')) };
    return known.names;
  } catch {
    return new Map();
  }
}

/** hosts(5): an address and its names on each line. */
export function parseHosts(text: string): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    for (const alias of aliases) {
      const name = alias.toLowerCase();
      const addresses = names.get(name);
      if (addresses === undefined) names.set(name, [address]);
      else if (!addresses.includes(address)) addresses.push(address);
    }
  }
  return names;
}
