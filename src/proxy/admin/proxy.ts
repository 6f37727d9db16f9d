import type { Bootstrap } from '../../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import type { Node } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { Logging } from '../../base/log.ts';
import type { ClusterManager } from '../cluster/cluster-manager.ts';
import type { WorkerContext } from '../context.ts';
import type { ExtensionConfigs } from '../extension-config.ts';
import type { RouteSubscriptions } from '../http/rds.ts';
import type { ListenerManager } from '../net/listener-manager.ts';
import type { FileSinks } from '../observe/access-log/file-sink.ts';
import type { Layouts } from '../observe/names/layout.ts';
import type { Runtime } from '../runtime.ts';
import type { SecretManager } from '../tls/secrets.ts';
import type { PrometheusWriter } from './stats/prometheus.ts';

/** What is waited for, and by whom. */
export interface UnreadyTargets {
  readonly name: string;
  readonly target_names: readonly string[];
}

/** The proxy as the admin interface sees it. */
export interface AdminProxy {
  readonly options: {
    readonly bootstrap: Bootstrap;
    readonly logging: Logging;
    readonly commandLine: Readonly<Record<string, unknown>>;
  };
  readonly worker: WorkerContext;
  readonly clusters: ClusterManager;
  readonly listeners: ListenerManager;
  readonly routes: RouteSubscriptions;
  readonly extensions: ExtensionConfigs;
  readonly transports: { readonly secrets: SecretManager };
  readonly sinks: FileSinks;
  readonly runtime: Runtime;
  /** How statistics are called and written. */
  readonly statsView: { readonly layouts: Layouts; readonly prometheus: PrometheusWriter };
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly live: boolean;
  readonly shownState: string;
  readonly nodeMessage: Node;
  healthFailed: boolean;
  /** Resolved when the process is to end. */
  readonly quit: { resolve(): void };
  drain(options: { readonly graceful: boolean; readonly inboundOnly: boolean; readonly skipExit?: boolean }): void;
  /** What is waited for before the server is live. */
  unreadyTargets(listenersOnly: boolean): readonly UnreadyTargets[];
  /** Brings the gauges of the process up to date. */
  refreshStats(): void;
}
