import fs from 'node:fs/promises';

const RESOLV_CONF = '/etc/resolv.conf';

/** What resolv.conf(5) says about names that are not written out. */
export interface SearchRules {
  readonly domains: readonly string[];
  /** Names with this many dots are tried as they are before domains are put behind them. */
  readonly ndots: number;
}

export const NO_SEARCH: SearchRules = { domains: [], ndots: 1 };

/** The rules of this machine; none where it has no `/etc/resolv.conf` that can be read. */
export async function systemSearch(): Promise<SearchRules> {
  try {
    return parseResolvConf(await fs.readFile(RESOLV_CONF, 'utf8'));
  } catch {
    return NO_SEARCH;
  }
}

/** `search`, `domain` and `ndots` of a resolv.conf(5); the last `search` or `domain` counts. */
export function parseResolvConf(text: string): SearchRules {
  let domains: string[] = [];
  let { ndots } = NO_SEARCH;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'search') domains = values;
    else if (keyword === 'domain') domains = values.slice(0, 1);
    else if (keyword === 'options') {
      const option = values.findLast((value) => /^ndots:\d+$/.test(value));
      if (option) ndots = Math.min(15, Number(option.slice('ndots:'.length)));
    }
  }
  return { domains: domains.map((domain) => domain.replace(/\.$/, '')).filter((domain) => domain !== ''), ndots };
}

/** The names to ask for in turn. A dot at the end says that the name is complete. */
export function candidates(name: string, { domains, ndots }: SearchRules): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const searched = domains.map((domain) => `${name}.${domain}`);
  const dots = name.split('.').length - 1;
  return dots >= ndots ? [name, ...searched] : [...searched, name];
}
