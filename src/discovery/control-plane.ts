import type { Clock } from '../base/clock.ts';
import type { Logging } from '../base/log.ts';
import type { CertificateAuthority } from '../ca/authority/authority.ts';
import { type CertificateMetrics, CITADEL_COUNTERS, CITADEL_GAUGES, expiryGauges } from '../ca/service/metrics.ts';
import { formatMessage } from '../config/message.ts';
import type { ConfigSnapshot } from '../config/store/snapshot.ts';
import type { ConfigStore } from '../config/store/store.ts';
import type { RegistryOptions } from '../registry/options.ts';
import type { MeshSnapshot } from '../translate/mesh.ts';
import type { ProxyNode } from '../translate/node.ts';
import type { Translator } from '../translate/translation.ts';
import type { DebugContext } from './debug/handler.ts';
import { debugQuestions } from './debug/questions.ts';
import { discoverKeySet, fetchKeySet } from './jwks/fetch.ts';
import { KeySets } from './jwks/key-sets.ts';
import { locateService } from './jwks/locate.ts';
import { PilotMetrics } from './metrics/pilot.ts';
import type { Sample } from './metrics/registry.ts';
import { followsConfiguration } from './proxies/connected-proxy.ts';
import { Convergence } from './proxies/convergence.ts';
import { ProxyRegistry } from './proxies/proxy-registry.ts';
import { PushScheduler } from './push/scheduler.ts';
import { GatewaySecrets } from './secrets/gateway-secrets.ts';
import { DiscoveryService } from './server/discovery-service.ts';
import type { MeshSettings } from './snapshot/mesh-settings.ts';
import { MeshSource } from './snapshot/mesh-source.ts';
import { AutoRegistration } from './workloads/auto-registration.ts';

export interface ControlPlaneOptions {
  readonly store: ConfigStore;
  readonly settings: MeshSettings;
  readonly translator: Translator<MeshSnapshot, ProxyNode>;
  readonly registry: Omit<RegistryOptions, 'trustDomain'>;
  readonly clock: Clock;
  readonly logging: Logging;
  readonly version: string;
  /** Of this process among other control planes, such as the pod's name. */
  readonly instance: string;
  readonly maxPushes: number;
  readonly checkIdentity: boolean;
  /** Where the mesh keeps objects of its own, such as the WorkloadEntries of those that connect as members of a group. */
  readonly runtime: ConfigStore | undefined;
  /** How long such an entry outlasts its connection, milliseconds. */
  readonly workloadGraceMs: number;
}

/** How long a push waits for an answer before it goes on with the next type. */
const ACK_TIMEOUT_MS = 5_000;

/** Everything between the configuration and the sockets. */
export class ControlPlane {
  readonly source: MeshSource;
  readonly proxies = new ProxyRegistry();
  readonly convergence: Convergence;
  readonly metrics: PilotMetrics;
  readonly discovery: DiscoveryService;
  readonly debug: DebugContext;
  readonly #options: ControlPlaneOptions;
  readonly #scheduler: PushScheduler;
  readonly #keySets: KeySets;
  /** Undefined where there is no place for objects of the mesh's own. */
  readonly #workloads: AutoRegistration | undefined;
  #rejected = new Set<string>();

  constructor(options: ControlPlaneOptions) {
    const { store, settings, translator, registry, clock, logging, version, instance } = options;
    this.#options = options;
    this.metrics = new PilotMetrics(version);
    this.source = new MeshSource({
      store,
      mesh: settings.config,
      registry,
      onBuilt: (seconds) => this.metrics.built(seconds),
    });
    this.convergence = new Convergence(this.proxies, clock);
    const onSecretError = this.metrics.registry.counter(
      'pilot_sds_certificate_errors_total',
      'Secrets that could not be given to a gateway.',
    );
    this.#scheduler = new PushScheduler({
      source: this.source,
      translator,
      proxies: this.proxies,
      secrets: new GatewaySecrets({ clock, log: logging.scope('gateway'), onError: () => onSecretError.add() }),
      maxPushes: options.maxPushes,
      observer: this.metrics,
      log: logging.scope('ads'),
    });
    this.debug = {
      source: this.source,
      proxies: this.proxies,
      convergence: this.convergence,
      logging,
      clusterId: registry.clusterId,
      meshConfig: () => settings.raw,
    };
    const log = logging.scope('ads');
    this.discovery = new DiscoveryService({
      proxies: this.proxies,
      scheduler: this.#scheduler,
      metrics: this.metrics,
      clock,
      log,
      controlPlane: JSON.stringify({ Component: 'istiod', ID: instance, Info: { version } }),
      ackTimeoutMs: ACK_TIMEOUT_MS,
      checkIdentity: options.checkIdentity,
      questions: (identity, who) => debugQuestions(this.debug, identity, who, log),
      onHealth: (proxy, problem) => this.#workloads?.healthOf(proxy, problem),
    });
    this.#workloads =
      options.runtime &&
      new AutoRegistration({
        proxies: this.proxies,
        config: () => store.snapshot,
        store: options.runtime,
        graceMs: options.workloadGraceMs,
        instance,
        clock,
        log: logging.scope('wle'),
      });
    this.metrics.observe(this.#gauges());
    const locate = locateService(() => this.source.snapshot.registry, registry.domain);
    this.#keySets = new KeySets({
      clock,
      fetcher: {
        keySet: (uri) => fetchKeySet(uri, locate),
        discover: (issuer) => discoverKeySet(issuer, locate),
      },
      log: logging.scope('jwks'),
      onChange: (keySets) => this.source.setKeySets(keySets),
    });
    this.source.subscribe(({ after, trigger, keys }) => {
      this.metrics.changed(trigger, keys);
      const what = { config: keys.join(', '), mesh: 'mesh configuration', keys: 'keys of token issuers' }[trigger];
      logging.scope('model').info(`snapshot ${after.number}: ${what}`);
      this.#reportRejected(after.config);
      if (trigger === 'config') this.#wantKeySets();
    });
    this.#wantKeySets();
    this.#reportRejected(store.snapshot);
  }

  /** Counters of the certificate service, on the same page as everything else. */
  certificateMetrics(): CertificateMetrics {
    const entries = Object.entries(CITADEL_COUNTERS).map(([name, help]) => {
      const counter = this.metrics.registry.counter(name, help);
      if (name !== 'citadel_server_csr_sign_err_count') counter.add(0);
      return [name, counter] as const;
    });
    const counters = new Map<string, (typeof entries)[number][1]>(entries);
    return { increment: (name, labels) => counters.get(name)?.add(1, labels) };
  }

  /** Gauges of when the authority's certificates expire. */
  observeAuthority(authority: CertificateAuthority): void {
    for (const [name, help] of Object.entries(CITADEL_GAUGES)) {
      this.metrics.registry.observed(name, help, () => {
        const value = expiryGauges(authority, this.#options.clock.now())[name as keyof typeof CITADEL_GAUGES];
        return value === undefined ? [] : value;
      });
    }
  }

  close(): void {
    void this.#workloads?.close();
    for (const proxy of [...this.proxies]) proxy.disconnect('the control plane is shutting down');
    this.#scheduler.close();
    this.convergence.close();
    this.#keySets.close();
    this.source.close();
  }

  #wantKeySets(): void {
    this.#keySets.update(this.source.snapshot.config.list('RequestAuthentication').map(({ spec }) => spec));
  }

  /** Says what is not in force and why, once. */
  #reportRejected({ rejected }: ConfigSnapshot): void {
    const log = this.#options.logging.scope('validation');
    const now = new Set<string>();
    for (const { key, messages, lastGood } of rejected) {
      const text = messages.map(formatMessage).join('\n');
      now.add(text);
      if (this.#rejected.has(text)) continue;
      for (const message of messages) log.error(formatMessage(message));
      log.warn(`${key} is not in force${lastGood ? '; its last good version stays' : ''}`);
    }
    this.#rejected = now;
  }

  #gauges() {
    const snapshot = () => this.source.snapshot;
    return {
      services: () => snapshot().registry.services.all.length,
      virtualServices: () => snapshot().config.list('VirtualService').length,
      endpointsNotReady: () => {
        let count = 0;
        for (const { endpoints } of snapshot().registry.endpointIndex.values()) {
          for (const { health } of endpoints) if (health !== 'healthy') count++;
        }
        return count;
      },
      servicesWithoutEndpoints: () => {
        const { registry } = snapshot();
        const isEmpty = (service: (typeof registry.services.all)[number]) =>
          service.resolution === 'STATIC' && registry.endpoints(service).endpoints.length === 0;
        return registry.services.all.filter(isEmpty).length;
      },
      rejectedObjects: () =>
        countBy(
          snapshot().config.rejected.map(({ key }) => key.split('/')[0]),
          'type',
        ),
      proxiesByVersion: () =>
        countBy(
          [...this.proxies].filter(followsConfiguration).map((proxy) => proxy.node.istioVersion),
          'version',
        ),
    };
  }
}

function countBy(values: readonly string[], label: string): Sample[] {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].map(([value, count]) => [{ [label]: value }, count]);
}
