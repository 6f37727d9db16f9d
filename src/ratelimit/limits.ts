import { readFilter } from '../config/kinds/shared/enroute-filters.ts';
import type { LimitNode, RequestsPerUnit } from '../config/kinds/shared/rate-limits.ts';
import type { ConfigSnapshot } from '../config/store/snapshot.ts';

export type Unit = 'second' | 'minute' | 'hour' | 'day';

/** So many requests in a unit of time. */
export interface Limit {
  readonly requests: number;
  readonly unit: Unit;
}

export const UNIT_SECONDS: Readonly<Record<Unit, number>> = { second: 1, minute: 60, hour: 3600, day: 86_400 };

/** One entry of a descriptor. */
export interface Entry {
  readonly key: string;
  readonly value: string;
}

/** Limits behind one entry, by the entry that comes next. */
class Level {
  limit: Limit | undefined = undefined;
  /** By `key` for any value, or `key` and value. */
  readonly #exact = new Map<string, Level>();
  readonly #any = new Map<string, Level>();

  add({ key, value, rate_limit, descriptors = [] }: LimitNode): void {
    // An empty value is no value, as in YAML that people write.
    const table = value ? this.#exact : this.#any;
    const name = value ? exact(key, value) : key;
    let level = table.get(name);
    if (level === undefined) table.set(name, (level = new Level()));
    if (rate_limit !== undefined) level.limit ??= limitOf(rate_limit);
    for (const node of descriptors) level.add(node);
  }

  find({ key, value }: Entry): Level | undefined {
    return this.#exact.get(exact(key, value)) ?? this.#any.get(key);
  }
}

function exact(key: string, value: string): string {
  return `${key.length} ${key}${value}`;
}

export function limitOf({ unit, requests_per_unit: requests }: RequestsPerUnit): Limit {
  return { requests, unit: unit.toLowerCase() as Unit };
}

/** The limits of every domain, compiled once for a configuration. */
export class Limits {
  readonly #domains = new Map<string, Level>();

  constructor(domains: Iterable<readonly [string, readonly LimitNode[]]> = []) {
    for (const [domain, nodes] of domains) {
      const root = this.#domains.get(domain) ?? new Level();
      this.#domains.set(domain, root);
      for (const node of nodes) root.add(node);
    }
  }

  /** The limit of a descriptor: the one where its last entry ends. An exact value wins over none. */
  find(domain: string, entries: readonly Entry[]): Limit | undefined {
    let level = this.#domains.get(domain);
    for (const entry of entries) level = level?.find(entry);
    return entries.length === 0 ? undefined : level?.limit;
  }
}

/** What a configuration says is to be counted: RateLimits, and the oldest GlobalConfig of EnRoute's that has limits. */
export function limitsOf(config: Pick<ConfigSnapshot, 'list'>): Limits {
  const domains: (readonly [string, readonly LimitNode[]])[] = [];
  for (const { spec } of config.list('RateLimit')) {
    if (spec.shared?.limits !== undefined) domains.push([spec.shared.domain, spec.shared.limits]);
  }
  for (const { spec } of config.list('GlobalConfig')) {
    const read = readFilter(spec.type, spec.config);
    if (!('config' in read) || read.type !== 'globalconfig_ratelimit') continue;
    domains.push([read.config.domain, read.config.descriptors]);
    break;
  }
  return new Limits(domains);
}
