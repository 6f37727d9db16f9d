import type { Headers } from '../../wire/headers.ts';
import type { Metadata } from '../cluster/host.ts';
import type { NodeIdentity } from '../context.ts';
import { formatAddress, type PeerCertificate, type SocketAddress, type TlsInfo } from '../net/connection.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { Activation } from './compile.ts';
import { CelDuration, type CelMap, CelTimestamp, type CelValue, celValue } from './values.ts';

/**
 * What expressions can ask of a stream, by Envoy's names ("Attributes" in its documentation, and what Istio's filters
 * add). Undefined for what there is not: expressions have no value then.
 */
type Attribute = (info: StreamInfo) => CelValue | undefined;
type Attributes = Readonly<Record<string, Attribute>>;

/** A group of attributes of one stream. */
class AttributeMap implements CelMap {
  readonly #attributes: Attributes;
  readonly #info: StreamInfo;

  constructor(attributes: Attributes, info: StreamInfo) {
    this.#attributes = attributes;
    this.#info = info;
  }

  get(key: CelValue): CelValue | undefined {
    return typeof key === 'string' && Object.hasOwn(this.#attributes, key)
      ? this.#attributes[key](this.#info)
      : undefined;
  }

  keys(): Iterable<CelValue> {
    return Object.keys(this.#attributes).filter((name) => this.#attributes[name](this.#info) !== undefined);
  }
}

class HeaderMap implements CelMap {
  readonly #headers: Headers | undefined;

  constructor(headers: Headers | undefined) {
    this.#headers = headers;
  }

  get(key: CelValue): CelValue | undefined {
    return typeof key === 'string' ? this.#headers?.getJoined(key.toLowerCase()) : undefined;
  }

  keys(): Iterable<CelValue> {
    const headers = this.#headers;
    return headers === undefined ? [] : new Set(Array.from({ length: headers.size }, (_, i) => headers.nameAt(i)));
  }
}

/** `google.protobuf.Struct` by filter, as `envoy.config.core.v3.Metadata` has it. */
function metadataMessage(metadata: Metadata | undefined): CelValue | undefined {
  return metadata && celValue({ filter_metadata: metadata });
}

const filled = (text: string | undefined): string | undefined => (text === '' ? undefined : text);
const int = (value: number): bigint => BigInt(Math.trunc(value));
const header =
  (name: string): Attribute =>
  (info) =>
    info.requestHeaders?.get(name);
const addressOf = (address: SocketAddress | undefined) => address && formatAddress(address);
const portOf = (address: SocketAddress | undefined) => address && int(address.port);

function query(info: StreamInfo): string | undefined {
  const path = info.requestHeaders?.path;
  if (path === undefined) return undefined;
  const from = path.indexOf('?');
  return from < 0 ? '' : path.slice(from + 1).split('#', 1)[0];
}

function statusOf(info: StreamInfo): bigint | undefined {
  const text = info.responseTrailers?.get('grpc-status') ?? info.responseHeaders?.get('grpc-status');
  return text !== undefined && /^\d{1,10}$/.test(text) ? BigInt(text) : undefined;
}

function requestSize(info: StreamInfo): bigint {
  const length = info.requestHeaders?.get('content-length');
  return length !== undefined && /^\d{1,15}$/.test(length) ? BigInt(length) : int(info.bytesReceived);
}

const REQUEST: Attributes = {
  path: (info) => info.requestHeaders?.path,
  url_path: (info) => info.requestHeaders?.path.split('?', 1)[0],
  host: (info) => filled(info.requestHeaders?.authority),
  scheme: (info) => filled(info.requestHeaders?.scheme),
  method: (info) => filled(info.requestHeaders?.method),
  headers: (info) => new HeaderMap(info.requestHeaders),
  referer: header('referer'),
  useragent: header('user-agent'),
  time: (info) => new CelTimestamp(info.startTime),
  id: header('x-request-id'),
  protocol: (info) => filled(info.protocol),
  query,
  duration: (info) => (info.end < 0 ? undefined : new CelDuration(info.end - info.start)),
  size: requestSize,
  total_size: (info) => int(info.requestHeaderBytes + info.bytesReceived),
};

const RESPONSE: Attributes = {
  code: (info) => (info.responseCode === 0 ? undefined : int(info.responseCode)),
  code_details: (info) => filled(info.responseCodeDetails),
  flags: (info) => int(info.flags),
  grpc_status: statusOf,
  headers: (info) => new HeaderMap(info.responseHeaders),
  trailers: (info) => new HeaderMap(info.responseTrailers),
  size: (info) => int(info.bytesSent),
  total_size: (info) => int(info.responseHeaderBytes + info.bytesSent),
  backend_latency: (info) =>
    info.lastUpstreamByteReceived < 0 || info.firstUpstreamByteSent < 0
      ? undefined
      : new CelDuration(info.lastUpstreamByteReceived - info.firstUpstreamByteSent),
};

/** What is known of one TLS connection. */
function tlsAttributes(tlsOf: (info: StreamInfo) => TlsInfo | undefined): Attributes {
  const peer =
    (read: (peer: PeerCertificate) => string | undefined): Attribute =>
    (info) => {
      const certificate = tlsOf(info)?.peer;
      return certificate && filled(read(certificate));
    };
  return {
    tls_version: (info) => tlsOf(info)?.version,
    subject_local_certificate: (info) => filled(tlsOf(info)?.localSubject),
    dns_san_local_certificate: (info) => tlsOf(info)?.localDnsSans[0],
    uri_san_local_certificate: (info) => tlsOf(info)?.localUriSans[0],
    subject_peer_certificate: peer(({ subject }) => subject),
    dns_san_peer_certificate: peer(({ dnsSans }) => dnsSans[0]),
    uri_san_peer_certificate: peer(({ uriSans }) => uriSans[0]),
    sha256_peer_certificate_digest: peer(({ sha256 }) => sha256),
  };
}

const CONNECTION: Attributes = {
  ...tlsAttributes((info) => info.connection.tls),
  id: (info) => int(info.connection.id),
  mtls: (info) => info.connection.tls?.peer !== undefined,
  requested_server_name: (info) => filled(info.connection.requestedServerName),
  termination_details: (info) => filled(info.connectionTerminationDetails),
  transport_failure_reason: (info) => filled(info.downstreamTransportFailure),
};

const UPSTREAM: Attributes = {
  ...tlsAttributes((info) => info.upstreamConnection?.tls),
  address: (info) => addressOf(info.upstreamHost?.address),
  port: (info) => portOf(info.upstreamHost?.address),
  local_address: (info) => addressOf(info.upstreamConnection?.local),
  transport_failure_reason: (info) => filled(info.upstreamTransportFailure),
  request_attempt_count: (info) => int(info.attemptCount),
  locality: (info) => {
    if (info.upstreamHost === undefined) return undefined;
    const { region, zone, subZone } = info.upstreamHost.description.locality;
    return celValue({ region, zone, sub_zone: subZone });
  },
};

const SOURCE: Attributes = {
  address: (info) => addressOf(info.remoteAddress),
  port: (info) => portOf(info.remoteAddress),
};

const DESTINATION: Attributes = {
  address: (info) => addressOf(info.connection.local),
  port: (info) => portOf(info.connection.local),
};

function xds(node: CelValue): Attributes {
  return {
    node: () => node,
    cluster_name: (info) => filled(info.upstreamCluster),
    cluster_metadata: (info) => metadataMessage(info.clusterMetadata),
    route_name: (info) => filled(info.routeName),
    route_metadata: (info) => metadataMessage(info.routeMetadata),
    virtual_host_name: (info) => filled(info.virtualHostName),
    upstream_host_metadata: (info) => metadataMessage(info.upstreamHost?.description.metadata),
    filter_chain_name: (info) => filled(info.connection.filterChainName),
  };
}

/** What filters left for the stream, or for its connection. */
class FilterState implements CelMap {
  readonly #info: StreamInfo;

  constructor(info: StreamInfo) {
    this.#info = info;
  }

  get(key: CelValue): CelValue | undefined {
    const value = typeof key === 'string' ? this.#info.getFilterState(key) : undefined;
    return value === undefined ? undefined : celValue(value);
  }

  keys(): Iterable<CelValue> {
    const { filterState, connection } = this.#info;
    return new Set([...(filterState?.keys() ?? []), ...(connection.filterState?.keys() ?? [])]);
  }
}

/** The names of expressions for the streams of a proxy. */
export function streamActivation(node: NodeIdentity): (info: StreamInfo) => Activation {
  const { id, cluster, metadata, region, zone, subZone } = node;
  const nodeValue = celValue({ id, cluster, metadata, locality: { region, zone, sub_zone: subZone } });
  const groups: Readonly<Record<string, Attributes>> = {
    request: REQUEST,
    response: RESPONSE,
    connection: CONNECTION,
    upstream: UPSTREAM,
    source: SOURCE,
    destination: DESTINATION,
    xds: xds(nodeValue),
  };
  return (info) => (name) => {
    if (Object.hasOwn(groups, name)) return new AttributeMap(groups[name], info);
    switch (name) {
      case 'node':
        return nodeValue;
      case 'metadata':
        return metadataMessage(info.dynamicMetadata ?? NO_METADATA);
      case 'filter_state':
        return new FilterState(info);
      case 'upstream_filter_state':
        return celValue(info.upstreamConnection?.filterState ?? {});
      default: {
        // Istio's filters find what other filters left by its bare name, too.
        const value = info.getFilterState(name);
        return value === undefined ? undefined : celValue(value);
      }
    }
  };
}

const NO_METADATA: Metadata = new Map();
