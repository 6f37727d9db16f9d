import type { Clock } from '../base/clock.ts';
import type { Logging } from '../base/log.ts';
import type { AgentEnvironment } from './environment/environment.ts';
import type { ProxyConfig } from './environment/proxy-config.ts';

/** Everything an agent is started with. */
export interface AgentOptions {
  readonly role: 'sidecar' | 'router';
  /** Working folder: `./var/run`, `./etc` and the like lie in it. */
  readonly dir: string;
  readonly environment: AgentEnvironment;
  readonly proxyConfig: ProxyConfig;
  /** The same as JSON, for the node's metadata. */
  readonly proxyConfigJson: Readonly<Record<string, unknown>>;
  readonly domain: string | undefined;
  readonly podLabels: Readonly<Record<string, string>>;
  readonly podAnnotations: Readonly<Record<string, string>>;
  /** Path of an Envoy to run instead of our own proxy. */
  readonly envoy: string | undefined;
  readonly proxyLogLevel: string;
  readonly proxyComponentLogLevel: string | undefined;
  /** Istio's version whose behaviour this is. */
  readonly version: string;
  readonly logging: Logging;
  /** Logs of our own proxy. */
  readonly proxyLogging: Logging;
  /** Environment of a child process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly random?: () => number;
}
