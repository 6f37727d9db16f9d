import type { AuthorizationPolicySpec } from '../../config/kinds/authorization-policy/schema.ts';
import type { GatewaySpec } from '../../config/kinds/gateway/schema.ts';
import type { RequestAuthenticationSpec } from '../../config/kinds/request-authentication/schema.ts';
import type { TelemetrySpec } from '../../config/kinds/telemetry/schema.ts';
import type { TrafficExtensionSpec } from '../../config/kinds/traffic-extension/schema.ts';
import type { WasmPluginSpec } from '../../config/kinds/wasm-plugin/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { ServiceEndpoints } from '../../registry/endpoint.ts';
import type { Registry } from '../../registry/registry.ts';
import { perObject, sameItems } from '../../registry/reuse.ts';
import type { Features } from '../features.ts';
import { Memo } from '../memo.ts';
import { type Mesh, type MeshSnapshot, meshOf } from '../mesh.ts';
import { type DestinationRule, DestinationRuleIndex } from './destination-rules.ts';
import { EnvoyFilterIndex } from './envoy-filters.ts';
import { PeerAuthenticationIndex } from './peer-authentication.ts';
import { PolicyIndex } from './policy-match.ts';
import { ServiceExports } from './service-exports.ts';
import { SidecarIndex } from './sidecars.ts';
import { VirtualServiceBuilder, type VirtualServiceIndex } from './virtual-services.ts';
import { VisibleServices } from './visible-services.ts';

/** A snapshot made ready for questions. What did not change since the snapshot before is the same object as there. */
export interface Indexes {
  readonly mesh: Mesh;
  readonly registry: Registry;
  readonly serviceExports: ServiceExports;
  readonly visibleServices: VisibleServices;
  readonly virtualServices: VirtualServiceIndex;
  readonly destinationRules: DestinationRuleIndex;
  readonly sidecars: SidecarIndex;
  readonly gateways: readonly ConfigObject<GatewaySpec>[];
  readonly peerAuthentication: PeerAuthenticationIndex;
  readonly requestAuthentication: PolicyIndex<RequestAuthenticationSpec>;
  readonly authorization: PolicyIndex<AuthorizationPolicySpec>;
  readonly telemetry: PolicyIndex<TelemetrySpec>;
  readonly trafficExtensions: PolicyIndex<TrafficExtensionSpec>;
  readonly wasmPlugins: PolicyIndex<WasmPluginSpec>;
  readonly envoyFilters: EnvoyFilterIndex;
  /**
   * Another object whenever endpoints change in a way that clusters show: identities, endpoints that are found by DNS, and
   * those of services without a list to choose from. Endpoints come and go without.
   */
  readonly clusterEndpoints: object;
  /** Fetched key sets by `jwksUri` or issuer. */
  readonly jwks: ReadonlyMap<string, string>;
}

const NO_KEYS: ReadonlyMap<string, string> = new Map();

export interface IndexOptions {
  readonly features: Features;
  /** Suffix of the names of Kubernetes services. */
  readonly domain: string;
}

/** What of the endpoints is in clusters, each part the same object as long as it does not change. */
const endpointsInClusters = perObject((registry: Registry): readonly unknown[] =>
  registry.services.all.flatMap((service): unknown[] => {
    const endpoints = registry.endpoints(service);
    return service.resolution === 'STATIC' ? [endpoints.serviceAccounts, tlsModes(endpoints)] : [endpoints];
  }),
);

/** By port, whether some endpoint takes no mutual TLS. */
const tlsModes = perObject(({ endpoints }: ServiceEndpoints): string => {
  const ports = new Map<string, boolean>();
  for (const { portName, tlsMode } of endpoints) {
    ports.set(portName, ports.get(portName) === true || tlsMode === 'disabled');
  }
  return JSON.stringify([...ports].sort());
});

/** One part of the indexes, kept as long as what it is made from is the same. */
class Part<T> {
  #inputs: readonly unknown[] | undefined;
  #value: T | undefined;

  get(inputs: readonly unknown[], make: (before: T | undefined) => T): T {
    if (this.#inputs === undefined || !sameItems(this.#inputs, inputs)) {
      this.#value = make(this.#value);
      this.#inputs = inputs;
    }
    return this.#value!;
  }
}

/** Makes the indexes of each snapshot, and remembers them for as long as the snapshot is in use. */
export class IndexBuilder {
  readonly #options: IndexOptions;
  readonly #known = new WeakMap<MeshSnapshot, Indexes>();
  readonly #resolver: VirtualServiceBuilder;
  readonly #mergedRules = new Memo<DestinationRule>();
  readonly #visible = new Part<VisibleServices>();
  readonly #virtualServices = new Part<VirtualServiceIndex>();
  readonly #exports = new Part<ServiceExports>();
  readonly #destinationRules = new Part<DestinationRuleIndex>();
  readonly #sidecars = new Part<SidecarIndex>();
  readonly #gateways = new Part<readonly ConfigObject<GatewaySpec>[]>();
  readonly #peer = new Part<PeerAuthenticationIndex>();
  readonly #request = new Part<PolicyIndex<RequestAuthenticationSpec>>();
  readonly #authorization = new Part<PolicyIndex<AuthorizationPolicySpec>>();
  readonly #telemetry = new Part<PolicyIndex<TelemetrySpec>>();
  readonly #trafficExtensions = new Part<PolicyIndex<TrafficExtensionSpec>>();
  readonly #wasmPlugins = new Part<PolicyIndex<WasmPluginSpec>>();
  readonly #envoyFilters = new Part<EnvoyFilterIndex>();
  readonly #clusterEndpoints = new Part<object>();

  constructor(options: IndexOptions) {
    this.#options = options;
    this.#resolver = new VirtualServiceBuilder(options.domain);
  }

  of(snapshot: MeshSnapshot): Indexes {
    let indexes = this.#known.get(snapshot);
    if (indexes === undefined) this.#known.set(snapshot, (indexes = this.#build(snapshot)));
    return indexes;
  }

  #build({ config, registry, mesh: meshConfig, jwks = NO_KEYS }: MeshSnapshot): Indexes {
    const mesh = meshOf(meshConfig);
    const { rootNamespace } = mesh;
    const { domain, features } = this.#options;
    // Labels of namespaces mean something only where the mesh selects by them.
    const namespaces = mesh.serviceEntryVisibility === undefined ? [] : config.list('Namespace');
    const serviceExports = this.#exports.get([mesh, ...namespaces], () => new ServiceExports(mesh, namespaces));
    const gateways = config.list('Gateway');
    const virtualServices = config.list('VirtualService');
    const destinationRules = config.list('DestinationRule');
    const sidecars = config.list('Sidecar');
    const peer = config.list('PeerAuthentication');
    const request = config.list('RequestAuthentication');
    const authorization = config.list('AuthorizationPolicy');
    const telemetry = config.list('Telemetry');
    const envoyFilters = config.list('EnvoyFilter');
    const trafficExtensions = config.list('TrafficExtension');
    const wasmPlugins = config.list('WasmPlugin');
    return {
      mesh,
      registry,
      serviceExports,
      visibleServices: this.#visible.get(
        [serviceExports, registry.services],
        () => new VisibleServices(registry.services, serviceExports),
      ),
      virtualServices: this.#virtualServices.get([mesh, ...virtualServices], (before) =>
        this.#resolver.build(virtualServices, new Set(mesh.defaultVirtualServiceExportTo), before),
      ),
      destinationRules: this.#destinationRules.get(
        [mesh, ...destinationRules],
        () =>
          new DestinationRuleIndex(
            destinationRules,
            {
              domain,
              rootNamespace,
              defaultExportTo: new Set(mesh.defaultDestinationRuleExportTo),
              compareExportTo: features.enhancedDestinationRuleMerge,
            },
            this.#mergedRules,
          ),
      ),
      sidecars: this.#sidecars.get([mesh, ...sidecars], () => new SidecarIndex(sidecars, rootNamespace)),
      gateways: this.#gateways.get(gateways, () => gateways),
      peerAuthentication: this.#peer.get([mesh, ...peer], () => new PeerAuthenticationIndex(peer, rootNamespace)),
      requestAuthentication: this.#request.get([mesh, ...request], () => new PolicyIndex(request, rootNamespace)),
      authorization: this.#authorization.get(
        [mesh, ...authorization],
        () => new PolicyIndex(authorization, rootNamespace),
      ),
      telemetry: this.#telemetry.get([mesh, ...telemetry], () => new PolicyIndex(telemetry, rootNamespace)),
      trafficExtensions: this.#trafficExtensions.get(
        [mesh, ...trafficExtensions],
        () => new PolicyIndex(trafficExtensions, rootNamespace),
      ),
      wasmPlugins: this.#wasmPlugins.get([mesh, ...wasmPlugins], () => new PolicyIndex(wasmPlugins, rootNamespace)),
      envoyFilters: this.#envoyFilters.get(
        [mesh, ...envoyFilters],
        () => new EnvoyFilterIndex(envoyFilters, rootNamespace),
      ),
      clusterEndpoints: this.#clusterEndpoints.get(endpointsInClusters(registry), () => ({})),
      jwks,
    };
  }
}
