import { type NetworkFilter, type NetworkFilterCallbacks, NetworkStatus } from '../../net/network-filter.ts';
import { type RbacEngine, refusalDetails } from '../rbac/engine.ts';
import { noteLogging, noteVerdict } from '../rbac/filter.ts';
import type { RbacStats } from '../rbac/stats.ts';

export interface NetworkRbacConfig {
  readonly stats: RbacStats;
  readonly engine: RbacEngine | undefined;
  readonly shadow: RbacEngine | undefined;
  readonly shadowPrefix: string;
}

const NAMESPACE = 'envoy.filters.network.rbac';

/**
 * Lets connections pass by who opens them, or closes them. It judges as soon as the connection is there, and its peer
 * admitted, so that nothing behind it, such as a server that speaks first, is reached by one who must not.
 */
export class NetworkRbacFilter implements NetworkFilter {
  readonly #config: NetworkRbacConfig;
  readonly #callbacks: NetworkFilterCallbacks;
  /** Set for rules that are to be tried with every piece of data anew. */
  readonly onData: (() => NetworkStatus) | undefined;

  constructor(config: NetworkRbacConfig, continuous: boolean, callbacks: NetworkFilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
    this.onData = continuous ? () => this.#judge() : undefined;
  }

  onNewConnection(): NetworkStatus {
    return this.#judge();
  }

  #judge(): NetworkStatus {
    const { engine, shadow, stats, shadowPrefix } = this.#config;
    const { connection, info } = this.#callbacks;
    const subject = { connection, headers: undefined, info };
    if (shadow !== undefined) {
      const verdict = shadow.judge(subject);
      stats.countShadow(verdict.allowed, verdict.policy);
      noteVerdict(info, NAMESPACE, `${shadowPrefix}shadow`, verdict);
    }
    if (engine === undefined) return NetworkStatus.Continue;
    const verdict = engine.judge(subject);
    if (engine.action === 'log') noteLogging(info, verdict);
    stats.countEnforced(verdict.allowed, verdict.policy);
    if (verdict.allowed) return NetworkStatus.Continue;
    info.connectionTerminationDetails = refusalDetails(verdict.policy);
    connection.close('rbac_deny_close');
    return NetworkStatus.Stop;
  }
}
