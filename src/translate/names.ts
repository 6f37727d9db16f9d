import { hash } from 'node:crypto';

/** Names that dashboards, EnvoyFilters and `istioctl proxy-config` know by heart. */
export const BLACKHOLE_CLUSTER = 'BlackHoleCluster';
export const PASSTHROUGH_CLUSTER = 'PassthroughCluster';
export const ALLOW_ANY_DYNAMIC_DNS_CLUSTER = 'AllowAnyDynamicDNSCluster';
export const INBOUND_PASSTHROUGH_CLUSTER = 'InboundPassthroughCluster';
export const PASSTHROUGH_FILTER_CHAIN = 'PassthroughFilterChain';
export const VIRTUAL_OUTBOUND = 'virtualOutbound';
export const VIRTUAL_OUTBOUND_CATCH_ALL = 'virtualOutbound-catchall-tcp';
export const VIRTUAL_OUTBOUND_CATCH_ALL_HTTP = 'virtualOutbound-catchall-tcp-http';
export const VIRTUAL_OUTBOUND_BLACKHOLE = 'virtualOutbound-blackhole';
export const VIRTUAL_INBOUND = 'virtualInbound';
export const VIRTUAL_INBOUND_CATCH_ALL_HTTP = 'virtualInbound-catchall-http';
export const VIRTUAL_INBOUND_BLACKHOLE = 'virtualInbound-blackhole';
/** Route configuration of a sidecar's HTTP proxy port. */
export const HTTP_PROXY_ROUTE = 'http_proxy';

/** `outbound|80|v1|reviews.default.svc.cluster.local` */
export function outboundCluster(port: number, subset: string, hostname: string): string {
  return `outbound|${port}|${subset}|${hostname}`;
}

/** `inbound|8080||` */
export function inboundCluster(port: number): string {
  return `inbound|${port}||`;
}

/** The same name in characters that a server name may have: `outbound_.80_.v1_.reviews.default.svc.cluster.local`. */
export function sniCluster(port: number, subset: string, hostname: string): string {
  return `outbound_.${port}_.${subset}_.${hostname}`;
}

/** A cluster's name taken apart; undefined for names of other shapes, such as those that EnvoyFilters add. */
export interface ClusterName {
  readonly direction: string;
  readonly port: number;
  readonly subset: string;
  readonly hostname: string;
  /** Written with `_.`, for SNI. */
  readonly sni: boolean;
}

/** Takes the name of a cluster apart, in either form; undefined if it is none of Istio's. */
export function parseClusterName(name: string): ClusterName | undefined {
  const sni = name.startsWith('outbound_.');
  const parts = name.split(sni ? '_.' : '|');
  if (parts.length < 4) return undefined;
  const [direction, port, subset] = parts;
  if (!/^\d+$/.test(port!)) return undefined;
  return {
    direction: direction!,
    port: Number(port),
    subset: subset!,
    hostname: parts.slice(3).join(sni ? '_.' : '|'),
    sni,
  };
}

/** Istio ends names that become part of a statistic's with a semicolon, so that tags can be told from the metric's name. */
export function delimited(prefix: string): string {
  return `${prefix};`;
}

/** `host:port`, with brackets around an IPv6 address: the name of a virtual host. */
export function domainName(host: string, port: number): string {
  return `${bracketed(host)}:${port}`;
}

/** A host as it stands before a port. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Name of a listener: `ADDRESS_PORT`. */
export function listenerName(bind: string, port: number): string {
  return `${bind}_${port}`;
}

/** Version of a resource: a hash of its bytes. */
export function versionOf(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex').slice(0, 24);
}
