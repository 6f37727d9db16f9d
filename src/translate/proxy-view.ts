import type { EnvoyFilterSpec } from '../config/kinds/envoy-filter/schema.ts';
import type { GatewaySpec } from '../config/kinds/gateway/schema.ts';
import type { MeshProxyConfig } from '../config/kinds/mesh-config/schema.ts';
import type { ConfigObject } from '../config/object.ts';
import { isIpv4, isIpv6 } from '../registry/address.ts';
import { type Labels, selects } from '../registry/labels.ts';
import {
  formatLocality,
  type Locality,
  parseLocality,
  REGION_LABEL,
  SUBZONE_LABEL,
  withTopologyLabels,
  ZONE_LABEL,
} from '../registry/locality.ts';
import { reuseList } from '../registry/reuse.ts';
import type { Service, ServiceTarget } from '../registry/service.ts';
import type { Features } from './features.ts';
import { type DestinationRule, ruleFor } from './index/destination-rules.ts';
import { patchesFor } from './index/envoy-filters.ts';
import { type MergedGateway, mergeGateways, servicesOfGateway } from './index/gateway-merge.ts';
import type { Indexes } from './index/indexes.ts';
import { buildGatewayScope, buildScope, type SidecarScope } from './index/sidecar-scope.ts';
import { Memo } from './memo.ts';
import type { Mesh } from './mesh.ts';
import type { ProxyNode } from './node.ts';
import { PatchSet } from './patch/patch-set.ts';

export type IpMode = 'IPv4' | 'IPv6' | 'Dual';

/** On which side of its program a proxy stands in what is being built. */
export type ListenerClass = 'inbound' | 'outbound' | 'gateway';

/** One proxy under one snapshot: its node, what the registry knows of it, and what it sees of the mesh. */
export class ProxyView {
  readonly node: ProxyNode;
  readonly indexes: Indexes;
  readonly features: Features;
  /** Of the workload that the registry knows at its addresses; of the node itself if it knows none. */
  readonly labels: Labels;
  readonly locality: Locality;
  /** The services that it serves. */
  readonly targets: readonly ServiceTarget[];
  readonly scope: SidecarScope;
  /** The Gateways that select it; undefined if none does, and for sidecars. */
  readonly gateway: MergedGateway | undefined;
  readonly patches: PatchSet;
  readonly ipMode: IpMode;
  /**
   * Everything about the node itself that shapes its filters and clusters: proxies with the same key share them. Its
   * addresses are left out.
   */
  readonly key: string;

  constructor(parts: {
    node: ProxyNode;
    indexes: Indexes;
    features: Features;
    labels: Labels;
    locality: Locality;
    targets: readonly ServiceTarget[];
    scope: SidecarScope;
    gateway: MergedGateway | undefined;
    patches: PatchSet;
  }) {
    this.node = parts.node;
    this.indexes = parts.indexes;
    this.features = parts.features;
    this.labels = parts.labels;
    this.locality = parts.locality;
    this.targets = parts.targets;
    this.scope = parts.scope;
    this.gateway = parts.gateway;
    this.patches = parts.patches;
    this.ipMode = ipModeOf(parts.node.addresses);
    this.key = keyOf(parts.node, parts.labels, parts.locality, this.ipMode);
  }

  get mesh(): Mesh {
    return this.indexes.mesh;
  }

  get namespace(): string {
    return this.node.namespace;
  }

  get isSidecar(): boolean {
    return this.node.type === 'sidecar';
  }

  /** The configuration that it was started with, or the mesh's default. */
  get config(): MeshProxyConfig {
    return this.node.proxyConfig ?? this.mesh.defaultConfig;
  }

  /** The class of listeners through which it calls services. */
  get outboundClass(): ListenerClass {
    return this.isSidecar ? 'outbound' : 'gateway';
  }

  /** Wildcard addresses for listeners, of each family that it has an address of. */
  get wildcards(): readonly [string, ...string[]] {
    return byMode(this, ['0.0.0.0'], ['::']);
  }

  get localhosts(): readonly [string, ...string[]] {
    return byMode(this, ['127.0.0.1'], ['::1']);
  }

  destinationRule(service: Service, direction: 'inbound' | 'outbound' = 'outbound'): DestinationRule | undefined {
    return ruleFor(this.indexes.destinationRules.lookup(this.scope.namespace, service), this, direction);
  }

  /** The rule for a host, if the proxy sees a service of that name. */
  destinationRuleFor(hostname: string, direction: 'inbound' | 'outbound' = 'outbound'): DestinationRule | undefined {
    const service = this.scope.byHost.get(hostname);
    return service && this.destinationRule(service, direction);
  }

  /** Addresses that were made up for a service. A cluster IP is of use only where every address gets to the proxy. */
  allocatedOf({ origin, allocated }: Service): Service['allocated'] {
    return origin === 'Kubernetes' && this.node.interceptionMode === 'NONE' ? undefined : allocated;
  }

  /** Addresses of a service that the proxy's own addresses can reach; `0.0.0.0` if it has none. */
  addressesOf(service: Service): readonly string[] {
    const { node } = this;
    const all = [service.address, ...service.extraAddresses];
    const allocated = this.allocatedOf(service);
    if (service.address === '0.0.0.0' && allocated && node.dnsCapture && node.dnsAutoAllocate) {
      const { ipv4, ipv6 } = allocated;
      if (this.ipMode === 'IPv6') return [ipv6];
      return this.ipMode === 'Dual' && this.features.dualStack ? [ipv4, ipv6] : [ipv4];
    }
    if (service.extraAddresses.length === 0) return all;
    const fitting = all.filter((address) =>
      this.ipMode === 'IPv6' ? !isIpv4(address) : this.ipMode === 'IPv4' ? !isIpv6(address) : true,
    );
    return fitting.length > 0 ? fitting : all;
  }
}

function byMode(proxy: ProxyView, ipv4: readonly [string], ipv6: readonly [string]): readonly [string, ...string[]] {
  if (proxy.ipMode === 'IPv6') return ipv6;
  return proxy.ipMode === 'Dual' ? [...ipv4, ...ipv6] : ipv4;
}

function ipModeOf(addresses: readonly string[]): IpMode {
  if (addresses.every(isIpv4)) return 'IPv4';
  return addresses.every(isIpv6) ? 'IPv6' : 'Dual';
}

function keyOf(node: ProxyNode, labels: Labels, locality: Locality, ipMode: IpMode): string {
  const { id: _id, name: _name, addresses: _addresses, labels: _labels, metadata: _metadata, ...rest } = node;
  return JSON.stringify([rest, labels, locality, ipMode]);
}

/** Part of keys for what depends on DestinationRules that are only for some workloads. */
export function rulesByWorkload(proxy: ProxyView): string {
  return proxy.indexes.destinationRules.hasSelectors ? JSON.stringify(proxy.labels) : '';
}

/** Makes proxies, with the same parts as in the snapshot before where they did not change. */
export class ProxyBuilder {
  readonly #features: Features;
  readonly #known = new WeakMap<ProxyNode, { readonly indexes: Indexes; readonly proxy: ProxyView }>();
  readonly #scopes = new Memo<SidecarScope>();
  readonly #lastScopes = new Map<string, SidecarScope>();
  readonly #gateways = new Memo<MergedGateway>();
  readonly #filters = new WeakMap<ProxyNode, readonly ConfigObject<EnvoyFilterSpec>[]>();

  constructor(features: Features) {
    this.#features = features;
  }

  build(indexes: Indexes, node: ProxyNode): ProxyView {
    const known = this.#known.get(node);
    if (known?.indexes === indexes) return known.proxy;
    const before = known?.proxy;
    const { registry, sidecars } = indexes;
    const found = registry.labels(node.namespace, node.addresses);
    const locality = localityOf(found ?? node.labels) ?? node.locality;
    const merged = withTopologyLabels(
      { ...(found ?? node.labels) },
      { clusterId: node.clusterId, locality: formatLocality(locality), nodeName: node.nodeName, network: node.network },
    );
    const labels = before !== undefined && sameRecord(before.labels, merged) ? before.labels : merged;
    const targets = reuseTargets(before?.targets, registry.targets(node.namespace, node.addresses));
    const sidecar = node.type === 'sidecar' ? sidecars.for(node.namespace, labels) : undefined;
    const filters = indexes.envoyFilters.for(node.namespace, labels, this.#filters.get(node));
    this.#filters.set(node, filters);
    const proxy = new ProxyView({
      node,
      indexes,
      features: this.#features,
      labels,
      locality,
      targets,
      scope: this.#scope(indexes, node, sidecar),
      gateway: node.type === 'router' ? this.#gateway(indexes, node, labels, targets) : undefined,
      patches: PatchSet.of(patchesFor(filters, node)),
    });
    this.#known.set(node, { indexes, proxy });
    return proxy;
  }

  #scope(indexes: Indexes, node: ProxyNode, sidecar: Parameters<typeof buildScope>[1]): SidecarScope {
    const { visibleServices, virtualServices, registry, mesh } = indexes;
    const visible = visibleServices.to(node.namespace);
    const bound = virtualServices.forGateway(node.namespace, 'mesh');
    return this.#scopes.get(
      [sidecar, mesh, registry.services, visible, bound],
      `${node.type} ${node.namespace}`,
      () => {
        const key = `${node.type} ${node.namespace} ${sidecar?.metadata.namespace ?? ''}/${sidecar?.metadata.name ?? ''}`;
        const before = this.#lastScopes.get(key);
        const scope =
          node.type === 'router'
            ? buildGatewayScope(indexes, node.namespace, before)
            : buildScope(indexes, sidecar, node.namespace, before);
        this.#lastScopes.set(key, scope);
        return scope;
      },
    );
  }

  #gateway(
    indexes: Indexes,
    node: ProxyNode,
    labels: Labels,
    targets: readonly ServiceTarget[],
  ): MergedGateway | undefined {
    const chosen = indexes.gateways.filter((gateway) => appliesTo(gateway, node, labels, targets, this.#features));
    if (chosen.length === 0) return undefined;
    return this.#gateways.get([...chosen, targets], '', () => mergeGateways(chosen, targets));
  }
}

/**
 * A Gateway that an adapter made for certain services is for the proxies that serve them; any other is for those that its
 * selector matches, which is all if it has none. With the feature, only for proxies of its own namespace.
 */
function appliesTo(
  gateway: ConfigObject<GatewaySpec>,
  node: ProxyNode,
  labels: Labels,
  targets: readonly ServiceTarget[],
  features: Features,
): boolean {
  if (features.scopeGatewayToNamespace && gateway.metadata.namespace !== node.namespace) return false;
  const services = servicesOfGateway(gateway);
  return services === undefined ? selects(gateway.spec.selector, labels) : targets.some(services);
}

function localityOf(labels: Labels): Locality | undefined {
  const [region, zone, subzone] = [labels[REGION_LABEL], labels[ZONE_LABEL], labels[SUBZONE_LABEL]];
  if (region !== undefined || zone !== undefined || subzone !== undefined) {
    return { region: region ?? '', zone: zone ?? '', subzone: subzone ?? '' };
  }
  const own = labels['istio-locality'];
  return own === undefined ? undefined : parseLocality(own.replaceAll('.', '/'));
}

function sameRecord(a: Labels, b: Labels): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function reuseTargets(
  before: readonly ServiceTarget[] | undefined,
  now: readonly ServiceTarget[],
): readonly ServiceTarget[] {
  if (before === undefined) return now;
  const merged = now.map((target, i) => {
    const old = before[i];
    const same =
      old !== undefined &&
      old.service === target.service &&
      old.port === target.port &&
      old.targetPort === target.targetPort;
    return same ? old : target;
  });
  return reuseList(before, merged);
}
