import dns from 'node:dns/promises';
import os from 'node:os';
import { codeOf } from '../../../base/errors.ts';
import { ipFamily } from '../../config/values.ts';
import { StatGroup } from '../../observe/stats.ts';
import { hostsFile, SYSTEM_HOSTS } from './hosts-file.ts';
import { candidates, NO_SEARCH, systemSearch } from './search-domains.ts';

/** `dns_lookup_family`. */
export type LookupFamily = 'auto' | 'v4-only' | 'v6-only' | 'v4-preferred' | 'all';

export interface DnsAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

export interface DnsAnswer {
  /** Empty if there is no such name. */
  readonly addresses: readonly DnsAddress[];
  /** Seconds that the answer is good for; undefined where nobody said. */
  readonly ttl: number | undefined;
  /** Why there are no addresses: whether there is no such name, or only nothing of the family. */
  readonly negative?: NegativeCode | undefined;
}

export type NegativeCode = 'ENOTFOUND' | 'ENODATA';

interface DnsRecord {
  readonly address: string;
  readonly ttl: number;
}

/** How names are resolved. */
export interface ResolverOptions {
  /** The operating system's own way (`getaddrinfo`) instead of asking name servers. */
  readonly system: boolean;
  /** Name servers as `10.0.0.1:53`; none for those of the system. */
  readonly servers: readonly string[];
  /** `use_resolvers_as_fallback`: the servers count only where the system has none. */
  readonly serversAsFallback: boolean;
  readonly tcp: boolean;
  readonly searchDomains: boolean;
  /** `filter_unroutable_families`: no addresses of a family that no interface has. */
  readonly filterUnroutable: boolean;
}

export const DEFAULT_RESOLVER: ResolverOptions = {
  system: false,
  servers: [],
  serversAsFallback: false,
  tcp: false,
  searchDomains: true,
  filterUnroutable: false,
};

/** Envoy's `dns.cares.`. */
export class DnsStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set(['pending_resolutions']);
  get_addr_failure = 0;
  not_found = 0;
  pending_resolutions = 0;
  reinits = 0;
  resolve_total = 0;
  timeouts = 0;
}

/** What getaddrinfo's answers are good for, as Envoy has it. */
const SYSTEM_TTL_SECONDS = 60;
const TCP_TIMEOUT_MS = 5000;
/** Node's way to say that it found no servers. */
const NO_SYSTEM_SERVER = '127.0.0.1';

/** Resolves names: addresses as they are, then the hosts file, then DNS. */
export class DnsResolver {
  readonly #options: ResolverOptions;
  readonly #stats: DnsStats;
  readonly #hostsFiles: readonly string[];
  readonly #client = new dns.Resolver();

  /** `hostsFile` counts before the machine's own. */
  constructor(options: ResolverOptions, stats: DnsStats, hostsFile?: string) {
    this.#hostsFiles = hostsFile === undefined ? [SYSTEM_HOSTS] : [hostsFile, SYSTEM_HOSTS];
    this.#options = options;
    this.#stats = stats;
    const { servers, serversAsFallback } = options;
    const system = this.#client.getServers();
    const hasSystem = system.length > 1 || (system.length === 1 && system[0] !== NO_SYSTEM_SERVER);
    if (servers.length > 0 && !(serversAsFallback && hasSystem)) this.#client.setServers([...servers]);
  }

  /** Rejects if nobody could be asked, or nobody knew. */
  async resolve(name: string, family: LookupFamily): Promise<DnsAnswer> {
    const literal = ipFamily(name);
    if (literal) {
      // Envoy's resolver library takes an address of a family that was not asked for as a name that cannot be one.
      if (family === (literal === 4 ? 'v6-only' : 'v4-only'))
        throw Object.assign(new Error(`${name} is an IPv${literal} address`), { code: 'EBADNAME' });
      return { addresses: [{ address: name, family: literal }], ttl: undefined };
    }
    const stats = this.#stats;
    stats.resolve_total++;
    stats.pending_resolutions++;
    try {
      const answer = await this.#ask(name, family);
      if (answer.addresses.length === 0) stats.not_found++;
      return answer;
    } catch (error) {
      if (codeOf(error) === 'ETIMEOUT') stats.timeouts++;
      else stats.get_addr_failure++;
      throw error;
    } finally {
      stats.pending_resolutions--;
    }
  }

  async #ask(name: string, family: LookupFamily): Promise<DnsAnswer> {
    const choose = (addresses: readonly DnsAddress[]) => select(this.#routable(addresses), family);
    if (this.#options.system) {
      const found = await orEmpty(dns.lookup(name, { all: true, verbatim: true }));
      return { addresses: choose(found as DnsAddress[]), ttl: SYSTEM_TTL_SECONDS };
    }
    const own = await fromHostsFiles(this.#hostsFiles, name);
    if (own.length > 0) {
      const addresses = choose(own);
      if (addresses.length > 0) return { addresses, ttl: undefined };
    }
    const search = this.#options.searchDomains ? await systemSearch() : NO_SEARCH;
    let negative: NegativeCode | undefined;
    for (const candidate of candidates(name, search)) {
      const answer = await this.#query(candidate, family);
      const chosen = choose(answer.addresses);
      if (chosen.length > 0) return { addresses: chosen, ttl: answer.ttl };
      negative ??= answer.negative;
    }
    return { addresses: [], ttl: undefined, negative };
  }

  async #query(name: string, family: LookupFamily): Promise<DnsAnswer> {
    let negative: NegativeCode | undefined;
    const none = (code: NegativeCode) => (negative = code);
    const v4 = () => orEmpty(this.#records(name, 'A'), none);
    const v6 = () => orEmpty(this.#records(name, 'AAAA'), none);
    let four: DnsRecord[] = [];
    let six: DnsRecord[] = [];
    // The family that is not wanted first is asked for only if the other has nothing, or could not be asked for.
    if (family === 'auto') {
      six = await v6().catch(() => []);
      if (six.length === 0) four = await v4();
    } else if (family === 'v4-preferred') {
      four = await v4().catch(() => []);
      if (four.length === 0) six = await v6();
    } else if (family === 'v4-only') four = await v4();
    else if (family === 'v6-only') six = await v6();
    else [four, six] = await Promise.all([v4(), v6()]);
    const ttls = [...four, ...six].map((record) => record.ttl);
    return {
      // As Envoy has them, whose resolver library is told not to sort.
      addresses: [
        ...four.map(({ address }) => ({ address, family: 4 as const })),
        ...six.map(({ address }) => ({ address, family: 6 as const })),
      ],
      ttl: ttls.length > 0 ? Math.min(...ttls) : undefined,
      negative,
    };
  }

  #records(name: string, type: 'A' | 'AAAA'): Promise<DnsRecord[]> {
    if (this.#options.tcp) return this.#recordsByTcp(name, type);
    return type === 'A' ? this.#client.resolve4(name, { ttl: true }) : this.#client.resolve6(name, { ttl: true });
  }

  async #recordsByTcp(name: string, type: 'A' | 'AAAA'): Promise<DnsRecord[]> {
    // Loaded by the few that want it.
    const { queryTcp } = await import('./tcp-query.ts');
    let failure: unknown;
    for (const server of this.#client.getServers()) {
      try {
        return await queryTcp(serverAddress(server), name, type, TCP_TIMEOUT_MS);
      } catch (error) {
        if (negativeCode(error) !== undefined) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  #routable(addresses: readonly DnsAddress[]): readonly DnsAddress[] {
    if (!this.#options.filterUnroutable) return addresses;
    const all = Object.values(os.networkInterfaces()).flatMap((list) => list ?? []);
    return addresses.filter(({ family }) => all.some((own) => own.family === (family === 4 ? 'IPv4' : 'IPv6')));
  }
}

async function fromHostsFiles(files: readonly string[], name: string): Promise<DnsAddress[]> {
  const lower = name.toLowerCase().replace(/\.$/, '');
  let listed: readonly string[] | undefined;
  for (const file of files) listed ??= (await hostsFile(file)).get(lower);
  listed ??= lower === 'localhost' ? ['127.0.0.1', '::1'] : [];
  return listed.flatMap((address) => {
    const family = ipFamily(address);
    return family ? [{ address, family }] : [];
  });
}

function select(addresses: readonly DnsAddress[], family: LookupFamily): readonly DnsAddress[] {
  const v4 = addresses.filter((a) => a.family === 4);
  const v6 = addresses.filter((a) => a.family === 6);
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
      return addresses;
  }
}

/** `10.0.0.1`, `10.0.0.1:53`, `::1` or `[::1]:53`. */
function serverAddress(server: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[(.+)\]:(\d+)|([^:]+):(\d+))$/.exec(server);
  return match ? { host: match[1] ?? match[3], port: Number(match[2] ?? match[4]) } : { host: server, port: 53 };
}

/** Whether the name is known not to exist, or to have nothing of the kind. */
function negativeCode(error: unknown): NegativeCode | undefined {
  const code = codeOf(error);
  return code === 'ENOTFOUND' || code === 'ENODATA' ? code : undefined;
}

async function orEmpty<T>(answer: Promise<T[]>, none?: (code: NegativeCode) => void): Promise<T[]> {
  try {
    return await answer;
  } catch (error) {
    const code = negativeCode(error);
    if (code === undefined) throw error;
    none?.(code);
    return [];
  }
}
