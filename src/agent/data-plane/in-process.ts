import type { Bootstrap } from '../../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logging } from '../../base/log.ts';
import type { AddressMap } from '../../proxy/net/address-map.ts';
import { ProxyServer } from '../../proxy/server.ts';
import type { ConfigSource } from '../../xds/client/config-source.ts';
import type { RecordingSource } from '../last-good/recording-source.ts';
import { AdminClient } from './admin-client.ts';
import { configurationProblem, type DataPlane, type DataPlaneEnd } from './data-plane.ts';

export interface InProcessOptions {
  readonly bootstrap: Bootstrap;
  readonly logging: Logging;
  readonly drainMs: number;
  /** `fileFlushInterval` and `fileFlushMinSizeKb`. */
  readonly flushMs?: number | undefined;
  readonly flushMinKb?: number | undefined;
  /** Where secrets come from instead of the cluster `sds-grpc`; undefined uses the cluster. */
  readonly secrets: ConfigSource | undefined;
  /** Stands between the proxy and its ADS stream. */
  readonly record: (ads: ConfigSource) => RecordingSource;
  /** Ports of the listeners for metrics and readiness, whose connections are not traffic. */
  readonly ownPorts: readonly number[];
  readonly addresses: AddressMap | undefined;
}

/** Our proxy, in this process. */
export class InProcessProxy implements DataPlane {
  readonly #proxy: ProxyServer;
  readonly #record: (ads: ConfigSource) => RecordingSource;
  readonly #ownPorts: ReadonlySet<number>;
  readonly #admin: AdminClient;
  #configuration: RecordingSource | undefined;
  #end: (end: DataPlaneEnd) => void = () => {};
  readonly ended = new Promise<DataPlaneEnd>((resolve) => (this.#end = resolve));

  constructor(options: InProcessOptions) {
    const { bootstrap, logging, drainMs, secrets, addresses } = options;
    this.#record = options.record;
    this.#ownPorts = new Set(options.ownPorts);
    const proxy = new ProxyServer({
      bootstrap,
      logging,
      drainMs,
      accessLogFlushMs: options.flushMs,
      accessLogFlushKb: options.flushMinKb || undefined,
      commandLine: { mode: 'Serve', concurrency: 1, drain_strategy: 'Immediate' },
      sources: new Map(secrets ? [['sds-grpc', secrets]] : []),
      ...(addresses && { addresses }),
    });
    this.#proxy = proxy;
    proxy.worker.setSources((spec) => (spec.kind === 'ads' ? this.#ads() : proxy.sources.get(spec)));
    this.#admin = new AdminClient(() => {
      const at = proxy.adminAddress;
      if (!at) throw new Error('the admin interface is not there yet');
      return { host: at.address, port: at.port };
    });
  }

  /** Asked for when the clusters stand that discovery comes through. */
  #ads(): RecordingSource {
    return (this.#configuration ??= this.#record(this.#proxy.sources.get({ kind: 'ads' })));
  }

  start(): Promise<void> {
    // It settles when the first configuration is in force, which may take for ever.
    this.#proxy.start().catch((error: unknown) => this.#end({ exitCode: 1, reason: messageOf(error) }));
    return Promise.resolve();
  }

  readiness(): Promise<string | undefined> {
    return Promise.resolve(this.#problem());
  }

  #problem(): string | undefined {
    const counts = this.#configuration?.counts ?? { cdsSuccess: 0, cdsRejected: 0, ldsSuccess: 0, ldsRejected: 0 };
    const problem = configurationProblem(counts);
    if (problem) return problem;
    const { state, healthFailed, listeners } = this.#proxy;
    if (state !== 'LIVE' || healthFailed) return `server is not live, current state is: ${state}`;
    return listeners.stats.workers_started === 0 ? 'workers have not yet started' : undefined;
  }

  drain(inboundOnly: boolean): Promise<void> {
    this.#proxy.drain({ graceful: true, inboundOnly });
    return Promise.resolve();
  }

  activeConnections(): Promise<number | undefined> {
    let count = 0;
    for (const { listener } of this.#proxy.listeners.listening()) {
      const own = listener.config.addresses.some(({ port }) => this.#ownPorts.has(port));
      if (!own) count += listener.activeConnections;
    }
    return Promise.resolve(count);
  }

  stats(query: string, headers: readonly (readonly [string, string])[], timeoutMs: number): Promise<Buffer> {
    return this.#admin.get(`/stats/prometheus${query === '' ? '' : `?${query}`}`, headers, timeoutMs);
  }

  admin(method: string, path: string): Promise<{ readonly status: number; readonly body: string }> {
    return this.#admin.request(method, path);
  }

  async stop(): Promise<void> {
    this.#proxy.stop();
    this.#end({ exitCode: 0, reason: 'stopped' });
    await this.#configuration?.close();
  }
}
