import { isIP } from 'node:net';
import type { HostPort } from '../environment/values.ts';

/** What a resolver is told (resolv.conf(5)), as far as it matters to who answers in its place. */
export interface ResolvConf {
  readonly nameServers: readonly HostPort[];
  readonly search: readonly string[];
}

const PORT = 53;
const MAX_SERVERS = 3;

export function parseResolvConf(text: string): ResolvConf {
  const nameServers: HostPort[] = [];
  let search: readonly string[] = [];
  for (const line of text.split('\n')) {
    const [key, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (key === 'nameserver' && values[0] && isIP(values[0].split('%')[0]!) !== 0)
      nameServers.push({ host: values[0], port: PORT });
    else if (key === 'search' || key === 'domain') search = values;
  }
  return { nameServers: nameServers.slice(0, MAX_SERVERS), search };
}
