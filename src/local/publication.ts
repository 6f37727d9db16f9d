import { type Publication, publishedPort } from '../agent/pod-network.ts';
import { type EnroutePorts, enroutePorts, isEnrouteGateway } from '../config/enroute-gateway.ts';
import type { ServiceSpec } from '../config/kinds/service/schema.ts';
import type { PodSpec } from '../config/kinds/shared/pod-spec.ts';
import { matchesLabels } from '../config/labels.ts';
import type { ConfigObject } from '../config/object.ts';

/** A port of a gateway's Service, and where it is found from outside the mesh. */
export interface PublishedPort {
  readonly service: string;
  readonly name: string;
  readonly port: number;
  readonly targetPort: number;
  readonly address: string;
  readonly published: number;
  /** Labels of the gateway that it leads to. */
  readonly gateway: Readonly<Record<string, string>>;
  /** Ports of the gateway, if it is one of EnRoute's. */
  readonly enroute: EnroutePorts | undefined;
}

const STATUS_PORT = 15021;

/** The ports by which a gateway can be reached from outside: those of Services for the outside world that select it. */
export function publishedPorts(
  services: readonly ConfigObject<ServiceSpec>[],
  gateway: {
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly spec?: Pick<PodSpec, 'containers'>;
  },
  address: string,
): PublishedPort[] {
  return services
    .filter(({ metadata, spec }) => {
      const { type = 'ClusterIP', selector, externalIPs } = spec;
      const outside = type === 'LoadBalancer' || type === 'NodePort' || externalIPs !== undefined;
      return outside && metadata.namespace === gateway.namespace && selector && matchesLabels(selector, gateway.labels);
    })
    .flatMap(({ metadata, spec }) =>
      (spec.ports ?? []).map((port) => ({
        service: metadata.name,
        name: port.name ?? '',
        port: port.port,
        targetPort: typeof port.targetPort === 'number' && port.targetPort > 0 ? port.targetPort : port.port,
        address: loopback(spec) ?? address,
        published: publishedPort(port.port),
        gateway: gateway.labels,
        enroute:
          gateway.spec && isEnrouteGateway(gateway.spec, gateway.labels) ? enroutePorts(gateway.spec) : undefined,
      })),
    );
}

/** A Service may ask for an address of its own on this machine, where the usual one has no room for its ports. */
function loopback({ loadBalancerIP, externalIPs = [] }: ServiceSpec): string | undefined {
  return [loadBalancerIP, ...externalIPs].find((ip) => ip?.startsWith('127.'));
}

/**
 * What the agent of a gateway must know; undefined for one that nobody reaches from outside. `others` are the ports of
 * all gateways: where another Service wants the same, the first one has it. `bridge` is the address by which pods with
 * networks of their own find gateways that are published where it is usual.
 */
export function publicationOf(
  ports: readonly PublishedPort[],
  others: readonly PublishedPort[],
  bridge?: string,
): Publication | undefined {
  const [first] = ports;
  if (first === undefined) return undefined;
  const status = ports.some(({ targetPort }) => targetPort === STATUS_PORT);
  return {
    address: first.address,
    ports: Object.fromEntries(ports.map(({ targetPort, published }) => [targetPort, published])),
    // The proxy's own ports stay inside, but for the one that load balancers probe.
    skip: [15090, ...(status ? [] : [STATUS_PORT])],
    shared: !ports.some((own) => others.some((other) => isContested(own, other))),
    ...(bridge !== undefined && {
      inside: { address: bridge, ports: Object.fromEntries(ports.map(({ targetPort, port }) => [targetPort, port])) },
    }),
  };
}

function isContested(one: PublishedPort, other: PublishedPort): boolean {
  return one.address === other.address && one.published === other.published && one.service !== other.service;
}
