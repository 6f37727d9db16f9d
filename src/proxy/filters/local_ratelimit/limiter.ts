import type { RateLimitDescriptor } from '../../router/rate-limits.ts';
import { type BucketSpec, TokenBucket } from '../common/token-bucket.ts';

/** A bucket of its own for requests that count as something. */
export interface DescriptorSpec {
  /** An empty value stands for any: each that comes gets a bucket of its own. */
  readonly entries: readonly (readonly [key: string, value: string])[];
  readonly bucket: BucketSpec;
  /** Counts what is beyond the limit, and lets it pass. */
  readonly shadow: boolean;
}

/** Buckets of a configuration. */
export interface LimiterSpec {
  /** For what has no bucket of its own; undefined for no limit. */
  readonly bucket: BucketSpec | undefined;
  readonly descriptors: readonly DescriptorSpec[];
  /** Requests that have a bucket of their own take from the one for all as well. */
  readonly alwaysTakesDefault: boolean;
  /** How many values of one descriptor with a wildcard have a bucket at a time; the one used longest ago goes. */
  readonly maxDynamic: number;
}

export interface LimiterVerdict {
  readonly allowed: boolean;
  /** A bucket in shadow mode would have refused the request, and nothing else did. */
  readonly shadowed: boolean;
  /** The bucket that decided, for headers that tell of it. */
  readonly bucket: TokenBucket | undefined;
  /** Whether responses are to tell of it, where the rule of the request says so. */
  readonly limitHeaders: boolean | undefined;
}

interface Limit {
  readonly bucket: TokenBucket;
  readonly shadow: boolean;
}

interface Match extends Limit {
  readonly hits: number;
  readonly limitHeaders: boolean | undefined;
}

/** Limits the rate of requests within this process. */
export class LocalLimiter {
  readonly #default: TokenBucket | undefined;
  readonly #exact = new Map<string, Limit>();
  readonly #wildcards: WildcardLimits[] = [];
  readonly #alwaysTakesDefault: boolean;

  constructor({ bucket, descriptors, alwaysTakesDefault, maxDynamic }: LimiterSpec, now: number) {
    this.#default = bucket && filled(bucket, now);
    this.#alwaysTakesDefault = alwaysTakesDefault;
    for (const spec of descriptors) {
      if (spec.entries.some(([, value]) => value === '')) this.#wildcards.push(new WildcardLimits(spec, maxDynamic));
      else this.#exact.set(descriptorKey(spec.entries), { bucket: filled(spec.bucket, now), shadow: spec.shadow });
    }
  }

  /** Takes tokens for a request from each bucket that it belongs to, the slowest first, until one has too few. */
  request(descriptors: readonly RateLimitDescriptor[], now: number): LimiterVerdict {
    const matches = this.#matches(descriptors, now);
    let shadowedBy: Match | undefined;
    for (const match of matches) {
      if (match.bucket.takeAll(match.hits, now)) continue;
      if (!match.shadow) return verdict(false, false, match);
      shadowedBy ??= match;
    }
    const rest = this.#default;
    const decided = shadowedBy ?? matches[0];
    const shadowed = shadowedBy !== undefined;
    if (rest === undefined || (matches.length > 0 && !this.#alwaysTakesDefault))
      return verdict(true, shadowed, decided);
    if (!rest.takeAll(1, now)) return verdict(false, false, { bucket: rest, limitHeaders: undefined });
    return verdict(true, shadowed, decided ?? { bucket: rest, limitHeaders: undefined });
  }

  #matches(descriptors: readonly RateLimitDescriptor[], now: number): readonly Match[] {
    const matches: Match[] = [];
    for (const { entries, hits = 1, limitHeaders } of descriptors) {
      const key = descriptorKey(entries);
      const limit = this.#exact.get(key) ?? this.#wildcard(entries, key, now);
      if (limit === undefined || matches.some(({ bucket }) => bucket === limit.bucket)) continue;
      matches.push({ bucket: limit.bucket, shadow: limit.shadow, hits, limitHeaders });
    }
    if (matches.length > 1) matches.sort((a, b) => a.bucket.rate - b.bucket.rate);
    return matches;
  }

  #wildcard(entries: RateLimitDescriptor['entries'], key: string, now: number): Limit | undefined {
    for (const limits of this.#wildcards) if (limits.covers(entries)) return limits.get(key, now);
    return undefined;
  }
}

/** The buckets of one descriptor with wildcards, by what requests count as. */
class WildcardLimits {
  readonly #spec: DescriptorSpec;
  readonly #max: number;
  /** In the order of their last use. */
  readonly #limits = new Map<string, Limit>();

  constructor(spec: DescriptorSpec, max: number) {
    this.#spec = spec;
    this.#max = max;
  }

  covers(entries: RateLimitDescriptor['entries']): boolean {
    const own = this.#spec.entries;
    if (own.length !== entries.length) return false;
    return own.every(([key, value], i) => key === entries[i][0] && (value === '' || value === entries[i][1]));
  }

  get(key: string, now: number): Limit {
    let limit = this.#limits.get(key);
    if (limit !== undefined) this.#limits.delete(key);
    else {
      limit = { bucket: filled(this.#spec.bucket, now), shadow: this.#spec.shadow };
      if (this.#limits.size >= this.#max) this.#limits.delete(this.#limits.keys().next().value as string);
    }
    this.#limits.set(key, limit);
    return limit;
  }
}

function filled({ max, rate }: BucketSpec, now: number): TokenBucket {
  return new TokenBucket(max, rate, now);
}

function verdict(
  allowed: boolean,
  shadowed: boolean,
  decided: Pick<Match, 'bucket' | 'limitHeaders'> | undefined,
): LimiterVerdict {
  return { allowed, shadowed, bucket: decided?.bucket, limitHeaders: decided?.limitHeaders };
}

/** Entries as one text that no other entries have. */
export function descriptorKey(entries: DescriptorSpec['entries']): string {
  return JSON.stringify(entries);
}
