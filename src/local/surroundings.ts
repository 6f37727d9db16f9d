import path from 'node:path';
import { podPort } from '../agent/pod-network.ts';
import type { TokenIssuer } from '../ca/tokens/token-issuer.ts';
import type { Capture, PublishedUrl } from '../config/control/mesh-api.ts';
import { isEnrouteGateway } from '../config/enroute-gateway.ts';
import type { MeshProxyConfig } from '../config/kinds/mesh-config/schema.ts';
import type { Guard } from '../process/guard.ts';
import { interceptionModeOf } from './capture/interception.ts';
import { type MeshNetwork, OUTSIDE_ADDRESS } from './capture/mesh-network.ts';
import { AddressedSpace, NamespaceSpace, UserNamespaceSpace } from './capture/spaces.ts';
import type { Installation } from './install.ts';
import type { MeshFolder, MeshRecord } from './mesh-folder.ts';
import { valuesOf } from './object-values.ts';
import type { ObjectView } from './object-view.ts';
import { DATA_PLANE_FLAGS, type OwnProgram } from './own-program.ts';
import { type DesiredPod, desiredPods } from './pods/desired-pod.ts';
import type { Injection } from './pods/injection.ts';
import { type PodSpace, SHARED_SPACE } from './pods/pod-space.ts';
import type { PodSurroundings } from './pods/pod-surroundings.ts';
import { serviceLinks } from './pods/program-environment.ts';
import { programHome } from './program-home.ts';
import { type PublishedPort, publicationOf, publishedPorts } from './publication.ts';
import { servedPorts } from './served-ports.ts';
import type { Slot } from './slot.ts';

/** What all pods of a mesh have in common. */
export interface MeshParts {
  /** The folder of YAML. */
  readonly directory: string;
  readonly folder: MeshFolder;
  readonly slot: Slot;
  /** Undefined where pods share the loopback of the machine. */
  readonly network: MeshNetwork | undefined;
  readonly capture: Capture;
  readonly guard: Guard;
  readonly tokens: TokenIssuer;
  /** Whether ports below 1024 may be listened on. */
  readonly privileged: boolean;
  readonly publishAddress: string;
  readonly isthmus: OwnProgram;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly view: ObjectView;
  readonly discovery: MeshRecord['discovery'];
  readonly domain: string;
  readonly trustDomain: string;
  readonly rootCertificate: string;
  readonly installation: () => Installation;
  /** Of all gateways. */
  readonly publishedPorts: () => readonly PublishedPort[];
  readonly publishedUrls: () => readonly PublishedUrl[];
}

export interface PodToBe {
  readonly desired: DesiredPod;
  readonly injection: Injection;
  /** Somebody else runs its programs. */
  readonly external: boolean;
  /** The mesh's own way when undefined. */
  readonly capture?: Capture | undefined;
}

/** What a pod of a mesh needs of it. */
export function surroundingsOf(parts: MeshParts, key: string, pod: PodToBe, onChange: () => void): PodSurroundings {
  const { folder, slot, privileged, view, env, isthmus, discovery, trustDomain, domain, publishAddress } = parts;
  const { desired, injection, external } = pod;
  const { namespace } = desired;
  const { meshConfig, namespace: istioNamespace } = parts.installation();
  const { podPrefix } = slot.pool;
  const addresses = slot.pool.acquire(key);
  const file = key.replace('/', '.');
  const services = view.list('Service', namespace);
  const outside = `${podPrefix}${OUTSIDE_ADDRESS}`;
  const space = spaceOf(parts, pod, addresses);
  const own = publishedBy(parts, desired);
  const isUsual = parts.network !== undefined && own[0]?.address === publishAddress;
  return {
    guard: parts.guard,
    addresses,
    space,
    podPrefix,
    privileged,
    tokens: parts.tokens,
    values: valuesOf(view, namespace),
    home: programHome(desired.source.locate([]).file, parts.directory, folder.path),
    folder: path.join(folder.pods, file),
    claims: path.join(folder.claims, namespace),
    logs: path.join(folder.logs, file),
    rootCertificate: parts.rootCertificate,
    agent: { command: isthmus.command, args: [...DATA_PLANE_FLAGS, ...isthmus.args, 'agent'] },
    agentEnv: {
      CA_ADDR: discovery.secureGrpc,
      ISTIOD_SAN: `istiod.${istioNamespace}.svc`,
      TRUST_DOMAIN: trustDomain,
      ISTIO_META_CLUSTER_ID: 'Kubernetes',
      ISTIO_META_MESH_ID: String((meshConfig.defaultConfig as { meshId?: string } | undefined)?.meshId ?? trustDomain),
      PROXY_CONFIG: JSON.stringify({
        ...(meshConfig.defaultConfig as object | undefined),
        discoveryAddress: discovery.secureGrpc,
      }),
      EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true',
      MINIMUM_DRAIN_DURATION: '0s',
    },
    proxyPort: Number(meshConfig.proxyHttpPort ?? 0),
    domain,
    publish: isGateway(desired, injection)
      ? publicationOf(own, parts.publishedPorts(), isUsual ? outside : undefined)
      : undefined,
    outside: { address: outside, published: publishAddress },
    outsideHosts: () => outsideHosts(parts),
    links: serviceLinks(
      services,
      // Whose traffic is captured calls services by their own addresses.
      ({ spec, metadata }) =>
        space.captures ? spec.clusterIP || `${metadata.name}.${namespace}.svc.${domain}` : addresses.sidecar,
      (port) => (space.captures ? port : podPort(port, privileged)),
    ),
    outer: env,
    external,
    onChange,
  };
}

/** The ports by which a gateway is reached from outside. */
function publishedBy({ view, publishAddress }: MeshParts, gateway: DesiredPod): PublishedPort[] {
  return publishedPorts(view.list('Service'), gateway, publishAddress);
}

/** Those of all gateways; a pod has its own where others have it too. */
export function publishedByAll(parts: MeshParts, injectionOf: (pod: DesiredPod) => Injection): PublishedPort[] {
  const gateways = desiredPods(parts.view).filter((pod) => isGateway(pod, injectionOf(pod)));
  return gateways.flatMap((gateway) => publishedBy(parts, gateway));
}

function isGateway({ spec, labels }: DesiredPod, injection: Injection): boolean {
  return injection === 'gateway' || isEnrouteGateway(spec, labels);
}

/** A gateway serves this machine, and a pod that says so keeps to explicit capture: both are in the machine's network. */
function spaceOf(
  { network, slot, folder, capture, view, installation }: MeshParts,
  { desired, injection, capture: own = capture }: PodToBe,
  addresses: PodSurroundings['addresses'],
): PodSpace {
  const { meshConfig } = installation();
  const mode = interceptionModeOf(desired.annotations, meshConfig.defaultConfig as MeshProxyConfig | undefined);
  const captures = injection === 'sidecar' && own !== 'explicit' && mode !== 'NONE' ? mode : undefined;
  if (network === undefined) {
    if (captures === undefined) return SHARED_SPACE;
    const ports = servedPorts(desired, view.list('Service', desired.namespace));
    return new UserNamespaceSpace({ desired, addresses, captures }, slot.pool.podPrefix, folder.sockets, ports);
  }
  const explicit = injection === 'sidecar' && captures === undefined;
  return isGateway(desired, injection) || explicit || desired.spec.hostNetwork === true
    ? new AddressedSpace(network, addresses.pod)
    : new NamespaceSpace(network, { desired, addresses, captures }, folder.sockets);
}

/** Hosts that gateways serve where they are usually published, by their whole names. */
function outsideHosts({ publishedUrls, publishAddress }: MeshParts): string[] {
  const urls = publishedUrls().filter(({ url }) => url.includes(`${publishAddress}:`));
  return urls.flatMap(({ hosts }) => hosts).filter((host) => !host.includes('*'));
}
