import { type NetworkFilter, type NetworkFilterCallbacks, NetworkStatus } from '../../net/network-filter.ts';
import type { Timer } from '../../timers.ts';
import { type RbacEngine, refusalDetails } from '../rbac/engine.ts';
import { noteLogging, noteVerdict } from '../rbac/filter.ts';
import type { RbacStats } from '../rbac/stats.ts';

export interface NetworkRbacConfig {
  readonly stats: RbacStats;
  readonly engine: RbacEngine | undefined;
  readonly shadow: RbacEngine | undefined;
  readonly shadowPrefix: string;
  /** Judges with every piece of data anew, not only with the first. */
  readonly continuous: boolean;
  /** How long a connection that is refused is kept waiting before it is closed, in milliseconds. */
  readonly delayMs: number;
}

const NAMESPACE = 'envoy.filters.network.rbac';

/**
 * Lets connections pass by who opens them, or closes them. As Envoy's it judges with the first that the client sends,
 * or when it ends: a server behind that speaks first is heard before.
 */
export class NetworkRbacFilter implements NetworkFilter {
  readonly #config: NetworkRbacConfig;
  readonly #callbacks: NetworkFilterCallbacks;
  #delay: Timer | undefined = undefined;
  /** Undefined when there is nothing more to judge. */
  onData: (() => NetworkStatus) | undefined;

  constructor(config: NetworkRbacConfig, callbacks: NetworkFilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
    this.onData = () => this.#judge();
  }

  #judge(): NetworkStatus {
    const { engine, shadow, stats, shadowPrefix, continuous, delayMs } = this.#config;
    const { connection, info, worker } = this.#callbacks;
    const subject = { connection, headers: undefined, info };
    if (!continuous) this.onData = undefined;
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
    const close = () => connection.close('rbac_deny_close');
    if (delayMs > 0) this.#delay = worker.timers.start(delayMs, close);
    else close();
    return NetworkStatus.Stop;
  }

  onClose(): void {
    this.#delay?.cancel();
  }
}
