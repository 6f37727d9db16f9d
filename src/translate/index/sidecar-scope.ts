import type { Destination } from '../../config/kinds/shared/destination.ts';
import type { EgressListener as EgressSpec, SidecarSpec } from '../../config/kinds/sidecar/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import { HostMap, hostSubsetOf, hostsMatch } from '../../registry/host.ts';
import { parseProtocol } from '../../registry/protocol.ts';
import { reuseList } from '../../registry/reuse.ts';
import type { Service } from '../../registry/service.ts';
import type { Indexes } from './indexes.ts';
import { mergeServices, withAliases, withPorts } from './service-variants.ts';
import { destinationsOf, MESH_GATEWAY, type VirtualService } from './virtual-service.ts';

/** What a sidecar may call through one of its egress listeners. */
export interface EgressListener {
  /** Undefined when no Sidecar object says anything: everything that is visible, on every port. */
  readonly spec: EgressSpec | undefined;
  readonly services: readonly Service[];
  readonly virtualServices: readonly VirtualService[];
  /** For a service that only wildcards of VirtualServices cover: the VirtualService with the longest of them. */
  wildcardOwner(hostname: string): VirtualService | undefined;
}

/** What happens to calls of hosts that the mesh does not know. */
export interface OutboundPolicy {
  readonly mode: 'ALLOW_ANY' | 'ALLOW_ANY_DYNAMIC_DNS' | 'REGISTRY_ONLY';
  /** Where unknown traffic goes instead of to where it wanted. */
  readonly egressProxy: Destination | undefined;
}

/** All that the proxies under one Sidecar object, or under none in one namespace, see of the mesh. */
export interface SidecarScope {
  readonly name: string;
  readonly namespace: string;
  readonly sidecar: ConfigObject<SidecarSpec> | undefined;
  readonly egress: readonly EgressListener[];
  /** One for each host. */
  readonly services: readonly Service[];
  readonly byHost: ReadonlyMap<string, Service>;
  readonly outbound: OutboundPolicy;
}

const DEFAULT_SIDECAR = 'default-sidecar';

const EVERYTHING: EgressSpec = { hosts: ['*/*'] };

/** The scope of a Sidecar object, or of none, for proxies of a namespace. Lists that are as in `before` are the same lists. */
export function buildScope(
  indexes: Indexes,
  sidecar: ConfigObject<SidecarSpec> | undefined,
  namespace: string,
  before: SidecarScope | undefined,
): SidecarScope {
  const specs = sidecar?.spec.egress?.length ? sidecar.spec.egress : [EVERYTHING];
  const egress = specs.map((spec, i) => buildEgress(indexes, spec, namespace, before?.egress[i]));
  const collected = collectServices(indexes, egress, namespace);
  const services = reuseList(before?.services, [...collected.values()]);
  const policy = sidecar?.spec.outboundTrafficPolicy;
  return {
    name: sidecar?.metadata.name ?? DEFAULT_SIDECAR,
    namespace,
    sidecar,
    egress,
    services,
    byHost: services === before?.services ? before.byHost : collected,
    outbound: {
      // A policy that is there without a mode has the first of the API's modes.
      mode: (policy ?? indexes.mesh.outboundTrafficPolicy).mode ?? 'REGISTRY_ONLY',
      egressProxy: policy?.egressProxy,
    },
  };
}

/**
 * What a gateway sees: everything that is visible to its namespace, of several declarations of one host the first. No
 * Sidecar object applies to it.
 */
export function buildGatewayScope(indexes: Indexes, namespace: string, before: SidecarScope | undefined): SidecarScope {
  const visible = indexes.visibleServices.to(namespace);
  const byHost = new Map<string, Service>();
  for (const service of visible) addService(byHost, service);
  const services = reuseList(before?.services, [...byHost.values()]);
  const virtualServices = indexes.virtualServices.forGateway(namespace, MESH_GATEWAY);
  return {
    name: DEFAULT_SIDECAR,
    namespace,
    sidecar: undefined,
    egress: [{ spec: undefined, services: visible, virtualServices, wildcardOwner: () => undefined }],
    services,
    byHost: services === before?.services ? before.byHost : byHost,
    outbound: { mode: 'ALLOW_ANY', egressProxy: undefined },
  };
}

/** Whether only services on the listener's own port count; an HTTP proxy's listener is a way to all of them. */
function matchesPort(spec: EgressSpec): number | undefined {
  const number = spec.port?.number;
  return number && parseProtocol(spec.port?.protocol) !== 'HTTP_PROXY' ? number : undefined;
}

function buildEgress(
  indexes: Indexes,
  spec: EgressSpec,
  namespace: string,
  before: EgressListener | undefined,
): EgressListener {
  const imports = importsOf(spec.hosts, namespace);
  const visible = indexes.visibleServices.to(namespace);
  const services = reuseList(
    before?.services,
    imports.everything && matchesPort(spec) === undefined
      ? onePerHost(visible, namespace)
      : selectServices(visible, imports, namespace, matchesPort(spec)),
  );
  const bound = indexes.virtualServices.forGateway(namespace, MESH_GATEWAY);
  const virtualServices = imports.everything
    ? bound
    : reuseList(
        before?.virtualServices,
        bound.filter((vs) => importsVirtualService(imports, vs)),
      );
  if (before !== undefined && services === before.services && virtualServices === before.virtualServices) {
    return before.spec === spec ? before : { ...before, spec };
  }
  let owners: Map<string, VirtualService | undefined> | undefined;
  let hosts: HostMap<VirtualService> | undefined;
  return {
    spec,
    services,
    virtualServices,
    wildcardOwner(hostname) {
      owners ??= new Map();
      if (owners.has(hostname)) return owners.get(hostname);
      if (hosts === undefined) {
        hosts = new HostMap();
        for (const vs of virtualServices) for (const h of vs.hosts) if (hosts.get(h) === undefined) hosts.set(h, vs);
      }
      const owner = hosts.mostSpecific(hostname);
      owners.set(hostname, owner);
      return owner;
    },
  };
}

interface Imports {
  readonly everything: boolean;
  readonly byNamespace: ReadonlyMap<string, readonly string[]>;
}

/** Namespace of an entry that turns off all others. */
const NOBODY = '~';

/** `namespace/host` entries by namespace; `.` is the proxy's own. */
function importsOf(hosts: readonly string[], namespace: string): Imports {
  const byNamespace = new Map<string, string[]>();
  for (const entry of hosts) {
    const slash = entry.indexOf('/');
    if (slash === -1) continue;
    const owner = entry.slice(0, slash) === '.' ? namespace : entry.slice(0, slash);
    const list = byNamespace.get(owner);
    if (list) list.push(entry.slice(slash + 1));
    else byNamespace.set(owner, [entry.slice(slash + 1)]);
  }
  if (byNamespace.has(NOBODY)) return { everything: false, byNamespace: new Map() };
  return { everything: byNamespace.get('*')?.includes('*') ?? false, byNamespace };
}

function selectServices(
  services: readonly Service[],
  { byNamespace }: Imports,
  namespace: string,
  port: number | undefined,
): readonly Service[] {
  const anywhere = byNamespace.get('*');
  const selected = services.flatMap((service) => {
    for (const hosts of [byNamespace.get(service.namespace), anywhere]) {
      const match = hosts && importedService(service, hosts, port);
      if (match !== undefined) return [match];
    }
    return [];
  });
  return onePerHost(selected, namespace);
}

function importedService(service: Service, hosts: readonly string[], port: number | undefined): Service | undefined {
  if (!hosts.some((host) => hostSubsetOf(service.hostname, host))) return undefined;
  const aliases = service.aliases.filter((alias) => hosts.some((host) => hostSubsetOf(alias.hostname, host)));
  const imported = withAliases(service, aliases);
  if (port === undefined) return imported;
  const ports = imported.ports.filter((p) => p.port === port);
  return ports.length === 0 ? undefined : withPorts(imported, ports.slice(0, 1));
}

/**
 * Of services of one host in several namespaces, those of one namespace: the proxy's own, else one that Kubernetes
 * declares, else the first.
 */
function onePerHost(services: readonly Service[], namespace: string): readonly Service[] {
  const owners = new Map<string, Service>();
  let ambiguous = false;
  for (const service of services) {
    const owner = owners.get(service.hostname);
    if (owner === undefined) owners.set(service.hostname, service);
    else if (owner.namespace !== service.namespace) {
      ambiguous = true;
      const takes =
        service.namespace === namespace ||
        (owner.namespace !== namespace && owner.origin !== 'Kubernetes' && service.origin === 'Kubernetes');
      if (takes) owners.set(service.hostname, service);
    }
  }
  return ambiguous ? services.filter((s) => owners.get(s.hostname)!.namespace === s.namespace) : services;
}

function importsVirtualService({ byNamespace }: Imports, vs: VirtualService): boolean {
  return [byNamespace.get(vs.namespace), byNamespace.get('*')].some((hosts) =>
    hosts?.some((host) =>
      vs.hosts.some((own) => (vs.semantics === 'gateway' ? hostSubsetOf(own, host) : hostsMatch(own, host))),
    ),
  );
}

/** The services of all listeners, one for each host, and those to which their VirtualServices may lead besides. */
function collectServices(indexes: Indexes, egress: readonly EgressListener[], namespace: string): Map<string, Service> {
  const services = new Map<string, Service>();
  for (const listener of egress) {
    for (const service of listener.services) addService(services, service);
    const port = listener.spec && matchesPort(listener.spec);
    for (const vs of listener.virtualServices) {
      for (const [host, ports] of destinationsOf(vs, namespace)) {
        const service = pickService(indexes, host, namespace);
        const imported = service && destinationService(service, port === undefined ? ports : new Set([port]));
        if (imported !== undefined) addService(services, imported);
      }
    }
  }
  return services;
}

function addService(services: Map<string, Service>, service: Service): void {
  const existing = services.get(service.hostname);
  if (existing === undefined) services.set(service.hostname, service);
  else if (existing !== service) {
    if (existing.origin === 'Kubernetes' && service.origin !== 'Kubernetes') return;
    if (existing.origin !== 'Kubernetes' && service.origin === 'Kubernetes') {
      services.set(service.hostname, service);
      return;
    }
    const both = mergeServices(existing, service);
    if (both !== undefined) services.set(service.hostname, both);
  }
}

/** The declaration of a host that a VirtualService means: of the proxy's namespace, else of the first that it may see. */
function pickService(indexes: Indexes, hostname: string, namespace: string): Service | undefined {
  const declared = indexes.registry.services.byHost(hostname);
  const own = declared.get(namespace);
  if (own !== undefined) return own;
  let best: Service | undefined;
  for (const service of declared.values()) {
    if (!indexes.serviceExports.isVisible(service, namespace)) continue;
    if (best === undefined || service.namespace < best.namespace) best = service;
  }
  return best;
}

function destinationService(service: Service, ports: ReadonlySet<number>): Service | undefined {
  if (ports.has(0)) return service;
  const used = service.ports.filter((port) => ports.has(port.port));
  return used.length === 0 ? undefined : withPorts(service, used);
}
