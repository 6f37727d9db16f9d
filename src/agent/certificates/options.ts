import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Discovery } from '../bootstrap/discovery.ts';
import type { AgentEnvironment } from '../environment/environment.ts';
import type { AgentMetrics } from '../status/metrics.ts';

export interface CertificatesOptions {
  readonly environment: AgentEnvironment;
  /** Where certificates are asked for. */
  readonly authority: Discovery;
  readonly resolve: (path: string) => string;
  /** Folder for what survives a restart; undefined keeps nothing. */
  readonly stateDir: string | undefined;
  readonly metrics: AgentMetrics;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly random?: () => number;
}
