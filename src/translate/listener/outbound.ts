import { create } from '@bufbuild/protobuf';
import { TrafficDirection } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { type FilterChain, FilterChainSchema } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { type Listener, ListenerSchema } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import type { ConfigObject } from '../../config/object.ts';
import { isIp } from '../../registry/address.ts';
import { servesPort } from '../../registry/endpoint.ts';
import { isTcp, listenerProtocol, type Protocol, parseProtocol } from '../../registry/protocol.ts';
import { type Service, type ServicePort, UNSPECIFIED } from '../../registry/service.ts';
import { extensionFiltersBeforeHttp } from '../extension/traffic-extensions.ts';
import { httpInspector, tlsInspector } from '../filters/listener-filters.ts';
import { httpConnectionManagerFilter } from '../http/connection-manager.ts';
import type { EgressListener } from '../index/sidecar-scope.ts';
import type { Origin } from '../index/virtual-service.ts';
import { delimited, domainName, listenerName, PASSTHROUGH_FILTER_CHAIN } from '../names.ts';
import { duration, optionalDuration, socketAddress } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import { acceptLimit, type Binding, canBind, everyAddress, exactBalance } from './bind.ts';
import {
  buildChain,
  type ChainSpec,
  chain,
  chainMatch,
  conflict,
  matchesAll,
  needsTlsInspector,
  PLAIN_TRANSPORT,
  plainHttpProtocols,
} from './filter-chain.ts';
import { tcpChains } from './outbound-chains.ts';
import { unknownTrafficFilters } from './virtual-outbound.ts';

/** A listener and where it comes from. */
export interface BuiltListener {
  readonly listener: Listener;
  readonly sources: readonly (Origin | ConfigObject)[];
  /** What did not find a place in it. */
  readonly conflict?: PortConflict | undefined;
}

/** Services that cannot be told apart on one address and port: only the first is reached there. */
export interface PortConflict {
  readonly kept: string;
  readonly dropped: readonly string[];
}

/** A listener of a sidecar towards services, while services are added to it. */
interface Entry {
  readonly port: ServicePort;
  readonly binding: Binding;
  chains: ChainSpec[];
  /** `Unsupported` once it detects what it carries. */
  protocol: Protocol;
  /** A Sidecar's own listener: services that it does not name stay out. */
  locked: boolean;
  /** The host that it was made for. */
  readonly owner: string;
  readonly dropped: Set<string>;
}

interface Request {
  readonly service: Service;
  readonly port: ServicePort;
  readonly binding: Binding;
}

/** Listeners of a sidecar for the services that it calls: one for each address and port, shared where addresses are. */
export function outboundListeners(proxy: ProxyView): BuiltListener[] {
  const plan = new OutboundPlan(proxy);
  for (const listener of proxy.scope.egress) plan.add(listener);
  return plan.entries.map((entry) => {
    const { dropped, owner } = entry;
    const conflict = dropped.size === 0 ? undefined : { kept: owner, dropped: [...dropped] };
    return { ...build(proxy, entry), conflict };
  });
}

class OutboundPlan {
  readonly #proxy: ProxyView;
  readonly #entries = new Map<string, Entry>();

  constructor(proxy: ProxyView) {
    this.#proxy = proxy;
  }

  get entries(): Entry[] {
    return [...this.#entries.values()];
  }

  add(listener: EgressListener): void {
    const proxy = this.#proxy;
    const { spec, services } = listener;
    const binding = bindingOf(proxy, listener);
    if (spec?.port !== undefined) {
      const protocol = parseProtocol(spec.port.protocol);
      const port = { port: spec.port.number ?? 0, name: spec.port.name ?? '', protocol };
      if (!this.#canBind(binding, port)) return;
      for (const service of services) this.#addService(listener, { service, port, binding });
      return;
    }
    for (const entry of this.#entries.values()) entry.locked = true;
    for (const service of services) {
      for (const port of service.ports) {
        if (!this.#canBind(binding, port)) continue;
        const request = { service, port, binding };
        const instances = this.#instances(request);
        if (instances === undefined) this.#addService(listener, request);
        for (const addresses of instances ?? []) {
          this.#addService(listener, { ...request, binding: { ...binding, addresses } });
        }
      }
    }
  }

  #canBind({ bindToPort, addresses }: Binding, { port, protocol }: ServicePort): boolean {
    return canBind(this.#proxy, bindToPort, addresses[0] ?? '', port, protocol, false);
  }

  /**
   * The addresses of a headless service's endpoints, each of which gets a listener of its own: they may speak first, and
   * many services may have the same port. Undefined where the service has one listener like any other.
   */
  #instances({ service, port, binding }: Request): (readonly string[])[] | undefined {
    const proxy = this.#proxy;
    const headless =
      binding.addresses.length === 0 &&
      service.resolution === 'PASSTHROUGH' &&
      proxy.addressesOf(service)[0] === UNSPECIFIED &&
      (isTcp(port.protocol) || port.protocol === 'Unsupported');
    if (!headless) return undefined;
    const endpoints = proxy.indexes.registry
      .endpoints(service)
      .endpoints.filter((endpoint) => servesPort(endpoint, port));
    if (service.origin === 'ServiceEntry' && endpoints.length === 0 && service.selector === undefined) return undefined;
    const [own] = proxy.node.addresses;
    return endpoints
      .map((endpoint) => [endpoint.address, ...endpoint.extraAddresses])
      .filter((addresses) => addresses.every(isIp) && addresses[0] !== own);
  }

  #addService(listener: EgressListener, request: Request): void {
    const { service, port } = request;
    if (service.resolution === 'ALIAS') return;
    const kind = listenerProtocol(port.protocol);
    if (kind === undefined) return;
    const { binding, destinations } = this.#place(request, kind === 'http');
    const key = listenerName(binding.addresses[0] ?? '', port.port);
    const current = this.#entries.get(key);
    if (current?.locked) return;
    const [wildcard] = this.#proxy.wildcards;
    const bind = binding.addresses[0]!;
    const tcp = () =>
      tcpChains(this.#proxy, { service, port, bind, destinations, virtualServices: listener.virtualServices });
    const http = (detected: boolean) => this.#httpChain(request, binding, detected);
    const replace = (chains: ChainSpec[], protocol: Protocol) => {
      const dropped = current?.dropped ?? new Set();
      this.#entries.set(key, { port, binding, chains, protocol, locked: false, owner: service.hostname, dropped });
    };
    const drop = () => {
      if (current !== undefined && current.owner !== service.hostname) current.dropped.add(service.hostname);
    };

    if (port.protocol === 'HTTP_PROXY') {
      // A port of HTTP proxies is no other service's, whichever is older.
      if (current !== undefined && current.owner !== service.hostname) current.dropped.add(current.owner);
      replace([http(false)], port.protocol);
      return;
    }
    if (current !== undefined && serverFirst(port.protocol, current.protocol)) {
      drop();
      return;
    }
    if (kind === 'http') {
      // One HTTP listener is for all HTTP services: their routes tell them apart.
      if (current !== undefined && !isTcp(current.protocol)) return;
      const detected = bind === wildcard;
      if (current === undefined) replace([http(detected)], detected ? 'Unsupported' : port.protocol);
      else mergeInto(current, [http(detected)], true);
    } else if (kind === 'tcp') {
      if (current === undefined) replace(tcp(), port.protocol);
      else if (!mergeInto(current, tcp(), listenerProtocol(current.protocol) === 'http')) drop();
    } else if (current === undefined || listenerProtocol(current.protocol) === 'http') {
      replace([...tcp(), http(true)], port.protocol);
    } else if (isTcp(current.protocol)) mergeInto(current, [...tcp(), http(true)], true);
  }

  /** The addresses of a service's listener, and the prefixes that tell it apart where that is all addresses. */
  #place({ service, binding }: Request, http: boolean): { binding: Binding; destinations: readonly string[] } {
    if (binding.addresses.length > 0) return { binding, destinations: [] };
    const proxy = this.#proxy;
    const at = (addresses: readonly string[]) => ({ ...binding, addresses });
    if (http) return { binding: at(proxy.wildcards), destinations: [] };
    const addresses = proxy.addressesOf(service);
    if (addresses[0]!.includes('/')) return { binding: at(proxy.wildcards), destinations: addresses };
    if (addresses[0] !== UNSPECIFIED) return { binding: at(addresses), destinations: [] };
    return { binding: at(proxy.wildcards), destinations: [] };
  }

  #httpChain({ service, port }: Request, binding: Binding, detected: boolean): ChainSpec {
    const proxy = this.#proxy;
    const bind = binding.addresses[0] ?? '';
    const ofService = port.protocol === 'Unsupported' && bind !== proxy.wildcards[0];
    const routes = port.port === 0 ? bind : ofService ? domainName(service.hostname, port.port) : String(port.port);
    return chain({
      applicationProtocols: detected ? plainHttpProtocols(proxy) : [],
      transportProtocol: detected ? PLAIN_TRANSPORT : '',
      sources: [service.source],
      filters: () => [
        ...extensionFiltersBeforeHttp(proxy, { listenerClass: 'outbound', port: port.port }),
        httpConnectionManagerFilter(proxy, {
          listenerClass: 'outbound',
          port: port.port,
          statPrefix: delimited(`outbound_${listenerName(bind, port.port)}`),
          routes,
          grpcWeb: port.protocol === 'GRPC-Web',
          http2: false,
          forwardProxy: false,
          service,
        }),
      ],
    });
  }
}

/** On which address a Sidecar's listener stands, and whether it takes the port itself; without a Sidecar, on the services'. */
function bindingOf({ node, localhosts }: ProxyView, { spec }: EgressListener): Binding {
  const bind = spec?.bind ?? '';
  const bindToPort = node.interceptionMode === 'NONE' || spec?.captureMode === 'NONE' || bind.startsWith('unix://');
  if (bind !== '') return { addresses: [bind], bindToPort };
  return { addresses: bindToPort ? localhosts : [], bindToPort };
}

/** Protocols whose servers speak first: looking into what the client says would wait for ever. */
function serverFirst(a: Protocol, b: Protocol): boolean {
  return a !== b && [a, b].some((protocol) => protocol === 'Mongo' || protocol === 'MySQL');
}

/**
 * Adds chains that none before already is; a listener of both kinds then detects what it carries. False if there are none.
 */
function mergeInto(entry: Entry, incoming: readonly ChainSpec[], mixed: boolean): boolean {
  const merged = [...entry.chains];
  for (const spec of incoming) if (!merged.some((existing) => conflict(existing, spec))) merged.push(spec);
  const added = merged.length > entry.chains.length;
  entry.chains = merged;
  if (mixed) entry.protocol = 'Unsupported';
  return added;
}

/** The listener of one address and port, from the chains that services have put there. */
export function build(
  proxy: ProxyView,
  { binding, chains, port }: Pick<Entry, 'binding' | 'chains' | 'port'>,
): BuiltListener {
  const { mesh, node } = proxy;
  const [bind = '', ...others] = binding.addresses;
  const detectsHttp = chains.some((spec) => spec.applicationProtocols.length > 0);
  const timeout = detectsHttp ? optionalDuration(mesh.protocolDetectionTimeout) : duration(0);
  const listener = create(ListenerSchema, {
    name: listenerName(bind, port.port),
    address: socketAddress(bind, port.port),
    additionalAddresses: everyAddress(others, port.port),
    trafficDirection: TrafficDirection.OUTBOUND,
    continueOnListenerFiltersTimeout: true,
    ...(node.outboundExactBalance ? { connectionBalanceConfig: exactBalance() } : {}),
    ...(binding.bindToPort ? acceptLimit(proxy) : { bindToPort: false }),
    listenerFilters: [
      ...(chains.some(needsTlsInspector) ? [tlsInspector()] : []),
      ...(detectsHttp ? [httpInspector()] : []),
    ],
    ...(timeout === undefined ? {} : { listenerFiltersTimeout: timeout }),
  });
  applyChains(proxy, listener, chains);
  return { listener, sources: chains.flatMap((spec) => spec.sources) };
}

/**
 * A chain that takes everything goes last and in its own place, so that what begins to match another chain and then does
 * not is still taken. Without one, unknown traffic goes on as if there were no listener.
 */
function applyChains(proxy: ProxyView, listener: Listener, chains: readonly ChainSpec[]): void {
  let last: FilterChain | undefined;
  for (const spec of chains) {
    const built = buildChain(proxy, spec);
    if (matchesAll(spec)) last = built;
    else {
      built.filterChainMatch = chainMatch(spec)!;
      listener.filterChains.push(built);
    }
  }
  if (last !== undefined && listener.filterChains.length === 0) listener.filterChains = [last];
  else {
    listener.defaultFilterChain =
      last ??
      create(FilterChainSchema, {
        name: PASSTHROUGH_FILTER_CHAIN,
        filterChainMatch: {},
        filters: unknownTrafficFilters(proxy),
      });
  }
}
