import type { ServerTls } from '../../config/kinds/shared/tls.ts';
import type { IngressListener } from '../../config/kinds/sidecar/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import { isGlobalUnicast } from '../../registry/address.ts';
import { afterTlsTermination, parseProtocol } from '../../registry/protocol.ts';
import type { Service, ServicePort, ServiceTarget } from '../../registry/service.ts';
import type { Origin } from '../index/virtual-service.ts';
import { delimited, INBOUND_PASSTHROUGH_CLUSTER, inboundCluster, listenerName } from '../names.ts';
import type { ProxyNode } from '../node.ts';
import type { ProxyView } from '../proxy-view.ts';
import { type Binding, canBind } from './bind.ts';

/** A port of a program that its sidecar takes connections for. */
export interface InboundPort {
  /** Under which the service is called. */
  readonly port: ServicePort;
  /** On which the program is called; 0 stands for all that nobody declared. */
  readonly targetPort: number;
  readonly cluster: string;
  readonly binding: Binding;
  /** For traces and statistics. */
  readonly hostname: string;
  readonly service: Service | undefined;
  /** Statistics of its HTTP, with the semicolon that ends them. */
  readonly statPrefix: string;
  /** TLS that a Sidecar asks for, besides the mesh's. */
  readonly tls: ServerTls | undefined;
  /** The Sidecar that declares it. */
  readonly sidecar: ConfigObject | undefined;
  readonly sources: readonly (Origin | ConfigObject)[];
}

/** The ports that are declared, by services or, where there is one with ingress listeners, by the Sidecar. By number. */
export function inboundPorts(proxy: ProxyView): InboundPort[] {
  const ingress = proxy.scope.sidecar?.spec.ingress ?? [];
  const ports = new Map<number, InboundPort>();
  if (ingress.length > 0) {
    const own = new Set(ingress.map((listener) => listener.port.number ?? 0));
    if (proxy.features.mergeSidecarInbound) addTargets(ports, proxy, own);
    for (const [i, listener] of ingress.entries()) addIngress(ports, proxy, listener, i);
  } else if (proxy.node.interceptionMode !== 'NONE' || proxy.node.explicitCapture) {
    // Without interception a listener would stand on the very port that the program wants, unless that has another address.
    addTargets(ports, proxy, new Set());
  }
  return [...ports.values()].sort((a, b) => a.targetPort - b.targetPort);
}

function addTargets(ports: Map<number, InboundPort>, proxy: ProxyView, except: ReadonlySet<number>): void {
  for (const target of proxy.targets) {
    const { port, targetPort } = target;
    const bindToPort = takesPort('DEFAULT', proxy.node);
    if (!canBind(proxy, bindToPort, proxy.wildcards[0], targetPort, port.protocol, false)) continue;
    // Of several services on one port the oldest says what it speaks.
    if (except.has(targetPort) || ports.has(targetPort)) continue;
    const addresses = bindToPort ? ownAddresses(proxy) : proxy.wildcards;
    ports.set(targetPort, ofTarget(target, { addresses, bindToPort }));
  }
}

function ofTarget({ service, port, targetPort }: ServiceTarget, binding: Binding): InboundPort {
  return {
    port,
    targetPort,
    cluster: inboundCluster(targetPort),
    binding,
    hostname: service.hostname,
    service,
    statPrefix: statPrefixOf(binding, targetPort),
    tls: undefined,
    sidecar: undefined,
    sources: [service.source],
  };
}

function addIngress(
  ports: Map<number, InboundPort>,
  proxy: ProxyView,
  { port: declared, bind, captureMode, tls }: IngressListener,
  index: number,
): void {
  const { features, scope } = proxy;
  const number = declared.number ?? 0;
  const protocol = parseProtocol(declared.protocol);
  const bindToPort = takesPort(captureMode, proxy.node);
  if (ports.has(number) || !canBind(proxy, bindToPort, bind ?? '', number, protocol, true)) return;
  const ownTls = features.tlsOnSidecarIngress ? tls : undefined;
  const binding = { addresses: bind ? [bind] : ownAddresses(proxy), bindToPort };
  ports.set(number, {
    port: {
      port: number,
      name: declared.name ?? '',
      protocol: ownTls === undefined ? protocol : afterTlsTermination(protocol),
    },
    targetPort: number,
    cluster: inboundCluster(number),
    binding,
    hostname: `${scope.name}.${scope.namespace}`,
    service: undefined,
    statPrefix: statPrefixOf(binding, number),
    tls: ownTls,
    sidecar: scope.sidecar,
    sources: [{ object: scope.sidecar!, path: ['spec', 'ingress', index] }],
  });
}

/**
 * Where a listener stands that takes its port itself: on the proxy's address, so that its program can have the port on
 * loopback. Pods that share one machine's loopback are told apart by addresses that are not global.
 */
function ownAddresses({ node, wildcards }: ProxyView): readonly [string, ...string[]] {
  const own = node.addresses.find(isGlobalUnicast) ?? (node.explicitCapture ? node.addresses[0] : undefined);
  return own === undefined ? wildcards : [own];
}

/** Everything that comes to ports that nobody declared goes on to where it wanted. `number`: only this one of them. */
export function passthroughPort({ wildcards }: ProxyView, number: number): InboundPort {
  return {
    port: { port: 0, name: '', protocol: 'Unsupported' },
    targetPort: number,
    cluster: INBOUND_PASSTHROUGH_CLUSTER,
    binding: { addresses: wildcards, bindToPort: false },
    hostname: '',
    service: undefined,
    statPrefix: delimited(INBOUND_PASSTHROUGH_CLUSTER),
    tls: undefined,
    sidecar: undefined,
    sources: [],
  };
}

/** Whether a listener takes its port itself: where nothing is intercepted, or a Sidecar says so. */
function takesPort(mode: IngressListener['captureMode'], { interceptionMode }: ProxyNode): boolean {
  return mode === undefined || mode === 'DEFAULT' ? interceptionMode === 'NONE' : mode === 'NONE';
}

function statPrefixOf({ addresses }: Binding, targetPort: number): string {
  return delimited(`inbound_${listenerName(addresses[0]!, targetPort)}`);
}
