import { xxhash64 } from '../../base/xxhash64.ts';
import type { EnrouteHealthCheck, EnrouteService, EnrouteTimeouts } from '../../config/kinds/shared/enroute-route.ts';
import type { MadeObject } from '../adapter.ts';
import { type Attached, filterOf } from './filters.ts';
import type { Findings } from './findings.ts';
import type { Config, EnrouteGateway } from './gateways.ts';
import { madeObject, type Source } from './made.ts';
import { clusterPatch, type MadePatch } from './patches.ts';
import type { Secrets } from './secrets.ts';

/** Where requests go: what a VirtualService calls it, and the name of its cluster. */
export interface Upstream {
  readonly destination: {
    readonly host: string;
    readonly port: { readonly number: number };
    readonly subset?: string;
  };
  readonly cluster: string;
}

/** What of a route shows in how its services are reached. */
export interface UpstreamSettings {
  readonly timeouts?: EnrouteTimeouts | undefined;
  readonly filters?: Attached;
  /** Name that its certificate must be for by the system's authorities, where nothing else says how to check it. */
  readonly publicName?: string;
}

interface Subset {
  readonly policy: object;
  readonly source: Source;
}

/** The affinity cookie by which Contour and EnRoute send a client to the same endpoint. */
const COOKIE = { name: 'X-Contour-Session-Affinity', path: '/', ttl: '0s' };

const STRATEGIES: Readonly<Record<string, object>> = {
  WeightedLeastRequest: { simple: 'LEAST_REQUEST' },
  Random: { simple: 'RANDOM' },
  Cookie: { consistentHash: { httpCookie: COOKIE } },
};

const ROUND_ROBIN = { simple: 'ROUND_ROBIN' };

/** The services that gateways reach, each in as many ways as it is named in. */
export class Upstreams {
  readonly patches: MadePatch[] = [];
  readonly #config: Config;
  readonly #findings: Findings;
  readonly #secrets: Secrets;
  readonly #domain: string;
  /** Whether gateways speak mutual TLS to what is in the mesh. */
  readonly #mutualTls: boolean;
  readonly #hosts = new Map<string, { readonly source: Source; readonly subsets: Map<string, Subset> }>();

  constructor(options: {
    readonly config: Config;
    readonly findings: Findings;
    readonly secrets: Secrets;
    readonly domain: string;
    readonly mutualTls: boolean;
  }) {
    this.#config = options.config;
    this.#findings = options.findings;
    this.#secrets = options.secrets;
    this.#domain = options.domain;
    this.#mutualTls = options.mutualTls;
  }

  /** How a service of the source's namespace is reached, or why it cannot be. */
  reach(service: EnrouteService, source: Source, settings: UpstreamSettings = {}): Upstream | string {
    const { namespace } = source.object.metadata;
    return this.reachIn(namespace, service, source, settings);
  }

  reachIn(
    namespace: string,
    service: EnrouteService,
    source: Source,
    settings: UpstreamSettings = {},
  ): Upstream | string {
    const { object, path } = source;
    const { name, port } = service;
    const found = this.#config.get('Service', namespace, name);
    if (found === undefined) {
      return this.#findings.add(object, path, `names no service: ${namespace}/${name}`, 'Service');
    }
    if (!(found.spec.ports ?? []).some((p) => p.port === port)) {
      return this.#findings.add(object, path, `names port ${port}, which service ${namespace}/${name} does not have`);
    }
    const host = `${name}.${namespace}.svc.${this.#domain}`;
    const entry = this.#hosts.get(host) ?? { source, subsets: new Map<string, Subset>() };
    this.#hosts.set(host, entry);
    const policy = this.#policy(service, source, settings);
    if (typeof policy === 'string') return policy;
    const own = JSON.stringify([policy, service.healthCheck ?? null]);
    if (own === '[{},null]')
      return { destination: { host, port: { number: port } }, cluster: clusterName(port, '', host) };
    const subset = `enroute-${xxhash64(Buffer.from(own)).toString(16).padStart(16, '0')}`;
    const cluster = clusterName(port, subset, host);
    if (!entry.subsets.has(subset)) entry.subsets.set(subset, { policy, source });
    this.#addPatches(cluster, service, source, settings);
    return { destination: { host, port: { number: port }, subset }, cluster };
  }

  /** The DestinationRules of a gateway, which nobody else sees. */
  madeFor(gateway: EnrouteGateway): MadeObject[] {
    const { namespace, name, labels } = gateway;
    const trafficPolicy = { loadBalancer: ROUND_ROBIN, ...(this.#mutualTls ? {} : { tls: { mode: 'DISABLE' } }) };
    return [...this.#hosts].map(([host, { source, subsets }]) => {
      const all = [...subsets];
      const spec = {
        host,
        exportTo: ['.'],
        workloadSelector: { matchLabels: labels },
        trafficPolicy,
        subsets: all.map(([subset, { policy }]) => ({ name: subset, trafficPolicy: { ...trafficPolicy, ...policy } })),
      };
      return madeObject(
        'DestinationRule',
        namespace,
        `${name}-enroute-${host}`,
        { spec },
        source,
        ([, field, index]) => (field === 'subsets' && typeof index === 'number' ? all[index]?.[1].source : undefined),
      );
    });
  }

  /** What differs from how a service is reached by default, as a DestinationRule has it. */
  #policy(service: EnrouteService, source: Source, settings: UpstreamSettings): object | string {
    const { timeouts, filters, publicName } = settings;
    const tls = this.#tls(service, source, publicName);
    if (typeof tls === 'string') return tls;
    const pool = connectionPool(service, timeouts, filters);
    const outliers = filters && outlierDetection(filters);
    const balancer = STRATEGIES[service.strategy ?? ''];
    return {
      ...(balancer && { loadBalancer: balancer }),
      ...(pool && { connectionPool: pool }),
      ...(outliers && { outlierDetection: outliers }),
      ...(tls && { tls }),
    };
  }

  #tls(service: EnrouteService, source: Source, publicName: string | undefined): object | string | undefined {
    const { protocol, validation, clientvalidation, name } = service;
    if (protocol !== 'tls' && protocol !== 'h2') {
      if (validation === undefined && clientvalidation === undefined) return undefined;
      return this.#findings.add(source.object, source.path, 'has validation, which needs the protocol tls or h2');
    }
    if (validation === undefined) {
      if (clientvalidation !== undefined) {
        return this.#findings.add(source.object, source.path, 'has clientvalidation, which needs validation beside it');
      }
      if (publicName !== undefined) return { mode: 'SIMPLE', sni: publicName, subjectAltNames: [publicName] };
      this.#findings.add(
        source.object,
        source.path,
        `sends to ${name} without looking at its certificate: set validation to have it checked`,
      );
      return { mode: 'SIMPLE', insecureSkipVerify: true };
    }
    const credentialName = this.#secrets.upstream(validation.caSecret, clientvalidation?.caSecret, source);
    if (credentialName === undefined) return `the secrets for service ${name} cannot be used`;
    const { subjectName } = validation;
    return {
      mode: clientvalidation === undefined ? 'SIMPLE' : 'MUTUAL',
      credentialName,
      sni: subjectName,
      subjectAltNames: [subjectName],
    };
  }

  #addPatches(cluster: string, { healthCheck }: EnrouteService, source: Source, { filters }: UpstreamSettings): void {
    const enforcing = filters && outlierEnforcement(filters);
    const value = {
      ...(healthCheck && { health_checks: [healthCheckOf(healthCheck)] }),
      ...(enforcing && { outlier_detection: enforcing }),
    };
    if (Object.keys(value).length > 0) this.patches.push({ patch: clusterPatch(cluster, value), source });
  }
}

function clusterName(port: number, subset: string, host: string): string {
  return `outbound|${port}|${subset}|${host}`;
}

function connectionPool(
  { protocol }: EnrouteService,
  timeouts: EnrouteTimeouts | undefined,
  filters: Attached | undefined,
): object | undefined {
  const breakers = filters && filterOf(filters, 'route_filter_circuitbreakers')?.config;
  const tcp = {
    ...(breakers?.max_connections && { maxConnections: breakers.max_connections }),
    ...limited('connectTimeout', timeouts?.cluster_connect),
    ...limited('maxConnectionDuration', timeouts?.cluster_max_duration),
  };
  const http = {
    ...(breakers?.max_pending_requests && { http1MaxPendingRequests: breakers.max_pending_requests }),
    ...(breakers?.max_requests && { http2MaxRequests: breakers.max_requests }),
    ...(breakers?.max_retries && { maxRetries: breakers.max_retries }),
    ...limited('idleTimeout', timeouts?.cluster_idle),
    ...((protocol === 'h2' || protocol === 'h2c') && { h2UpgradePolicy: 'UPGRADE' }),
  };
  const pool = {
    ...(Object.keys(tcp).length > 0 && { tcp }),
    ...(Object.keys(http).length > 0 && { http }),
  };
  return Object.keys(pool).length > 0 ? pool : undefined;
}

/** A duration by the name of a field; nothing where there is no limit. */
function limited(field: string, text: string | undefined): object {
  return text === undefined || isUnlimited(text) ? {} : { [field]: text };
}

/** Whether a timeout is none. */
export function isUnlimited(text: string): boolean {
  return text === 'infinity' || text === 'infinite' || /^0(?:[a-zµμ]+)?$/.test(text);
}

function outlierDetection(filters: Attached): object | undefined {
  const config = filterOf(filters, 'route_filter_outlierdetection')?.config;
  if (config === undefined) return undefined;
  const count = (value: number | undefined, enforcing: number | undefined) => (enforcing === 0 ? 0 : value);
  const errors = count(config.consecutive_5xx, config.enforcing_consecutive_5xx);
  const gateway = count(config.consecutive_gateway_failure, config.enforcing_consecutive_gateway_failure);
  return {
    ...(errors !== undefined && { consecutive5xxErrors: errors }),
    ...(gateway !== undefined && { consecutiveGatewayErrors: gateway }),
  };
}

/** Percentages that a DestinationRule has no field for. */
function outlierEnforcement(filters: Attached): object | undefined {
  const config = filterOf(filters, 'route_filter_outlierdetection')?.config;
  const { enforcing_consecutive_5xx: errors, enforcing_consecutive_gateway_failure: gateway } = config ?? {};
  if (config === undefined) return undefined;
  return {
    // As in the Envoy that EnRoute was made for: of few endpoints one may go as well.
    always_eject_one_host: true,
    ...(errors && { enforcing_consecutive_5xx: errors }),
    ...(gateway && { enforcing_consecutive_gateway_failure: gateway }),
  };
}

function healthCheckOf(check: EnrouteHealthCheck): object {
  return {
    timeout: `${check.timeoutSeconds}s`,
    interval: `${check.intervalSeconds}s`,
    unhealthy_threshold: check.unhealthyThresholdCount,
    healthy_threshold: check.healthyThresholdCount,
    http_health_check: { path: check.path, host: check.host || 'contour-envoy-healthcheck' },
  };
}
