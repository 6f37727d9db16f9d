import { array, boolean, duration, enumOf, type Infer, integer, object, required, string } from '../../schema/index.ts';
import { descriptorEntries, limitNodes } from '../shared/rate-limits.ts';
import { targetReference, workloadSelector } from '../shared/selector.ts';

const local = object({
  requests: required(integer(1, 2 ** 31 - 1)),
  unit: required(enumOf('second', 'minute', 'hour', 'day')),
  /** How many of them may come at once. Default: `requests`. */
  burst: integer(1, 2 ** 31 - 1),
});
export type LocalLimit = Infer<typeof local>;

const shared = object({
  /** Namespace of the counters: two RateLimits of one domain share its limits. */
  domain: required(string({ minLength: 1 })),
  /** What a request is counted by, as one or more descriptors. */
  descriptors: required(array(object({ entries: required(descriptorEntries) }), { minItems: 1, maxItems: 20 })),
  /** How many requests of which descriptor. */
  limits: limitNodes,
  /** Whether requests are refused while nobody can be asked. Default: false. */
  failureModeDeny: boolean(),
  /** Default: 100ms. */
  timeout: duration(),
});
export type SharedLimit = Infer<typeof shared>;

/**
 * How many requests proxies let through: those that a sidecar lets in, those that a gateway takes. Limits are counted by
 * each proxy for itself, or by the control plane for all of them together.
 */
export const rateLimitSchema = object({
  selector: workloadSelector,
  targetRefs: array(targetReference),
  /** Hosts that it is for, as virtual hosts of a gateway name them. Default: all. */
  hosts: array(string({ minLength: 1 })),
  local,
  shared,
});
export type RateLimitSpec = Infer<typeof rateLimitSchema>;
