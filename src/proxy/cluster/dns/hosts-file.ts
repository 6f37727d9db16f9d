import fs from 'node:fs/promises';

/** The machine's own. */
export const SYSTEM_HOSTS = '/etc/hosts';

interface KnownFile {
  readonly stamp: string;
  readonly names: ReadonlyMap<string, readonly string[]>;
}

/** By path. There are two of them at most. */
const files = new Map<string, KnownFile>();

/** Addresses by name in a hosts file, read again when it has changed; nothing if it cannot be read. */
export async function hostsFile(file: string): Promise<ReadonlyMap<string, readonly string[]>> {
  try {
    const { mtimeMs, size } = await fs.stat(file);
    const stamp = `${mtimeMs} ${size}`;
    let known = files.get(file);
    if (known?.stamp !== stamp) {
      known = { stamp, names: parseHosts(await fs.readFile(file, 'utf8')) };
      files.set(file, known);
    }
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
