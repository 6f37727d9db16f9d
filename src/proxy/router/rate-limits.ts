import {
  RateLimit_XRateLimitOption as HeadersOption,
  type RateLimit,
  type RateLimit_HitsAddend,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { RateLimitUnit } from '../../api/gen/envoy/type/v3/ratelimit_unit_pb.ts';
import { messageOf } from '../../base/errors.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { compileFormat } from '../observe/format/format.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import { metadataReader, type RateLimitEntry, rateLimitAction } from './rate-limit-actions.ts';

/** What a request counts as: keys and values, such as those of a service that limits rates. Values are in wire form. */
export interface RateLimitDescriptor {
  readonly entries: readonly RateLimitEntry[];
  /** A limit that the request brings itself. */
  readonly limit: { readonly requestsPerUnit: number; readonly unit: RateLimitUnit } | undefined;
  /** How many requests it counts as, negative to give them back; undefined for one. */
  readonly hits: number | undefined;
  /** Whether responses are to tell of this limit; undefined for what the filter says. */
  readonly limitHeaders: boolean | undefined;
}

/** `envoy.config.route.v3.RateLimit`: one way to count requests. */
export interface RateLimitRule {
  /** Filters of this stage count by the rule. */
  readonly stage: number;
  readonly disableKey: string;
  /** It counts when the stream is done, by what is known then. */
  readonly onStreamDone: boolean;
  /** Undefined if the rule is not about this request. */
  descriptor(headers: Headers, info: StreamInfo, localCluster: string): RateLimitDescriptor | undefined;
}

const MAX_STAGE = 10;
const MAX_HITS = 1_000_000_000;

/** Rules of a route or a virtual host. As in Envoy, what they say of hits has no effect. */
export function rateLimitRules(protos: readonly RateLimit[], errors: ConfigErrors): readonly RateLimitRule[] {
  return protos.map((proto, i) => rule(proto, undefined, errors.at(i)));
}

/** Rules of a filter itself; undefined if it has none, so that those of the routes count. */
export function ownRateLimitRules(
  protos: readonly RateLimit[],
  errors: ConfigErrors,
): readonly RateLimitRule[] | undefined {
  if (protos.length === 0) return undefined;
  return protos.map((proto, i) => {
    const at = errors.at(i);
    for (const name of ['stage', 'limit'] as const) {
      if (proto[name] !== undefined) at.add(name, 'is only for the rules of routes');
    }
    if (proto.disableKey !== '') at.add('disable_key', 'is only for the rules of routes');
    const hits = proto.hitsAddend && hitsOf(proto.hitsAddend, at.at('hits_addend'));
    return rule(proto, hits, at);
  });
}

type HitsOf = (info: StreamInfo) => number | undefined;

function rule(proto: RateLimit, countHits: HitsOf | undefined, errors: ConfigErrors): RateLimitRule {
  const { stage = 0, disableKey, limit } = proto;
  if (stage > MAX_STAGE) errors.add('stage', `must be at most ${MAX_STAGE}`);
  if (proto.actions.length === 0) errors.add('actions', 'must not be empty');
  const actions = proto.actions.map((one, i) => rateLimitAction(one, errors.at('actions').at(i)));
  const override = limit?.overrideSpecifier.case === 'dynamicMetadata' ? limit.overrideSpecifier.value : undefined;
  const readLimit = override?.metadataKey && metadataReader(override.metadataKey);
  if (limit !== undefined && readLimit === undefined) errors.add('limit.dynamic_metadata', 'is needed');
  const limitHeaders = LIMIT_HEADERS[proto.xRatelimitOption as number];
  return {
    stage,
    disableKey,
    onStreamDone: proto.applyOnStreamDone,
    descriptor(headers, info, localCluster) {
      const entries: RateLimitEntry[] = [];
      for (const make of actions) {
        const entry = make(headers, info, localCluster);
        if (entry === undefined) return undefined;
        if (entry !== 'skip') entries.push(entry);
      }
      const hits = countHits?.(info);
      if (hits === undefined && countHits !== undefined) return undefined;
      return { entries, limit: readLimit && limitOf(readLimit(info.dynamicMetadata)), hits, limitHeaders };
    },
  };
}

const LIMIT_HEADERS: Readonly<Record<number, boolean | undefined>> = {
  [HeadersOption.OFF]: false,
  [HeadersOption.DRAFT_VERSION_03]: true,
};

/** What it returns returns undefined for a text that is no number: the rule is then not about the request. */
function hitsOf({ number, format, isNegativeHits }: RateLimit_HitsAddend, errors: ConfigErrors): HitsOf | undefined {
  if ((number === undefined) === (format === '')) {
    errors.add('', 'must have either a number or a format');
    return undefined;
  }
  const sign = isNegativeHits ? -1 : 1;
  if (number !== undefined) {
    if (number > MAX_HITS) errors.add('number', `must be at most ${MAX_HITS}`);
    const hits = sign * Number(number);
    return () => hits;
  }
  if (!/^%.*%$/.test(format)) errors.add('format', 'must begin and end with %');
  try {
    const compiled = compileFormat(format);
    return (info) => {
      const text = compiled.render(info, '');
      const value = /^\d{1,10}$/.test(text) ? Number(text) : undefined;
      return value !== undefined && value <= MAX_HITS ? sign * value : undefined;
    };
  } catch (error) {
    errors.add('format', messageOf(error));
    return undefined;
  }
}

function limitOf(value: unknown): RateLimitDescriptor['limit'] {
  if (typeof value !== 'object' || value === null) return undefined;
  const { requests_per_unit: requests, unit } = value as Record<string, unknown>;
  if (typeof requests !== 'number' || typeof unit !== 'string' || !Object.hasOwn(RateLimitUnit, unit)) return undefined;
  return { requestsPerUnit: Math.trunc(requests), unit: RateLimitUnit[unit as keyof typeof RateLimitUnit] };
}
