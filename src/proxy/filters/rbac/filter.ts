import type { Headers } from '../../../wire/headers.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter } from '../../http/filter.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import { type RbacEngine, refusalDetails, type Verdict } from './engine.ts';
import type { RbacStats } from './stats.ts';

/** Rules that hold, and rules that are only tried. */
export interface RbacRules {
  readonly engine: RbacEngine | undefined;
  readonly shadow: RbacEngine | undefined;
  /** Stands before the keys of dynamic metadata that say what the shadow rules would have done. */
  readonly shadowPrefix: string;
  readonly enforcedPrefix: string;
}

/** Lets requests pass by who asks for what, or refuses them with 403. */
export class RbacFilter implements HttpFilter {
  readonly #stats: RbacStats;
  readonly #rules: RbacRules;
  readonly #shadowPrefix: string;
  readonly #enforcedPrefix: string;
  readonly #callbacks: FilterCallbacks;

  /** `own`: the rules of the filter itself, whether or not a route has put others in their place. */
  constructor(stats: RbacStats, rules: RbacRules, own: RbacRules, callbacks: FilterCallbacks) {
    this.#stats = stats;
    this.#rules = rules;
    // As in Envoy, a route that names no prefix has the filter's.
    this.#shadowPrefix = rules.shadowPrefix || own.shadowPrefix;
    this.#enforcedPrefix = rules.enforcedPrefix || own.enforcedPrefix;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers): HeadersStatus {
    const { info, connection } = this.#callbacks;
    const { engine, shadow } = this.#rules;
    const subject = { connection, headers, info };
    if (shadow !== undefined) {
      const verdict = shadow.judge(subject);
      this.#stats.countShadow(verdict.allowed, verdict.policy);
      noteVerdict(info, 'envoy.filters.http.rbac', `${this.#shadowPrefix}shadow`, verdict);
    }
    if (engine === undefined) return HeadersStatus.Continue;
    const verdict = engine.judge(subject);
    if (engine.action === 'log') noteLogging(info, verdict);
    noteVerdict(info, 'envoy.filters.http.rbac', `${this.#enforcedPrefix}enforced`, verdict);
    this.#stats.countEnforced(verdict.allowed, verdict.policy);
    if (verdict.allowed) return HeadersStatus.Continue;
    this.#callbacks.sendLocalReply({
      status: 403,
      body: 'RBAC: access denied',
      details: refusalDetails(verdict.policy),
    });
    return HeadersStatus.StopAll;
  }
}

/** Leaves what rules decided in dynamic metadata, for access logs and later filters. */
export function noteVerdict(info: StreamInfo, namespace: string, prefix: string, verdict: Verdict): void {
  const values: Record<string, unknown> = {};
  if (verdict.policy !== '') values[`${prefix}_effective_policy_id`] = verdict.policy;
  values[`${prefix}_engine_result`] = verdict.allowed ? 'allowed' : 'denied';
  info.setDynamicMetadata(namespace, values);
}

/** What the action LOG is for: tells access logs that share the hint whether the request is one of theirs. */
export function noteLogging(info: StreamInfo, verdict: Verdict): void {
  info.setDynamicMetadata('envoy.common', { access_log_hint: verdict.policy !== '' });
}
