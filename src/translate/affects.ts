import type { ExtensionProvider } from '../config/kinds/mesh-config/schema.ts';
import type { Registry } from '../registry/registry.ts';
import { sameItems } from '../registry/reuse.ts';
import type { Service } from '../registry/service.ts';
import { providerCluster } from './extension-providers.ts';
import type { Indexes } from './index/indexes.ts';
import type { PolicyIndex } from './index/policy-match.ts';
import type { EgressListener, SidecarScope } from './index/sidecar-scope.ts';
import { Memo } from './memo.ts';
import type { Mesh } from './mesh.ts';
import type { ProxyView } from './proxy-view.ts';

/** What of a proxy's resources a change between two snapshots can alter. */
export interface Effect {
  /** Where the services that it sees run. */
  readonly endpoints: boolean;
  /** Anything else. */
  readonly rest: boolean;
}

const NONE: Effect = { endpoints: false, rest: false };
const ALL: Effect = { endpoints: true, rest: true };

/**
 * Compares all that translation reads for a proxy, by identity: what did not change is the same object in both snapshots.
 * A part that is not looked at here must not be looked at by translation either.
 */
export function effectOn(before: ProxyView, after: ProxyView): Effect {
  const [a, b] = [before.indexes, after.indexes];
  if (a === b) return NONE;
  const changed =
    a.mesh !== b.mesh ||
    before.key !== after.key ||
    before.targets !== after.targets ||
    before.patches !== after.patches ||
    before.gateway !== after.gateway ||
    POLICIES.some((policies) => !samePolicies(policies(a), policies(b), after)) ||
    keysChanged(a, b, after) ||
    routesChanged(before, after) ||
    providersChanged(a.registry, b.registry, b.mesh);
  return changed ? ALL : effectOnScope(before, after);
}

// biome-ignore lint/suspicious/noExplicitAny: of policies of any kind only the identity is compared
const POLICIES: readonly ((indexes: Indexes) => PolicyIndex<any>)[] = [
  (indexes) => indexes.peerAuthentication.policies,
  (indexes) => indexes.requestAuthentication,
  (indexes) => indexes.authorization,
  (indexes) => indexes.telemetry,
  (indexes) => indexes.trafficExtensions,
  (indexes) => indexes.wasmPlugins,
];

function samePolicies(a: PolicyIndex<object>, b: PolicyIndex<object>, { labels, namespace }: ProxyView): boolean {
  return a === b || sameItems(a.for({ labels, namespace }), b.for({ labels, namespace }));
}

/** Key sets that the control plane fetched, as far as the proxy verifies tokens at all. */
function keysChanged(a: Indexes, b: Indexes, { features, labels, namespace }: ProxyView): boolean {
  const ownKeys = features.jwksFetch === 'istiod' || a.registry.services === b.registry.services;
  if (a.jwks === b.jwks && ownKeys) return false;
  return b.requestAuthentication.for({ labels, namespace }).length > 0;
}

/** The VirtualServices that are bound to the Gateways of a gateway. Those of sidecars are in their scopes. */
function routesChanged(before: ProxyView, { gateway, indexes, namespace }: ProxyView): boolean {
  if (before.indexes.virtualServices === indexes.virtualServices) return false;
  return (gateway?.gatewayNames ?? []).some(
    (name) =>
      !sameItems(
        before.indexes.virtualServices.forGateway(namespace, name),
        indexes.virtualServices.forGateway(namespace, name),
      ),
  );
}

/** Where collectors, log services and authorizers of the mesh are found. */
const providersMoved = new Memo<boolean>();

function providersChanged(a: Registry, b: Registry, mesh: Mesh): boolean {
  if (a.services === b.services) return false;
  return providersMoved.get([mesh, a.services, b.services], '', () =>
    mesh.extensionProviders.some((provider) => {
      const { service, port } = locationOf(provider);
      return providerCluster(a, service, port)?.cluster !== providerCluster(b, service, port)?.cluster;
    }),
  );
}

function locationOf(provider: ExtensionProvider): { readonly service?: string; readonly port?: number } {
  for (const settings of Object.values(provider)) {
    if (typeof settings === 'object' && settings !== null && 'service' in settings) return settings as object;
  }
  return {};
}

const effects = new Memo<Effect>();

/** Proxies of one scope see the same, so it is compared once for all of them. */
function effectOnScope(before: ProxyView, after: ProxyView): Effect {
  const [a, b] = [before.indexes, after.indexes];
  return effects.get([before.scope, after.scope, a, b], '', () => {
    const { scope } = after;
    if (!sameScope(before.scope, scope) || rulesChanged(a, b, scope) || peersChanged(a, b, scope)) return ALL;
    return { endpoints: endpointsChanged(a.registry, b.registry, scope), rest: false };
  });
}

function sameScope(a: SidecarScope, b: SidecarScope): boolean {
  if (a === b) return true;
  return (
    a.namespace === b.namespace &&
    a.sidecar === b.sidecar &&
    a.outbound.mode === b.outbound.mode &&
    a.outbound.egressProxy === b.outbound.egressProxy &&
    sameItems(a.services, b.services) &&
    a.egress.length === b.egress.length &&
    a.egress.every((listener, i) => sameListener(listener, b.egress[i]!))
  );
}

function sameListener(a: EgressListener, b: EgressListener): boolean {
  // Where no Sidecar says anything, the spec stands for that.
  return a.spec === b.spec && sameItems(a.services, b.services) && sameItems(a.virtualServices, b.virtualServices);
}

function* servicesOf({ egress, services }: SidecarScope): Iterable<Service> {
  yield* services;
  for (const listener of egress) if (listener.services !== services) yield* listener.services;
}

function rulesChanged(a: Indexes, b: Indexes, scope: SidecarScope): boolean {
  if (a.destinationRules === b.destinationRules) return false;
  for (const service of servicesOf(scope)) {
    const rules = b.destinationRules.lookup(scope.namespace, service);
    if (!sameItems(a.destinationRules.lookup(scope.namespace, service), rules)) return true;
  }
  return false;
}

/** Whether callers are to use mutual TLS where they did not, or the other way round: all that they see of whom a workload lets in. */
function peersChanged(
  { peerAuthentication: a }: Indexes,
  { peerAuthentication: b, registry }: Indexes,
  scope: SidecarScope,
) {
  if (a === b) return false;
  for (const service of servicesOf(scope)) {
    if ((a.expected(service.namespace) === 'DISABLE') !== (b.expected(service.namespace) === 'DISABLE')) return true;
    const { endpoints } = registry.endpoints(service);
    if (endpoints.some((one) => a.accepts(one, one.port) !== b.accepts(one, one.port))) return true;
  }
  return false;
}

function endpointsChanged(a: Registry, b: Registry, scope: SidecarScope): boolean {
  if (a.endpointIndex === b.endpointIndex) return false;
  for (const service of servicesOf(scope)) if (a.endpoints(service) !== b.endpoints(service)) return true;
  return false;
}
