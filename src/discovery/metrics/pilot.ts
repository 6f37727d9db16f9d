import type { SentResponse } from '../../xds/server/discovery-stream.ts';
import type { ConnectedProxy } from '../proxies/connected-proxy.ts';
import { metricType } from '../proxies/type-names.ts';
import type { MeshChange } from '../snapshot/mesh-source.ts';
import { type Histogram, MetricsRegistry, type Sample, type Value } from './registry.ts';

/** Seconds; istiod's buckets of the same metrics, with finer ones below: it is meant to take milliseconds. */
const PUSH_BUCKETS = [0.001, 0.005, 0.01, 0.1, 1, 3, 5, 10, 20, 30];
const CONVERGENCE_BUCKETS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 3, 5, 10, 20, 30];
const BUILD_BUCKETS = [0.001, 0.005, 0.01, 0.1, 0.5, 1, 3, 5];
/** Istio's words for why something is pushed. */
const TRIGGERS = { config: 'config', mesh: 'global', keys: 'unknown' } as const;
const SIZE_BUCKETS = [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000];

/** What the mesh looks like now, for gauges that are asked for when they are scraped. */
export interface MeshGauges {
  services(): number;
  virtualServices(): number;
  endpointsNotReady(): number;
  servicesWithoutEndpoints(): number;
  rejectedObjects(): Iterable<Sample>;
  proxiesByVersion(): Iterable<Sample>;
}

/** The control plane's metrics, under istiod's names as far as they mean the same here. */
export class PilotMetrics {
  readonly registry = new MetricsRegistry();
  readonly internalErrors: Value;
  readonly expiredNonces: Value;
  readonly #pushes: Value;
  readonly #rejects: Value;
  readonly #rejectsByType: ReadonlyMap<string, Value>;
  readonly #sizes: Histogram;
  readonly #pushTime: Histogram;
  readonly #sendTime: Histogram;
  readonly #queueTime: Histogram;
  readonly #convergence: Histogram;
  readonly #build: Histogram;
  readonly #received: Value;
  readonly #triggers: Value;
  readonly #updates: Value;

  constructor(version: string, startedAt = performance.now()) {
    const { registry } = this;
    registry.observed('pilot_info', 'The version of this control plane.', () => [[{ version }, 1]]);
    registry.observed('istio_build', 'The build that runs.', () => [[{ component: 'pilot', tag: version }, 1]]);
    registry.observed(
      'istiod_uptime_seconds',
      'Seconds since the start.',
      () => (performance.now() - startedAt) / 1000,
    );
    this.internalErrors = registry.counter('pilot_total_xds_internal_errors', 'Failures while serving proxies.');
    this.internalErrors.add(0);
    this.expiredNonces = registry.counter('pilot_xds_expired_nonce', 'Requests that answered an older response.');
    this.#pushes = registry.counter('pilot_xds_pushes', 'Responses sent, by type.');
    this.#rejects = registry.counter('pilot_total_xds_rejects', 'Responses that a proxy refused, by type.');
    this.#rejectsByType = new Map(
      ['cds', 'eds', 'lds', 'rds'].map((type) => [
        type,
        registry.gauge(`pilot_xds_${type}_reject`, `Proxies that refuse the present ${type.toUpperCase()} resources.`),
      ]),
    );
    this.#sizes = registry.histogram('pilot_xds_config_size_bytes', 'Size of responses, by type.', SIZE_BUCKETS);
    this.#pushTime = registry.histogram(
      'pilot_xds_push_time',
      'Seconds to put a response together, by type.',
      PUSH_BUCKETS,
    );
    this.#sendTime = registry.histogram(
      'pilot_xds_send_time',
      'Seconds from sending a response to its acknowledgement.',
      PUSH_BUCKETS,
    );
    this.#queueTime = registry.histogram(
      'pilot_proxy_queue_time',
      'Seconds that a proxy waited for its turn to be pushed to.',
      PUSH_BUCKETS,
    );
    this.#convergence = registry.histogram(
      'pilot_proxy_convergence_time',
      'Seconds from a change of configuration until a proxy has acknowledged all that it changes.',
      CONVERGENCE_BUCKETS,
    );
    this.#build = registry.histogram(
      'pilot_pushcontext_init_seconds',
      'Seconds to make a snapshot of the mesh after a change.',
      BUILD_BUCKETS,
    );
    this.#received = registry.gauge('pilot_xds_recv_max', 'The largest request so far, bytes.');
    this.#triggers = registry.counter('pilot_push_triggers', 'Snapshots made, by what changed.');
    this.#updates = registry.counter('pilot_inbound_updates', 'Objects that were added, changed or removed, by type.');
  }

  /** Adds the gauges that are read off the mesh. */
  observe(mesh: MeshGauges): void {
    const { registry } = this;
    registry.observed('pilot_services', 'Services known.', () => mesh.services());
    registry.observed('pilot_virt_services', 'VirtualServices known.', () => mesh.virtualServices());
    registry.observed('pilot_endpoint_not_ready', 'Endpoints that are not ready.', () => mesh.endpointsNotReady());
    registry.observed('pilot_eds_no_instances', 'Services without endpoints.', () => mesh.servicesWithoutEndpoints());
    registry.observed('pilot_total_rejected_configs', 'Objects that are not in force, by kind.', () =>
      mesh.rejectedObjects(),
    );
    registry.observed('pilot_xds', 'Proxies connected, by version.', () => mesh.proxiesByVersion());
  }

  built(seconds: number): void {
    this.#build.observe(seconds);
  }

  changed(trigger: MeshChange['trigger'], keys: readonly string[]): void {
    this.#triggers.add(1, { type: TRIGGERS[trigger] });
    for (const key of keys) this.#updates.add(1, { type: updateType(key) });
  }

  received(bytes: number): void {
    if (bytes > this.#received.get()) this.#received.set(bytes);
  }

  sent({ typeUrl, bytes, seconds }: SentResponse): void {
    const type = metricType(typeUrl);
    this.#pushes.add(1, { type });
    this.#pushTime.observe(seconds, { type });
    this.#sizes.observe(bytes, { type: typeUrl });
  }

  acked(seconds: number): void {
    this.#sendTime.observe(seconds);
  }

  rejected(typeUrl: string, node: string, code: number): void {
    const type = metricType(typeUrl);
    this.#rejects.add(1, { type });
    this.#rejectsByType.get(type)?.set(1, { node, err: String(code) });
  }

  /** The proxy took a later response. */
  rejectionOver(typeUrl: string, node: string): void {
    const gauge = this.#rejectsByType.get(metricType(typeUrl));
    for (let code = 0; code <= 16; code++) gauge?.clear({ node, err: String(code) });
  }

  disconnected(proxy: ConnectedProxy): void {
    for (const typeUrl of proxy.progress.nacks.keys()) this.rejectionOver(typeUrl, proxy.id);
  }

  readonly onQueued = (seconds: number): void => this.#queueTime.observe(seconds);
  readonly onConverged = (seconds: number): void => this.#convergence.observe(seconds);
  readonly onFailed = (): void => this.internalErrors.add();
}

/** The kinds of updates that istiod tells apart: endpoints, services, and all other configuration. */
function updateType(key: string): string {
  const kind = key.slice(0, key.indexOf('/'));
  if (kind === 'Endpoints' || kind === 'EndpointSlice' || kind === 'Pod' || kind === 'WorkloadEntry') return 'eds';
  return kind === 'Service' ? 'svc' : 'config';
}
