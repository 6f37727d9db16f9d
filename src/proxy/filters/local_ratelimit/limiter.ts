import type { RateLimitDescriptor } from '../../router/rate-limits.ts';
import { type BucketSpec, TokenBucket } from '../common/token-bucket.ts';

/** A bucket of its own for requests that count as something. */
export interface DescriptorSpec {
  readonly entries: readonly (readonly [key: string, value: string])[];
  readonly bucket: BucketSpec;
}

/** Buckets of a configuration. */
export interface LimiterSpec {
  /** For what has no bucket of its own; undefined for no limit. */
  readonly bucket: BucketSpec | undefined;
  readonly descriptors: readonly DescriptorSpec[];
  /** Requests that have a bucket of their own take from the one for all as well. */
  readonly alwaysTakesDefault: boolean;
}

export interface LimiterVerdict {
  readonly allowed: boolean;
  /** The bucket that decided, for headers that tell of it. */
  readonly bucket: TokenBucket | undefined;
}

/** Limits the rate of requests within this process. */
export class LocalLimiter {
  readonly #default: TokenBucket | undefined;
  readonly #byDescriptor = new Map<string, TokenBucket>();
  readonly #alwaysTakesDefault: boolean;

  constructor({ bucket, descriptors, alwaysTakesDefault }: LimiterSpec, now: number) {
    const fill = ({ max, rate }: BucketSpec) => new TokenBucket(max, rate, now);
    this.#default = bucket && fill(bucket);
    this.#alwaysTakesDefault = alwaysTakesDefault;
    for (const one of descriptors) this.#byDescriptor.set(descriptorKey(one.entries), fill(one.bucket));
  }

  /** Takes a token for a request from each bucket that it belongs to, the slowest first, until one is empty. */
  request(descriptors: readonly RateLimitDescriptor[], now: number): LimiterVerdict {
    const matched: TokenBucket[] = [];
    for (const { entries } of descriptors) {
      const bucket = this.#byDescriptor.get(descriptorKey(entries));
      if (bucket !== undefined && !matched.includes(bucket)) matched.push(bucket);
    }
    if (matched.length > 1) matched.sort((a, b) => a.rate - b.rate);
    for (const bucket of matched) if (bucket.take(1, now) === 0) return { allowed: false, bucket };
    const rest = this.#default;
    if (rest === undefined || (matched.length > 0 && !this.#alwaysTakesDefault))
      return { allowed: true, bucket: matched[0] };
    if (rest.take(1, now) === 0) return { allowed: false, bucket: rest };
    return { allowed: true, bucket: matched[0] ?? rest };
  }
}

/** Entries as one text that no other entries have. */
export function descriptorKey(entries: DescriptorSpec['entries']): string {
  return JSON.stringify(entries);
}
