import type { Clock } from '../base/clock.ts';
import type { Logging } from '../base/log.ts';
import type { NodeOptions } from './bootstrap/node.ts';

/** Everything an agent is started with. */
export interface AgentOptions extends Omit<NodeOptions, 'pilotSan'> {
  /** Working folder: `./var/run`, `./etc` and the like lie in it. */
  readonly dir: string;
  /** Path of an Envoy to run instead of our own proxy. */
  readonly envoy: string | undefined;
  readonly proxyLogLevel: string;
  readonly proxyComponentLogLevel: string | undefined;
  readonly logging: Logging;
  /** Logs of our own proxy. */
  readonly proxyLogging: Logging;
  /** Environment of a child process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly random?: () => number;
}
