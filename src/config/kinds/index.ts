import type { Infer } from '../schema/index.ts';
import { authorizationPolicyKind } from './authorization-policy/kind.ts';
import { configMapKind } from './config-map/kind.ts';
import type { KindDefinition } from './definition.ts';
import { deploymentKind } from './deployment/kind.ts';
import { destinationRuleKind } from './destination-rule/kind.ts';
import { endpointSliceKind } from './endpoint-slice/kind.ts';
import { endpointsKind } from './endpoints/kind.ts';
import { envoyFilterKind } from './envoy-filter/kind.ts';
import { gatewayKind } from './gateway/kind.ts';
import { gatewayHostKind } from './gateway-host/kind.ts';
import { globalConfigKind } from './global-config/kind.ts';
import { httpFilterKind } from './http-filter/kind.ts';
import { ingressKind } from './ingress/kind.ts';
import { ingressClassKind } from './ingress-class/kind.ts';
import { istioOperatorKind } from './istio-operator/kind.ts';
import { jobKind } from './job/kind.ts';
import { meshPolicyKind } from './mesh-policy/kind.ts';
import { namespaceKind } from './namespace/kind.ts';
import { peerAuthenticationKind } from './peer-authentication/kind.ts';
import { podKind } from './pod/kind.ts';
import { policyKind } from './policy/kind.ts';
import { policyOverlayKind } from './policy-overlay/kind.ts';
import { proxyConfigKind } from './proxy-config/kind.ts';
import { rateLimitKind } from './rate-limit/kind.ts';
import { replicaSetKind } from './replica-set/kind.ts';
import { requestAuthenticationKind } from './request-authentication/kind.ts';
import { routeKind } from './route/kind.ts';
import { routeFilterKind } from './route-filter/kind.ts';
import { secretKind } from './secret/kind.ts';
import { serviceKind } from './service/kind.ts';
import { serviceAccountKind } from './service-account/kind.ts';
import { serviceEntryKind } from './service-entry/kind.ts';
import { serviceRouteKind } from './service-route/kind.ts';
import { sidecarKind } from './sidecar/kind.ts';
import { statefulSetKind } from './stateful-set/kind.ts';
import { telemetryKind } from './telemetry/kind.ts';
import { tlsCertificateDelegationKind } from './tls-certificate-delegation/kind.ts';
import { trafficExtensionKind } from './traffic-extension/kind.ts';
import { virtualServiceKind } from './virtual-service/kind.ts';
import { wasmPluginKind } from './wasm-plugin/kind.ts';
import { workloadEntryKind } from './workload-entry/kind.ts';
import { workloadGroupKind } from './workload-group/kind.ts';

/**
 * Every kind that the mesh reads, in the order in which `get all` and messages list them. A new kind is one folder and
 * one line here.
 */
export const KINDS = [
  virtualServiceKind,
  destinationRuleKind,
  gatewayKind,
  serviceEntryKind,
  sidecarKind,
  workloadEntryKind,
  workloadGroupKind,
  envoyFilterKind,
  proxyConfigKind,
  peerAuthenticationKind,
  requestAuthenticationKind,
  authorizationPolicyKind,
  policyKind,
  meshPolicyKind,
  telemetryKind,
  wasmPluginKind,
  trafficExtensionKind,
  rateLimitKind,
  istioOperatorKind,
  namespaceKind,
  serviceKind,
  endpointsKind,
  endpointSliceKind,
  podKind,
  deploymentKind,
  statefulSetKind,
  replicaSetKind,
  jobKind,
  serviceAccountKind,
  secretKind,
  configMapKind,
  ingressKind,
  ingressClassKind,
  routeKind,
  gatewayHostKind,
  serviceRouteKind,
  globalConfigKind,
  httpFilterKind,
  routeFilterKind,
  policyOverlayKind,
  tlsCertificateDelegationKind,
] as const;

/** Identifiers of the kinds; see {@link KindDefinition.id}. */
export type KindId = (typeof KINDS)[number]['id'];

/** The type of the spec of a kind. */
export type SpecOf<K extends KindId> = Infer<Extract<(typeof KINDS)[number], { readonly id: K }>['schema']>;

const byKind = new Map<string, KindDefinition[]>();
const byId = new Map<string, KindDefinition>();
for (const kind of KINDS as readonly KindDefinition[]) {
  byKind.set(kind.kind, [...(byKind.get(kind.kind) ?? []), kind]);
  byId.set(kind.id, kind);
}

/** The definition with this identifier. */
export function kindById(id: string): KindDefinition | undefined {
  return byId.get(id);
}

/** The definition that reads objects of this apiVersion and kind. */
export function kindOf(apiVersion: string, kind: string): KindDefinition | undefined {
  return byKind.get(kind)?.find((k) => k.apiVersions.includes(apiVersion));
}

/** The definitions that have this kind, in any group and version. */
export function kindsNamed(kind: string): readonly KindDefinition[] {
  return byKind.get(kind) ?? [];
}
