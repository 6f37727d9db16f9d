import type { Destination } from '../../config/kinds/shared/destination.ts';
import type {
  HttpRoute,
  RouteDestination,
  TcpMatch,
  TlsMatch,
  VirtualServiceSpec,
} from '../../config/kinds/virtual-service/schema.ts';
import type { ConfigObject, FieldPath } from '../../config/object.ts';
import { isIp } from '../../registry/address.ts';
import { exportToOf } from '../../registry/export-to.ts';
import { resolveShortName } from '../../registry/host.ts';
import { Memo } from '../memo.ts';

/** The gateway that stands for all sidecars. */
export const MESH_GATEWAY = 'mesh';

/** Where something in the configuration stands. */
export interface Origin {
  readonly object: ConfigObject;
  readonly path: FieldPath;
}

/** A rule for HTTP, its names made whole, and the place where a person wrote it. */
export interface HttpRule {
  readonly route: HttpRoute;
  readonly origin: Origin;
}

export interface TlsRule {
  readonly match: readonly TlsMatch[];
  readonly route: readonly RouteDestination[];
  readonly origin: Origin;
}

export interface TcpRule {
  readonly match: readonly TcpMatch[];
  readonly route: readonly RouteDestination[];
  readonly origin: Origin;
}

/** A VirtualService whose short names are made whole, and whose delegates are merged in. */
export interface VirtualService {
  readonly source: ConfigObject<VirtualServiceSpec>;
  readonly name: string;
  readonly namespace: string;
  readonly hosts: readonly string[];
  /** `namespace/name`, or {@link MESH_GATEWAY}. */
  readonly gateways: readonly string[];
  readonly http: readonly HttpRule[];
  readonly tls: readonly TlsRule[];
  readonly tcp: readonly TcpRule[];
  readonly exportTo: ReadonlySet<string> | undefined;
  /**
   * By whose rules its routes are read: those of a VirtualService, or those of the Kubernetes Ingress or Gateway API
   * object that it was made from.
   */
  readonly semantics: 'istio' | 'ingress' | 'gateway';
  /** Delegates that are merged in. */
  readonly delegates: readonly ConfigObject<VirtualServiceSpec>[];
}

/** Annotation by which adapters say what they made a VirtualService from. */
const ROUTE_SEMANTICS = 'internal.istio.io/route-semantics';

/** A VirtualService with all its hosts and gateways by their full names. */
export function resolveVirtualService(source: ConfigObject<VirtualServiceSpec>, domain: string): VirtualService {
  const { spec, metadata } = source;
  const { namespace, name } = metadata;
  const host = (text: string) => (isIp(text) ? text : resolveShortName(text, namespace, domain));
  const destination = (d: Destination): Destination => ({ ...d, host: host(d.host) });
  const gateways = (list: readonly string[] | undefined) => list?.map((g) => resolveGatewayName(g, namespace));
  const l4 = <M extends { readonly gateways?: readonly string[] | undefined }>(
    kind: 'tls' | 'tcp',
    rules: readonly { readonly match?: readonly M[]; readonly route?: readonly RouteDestination[] }[] | undefined,
  ) =>
    (rules ?? []).map((rule, i) => ({
      match: (rule.match ?? []).map((match) =>
        match.gateways === undefined ? match : { ...match, gateways: gateways(match.gateways) },
      ),
      route: (rule.route ?? []).map((r) => ({ ...r, destination: destination(r.destination) })),
      origin: { object: source, path: ['spec', kind, i] },
    }));
  const semantics = metadata.annotations[ROUTE_SEMANTICS];
  return {
    source,
    name,
    namespace,
    hosts: (spec.hosts ?? []).map(host),
    gateways: spec.gateways?.length ? gateways(spec.gateways)! : [MESH_GATEWAY],
    http: (spec.http ?? []).map((route, i) => ({
      route: resolveHttpRoute(route, destination, gateways),
      origin: { object: source, path: ['spec', 'http', i] },
    })),
    tls: l4<TlsMatch>('tls', spec.tls),
    tcp: l4<TcpMatch>('tcp', spec.tcp),
    exportTo: exportToOf(spec.exportTo, namespace),
    semantics: semantics === 'ingress' || semantics === 'gateway' ? semantics : 'istio',
    delegates: [],
  };
}

function resolveHttpRoute(
  route: HttpRoute,
  destination: (d: Destination) => Destination,
  gateways: (list: readonly string[] | undefined) => string[] | undefined,
): HttpRoute {
  const result: { -readonly [K in keyof HttpRoute]: HttpRoute[K] } = { ...route };
  if (route.match) {
    result.match = route.match.map((m) => (m.gateways === undefined ? m : { ...m, gateways: gateways(m.gateways) }));
  }
  if (route.route) result.route = route.route.map((r) => ({ ...r, destination: destination(r.destination) }));
  if (route.mirror) result.mirror = destination(route.mirror);
  if (route.mirrors) result.mirrors = route.mirrors.map((m) => ({ ...m, destination: destination(m.destination) }));
  return result;
}

/** `name`, `./name`, `namespace/name`, or the old `name.namespace[.svc.domain]`, as `namespace/name`. */
function resolveGatewayName(gateway: string, namespace: string): string {
  if (gateway === MESH_GATEWAY) return gateway;
  const slash = gateway.indexOf('/');
  if (slash !== -1) return gateway.startsWith('./') ? `${namespace}${gateway.slice(1)}` : gateway;
  const [name, owner] = gateway.split('.', 2);
  return `${owner ?? namespace}/${name}`;
}

const destinations = new Memo<ReadonlyMap<string, ReadonlySet<number>>>();

/**
 * Every host that a VirtualService may send to, with the ports that it names; 0 stands for a destination without one.
 * With a namespace, rules that are only for callers in others are left out.
 */
export function destinationsOf(
  virtualService: VirtualService,
  callerNamespace?: string,
): ReadonlyMap<string, ReadonlySet<number>> {
  const matters = virtualService.http.some(({ route }) => route.match?.some((match) => match.sourceNamespace));
  const namespace = matters ? callerNamespace : undefined;
  return destinations.get([virtualService], namespace ?? '', () => collectDestinations(virtualService, namespace));
}

function collectDestinations(vs: VirtualService, callerNamespace: string | undefined): Map<string, Set<number>> {
  const result = new Map<string, Set<number>>();
  const add = (d: Destination | undefined) => {
    if (d === undefined) return;
    const ports = result.get(d.host);
    const port = d.port?.number ?? 0;
    if (ports) ports.add(port);
    else result.set(d.host, new Set([port]));
  };
  for (const { route } of vs.http) {
    if (callerNamespace !== undefined && !isForNamespace(route, callerNamespace)) continue;
    for (const r of route.route ?? []) add(r.destination);
    add(route.mirror);
    for (const m of route.mirrors ?? []) add(m.destination);
  }
  for (const rule of [...vs.tcp, ...vs.tls]) for (const r of rule.route) add(r.destination);
  return result;
}

function isForNamespace(route: HttpRoute, namespace: string): boolean {
  let matched = true;
  for (const { sourceNamespace } of route.match ?? []) {
    if (!sourceNamespace) continue;
    if (sourceNamespace === namespace) return true;
    matched = false;
  }
  return matched;
}
