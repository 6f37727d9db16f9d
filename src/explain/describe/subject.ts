import type { DestinationRuleSpec } from '../../config/kinds/destination-rule/schema.ts';
import type { GatewaySpec } from '../../config/kinds/gateway/schema.ts';
import type { PeerAuthenticationSpec } from '../../config/kinds/peer-authentication/schema.ts';
import type { PodSpec } from '../../config/kinds/pod/schema.ts';
import type { ServiceSpec } from '../../config/kinds/service/schema.ts';
import type { VirtualServiceSpec } from '../../config/kinds/virtual-service/schema.ts';
import type { ConfigObject } from '../../config/object.ts';

export type Service = ConfigObject<ServiceSpec>;
export type VirtualService = ConfigObject<VirtualServiceSpec>;
export type DestinationRule = ConfigObject<DestinationRuleSpec>;
export type Gateway = ConfigObject<GatewaySpec>;
export type PeerAuthentication = ConfigObject<PeerAuthenticationSpec>;

/** A pod, and how it is. */
export interface Pod {
  readonly object: ConfigObject<PodSpec>;
  /** Kubernetes' phase, such as `Running`. */
  readonly phase: string;
  readonly containers: readonly { readonly name: string; readonly ready: boolean }[];
}

/** The objects of a mesh that a description is made of. */
export interface MeshObjects {
  readonly pods: readonly Pod[];
  readonly services: readonly Service[];
  readonly virtualServices: readonly VirtualService[];
  readonly destinationRules: readonly DestinationRule[];
  readonly gateways: readonly Gateway[];
  /** Oldest first. */
  readonly peerAuthentications: readonly PeerAuthentication[];
  readonly rootNamespace: string;
  /** Where ports of gateways' services are found from outside. */
  readonly urls: readonly { readonly gateway: string; readonly port: number; readonly url: string }[];
}

/** An object that a proxy says something of its was made from. */
export interface Reference {
  readonly namespace: string;
  readonly name: string;
}

/** What a proxy runs with, as far as it concerns a port of a service. */
export interface ProxyFacts {
  /** Of the first route to the port. */
  virtualService(service: Service, port: number): Reference | undefined;
  /** Of the cluster of the port. */
  destinationRule(service: Service, port: number): Reference | undefined;
  /** Names of the RBAC policies that its inbound listener has for HTTP requests to a port of the pod. */
  policies(podPort: number): readonly string[];
}

/** Asks the proxy of a pod what it runs with. */
export type AskProxy = (pod: Pod) => Promise<ProxyFacts>;

export const SEPARATOR = '--------------------';

/** `NAME`, or `NAME.NAMESPACE` of what is in another namespace than the one that is looked at. */
export function nameIn(namespace: string, { metadata }: ConfigObject): string {
  return metadata.namespace === namespace ? metadata.name : `${metadata.name}.${metadata.namespace}`;
}

export function find<T extends ConfigObject>(objects: readonly T[], reference: Reference | undefined): T | undefined {
  return objects.find(
    ({ metadata }) => metadata.namespace === reference?.namespace && metadata.name === reference.name,
  );
}

/** What a proxy still has of an object that is gone. */
export function stale(kind: string, { name, namespace }: Reference): string {
  return `WARNING: Proxy is stale; it references to non-existent ${kind} ${name}.${namespace}`;
}
