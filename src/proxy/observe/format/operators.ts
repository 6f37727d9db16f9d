import { fromWireForm, keepingBytes } from '../../../base/bytes.ts';
import type { Headers } from '../../../wire/headers.ts';
import { formatAddress, type PeerCertificate, type SocketAddress } from '../../net/connection.ts';
import { formatFlags, formatFlagsLong } from '../response-flags.ts';
import type { StreamInfo } from '../stream-info.ts';
import { compileTimeFormat, isoTime } from './time.ts';

/** The value of one operator for a stream; undefined prints as `-` in text, as nothing in a header, as null in JSON. */
export type Operator = (info: StreamInfo) => string | number | boolean | Readonly<Record<string, unknown>> | undefined;

/** What an operator is compiled from: `%NAME(argument):limit%`. Throws an Error that says what is wrong with it. */
export type OperatorCompiler = (argument: string | undefined) => Operator;

const address = (of: (info: StreamInfo) => SocketAddress | undefined): Operator => {
  return (info) => {
    const at = of(info);
    return at && formatAddress(at);
  };
};

const withoutPort =
  (of: (info: StreamInfo) => SocketAddress | undefined): Operator =>
  (info) =>
    of(info)?.address;
const portOnly =
  (of: (info: StreamInfo) => SocketAddress | undefined): Operator =>
  (info) =>
    of(info)?.port;
const nonEmpty = (text: string | undefined) => (text === '' ? undefined : text);

const remote = (info: StreamInfo) => info.remoteAddress;
const directRemote = (info: StreamInfo) => info.connection.directRemote;
const local = (info: StreamInfo) => info.connection.local;
const upstreamRemote = (info: StreamInfo) => info.upstreamConnection?.remote ?? info.upstreamHost?.address;
const upstreamLocal = (info: StreamInfo) => info.upstreamConnection?.local;

const downstreamPeer = (of: (peer: PeerCertificate) => string | undefined): Operator => {
  return (info) => {
    const peer = info.connection.tls?.peer;
    return peer && nonEmpty(of(peer));
  };
};

const upstreamPeer = (of: (peer: PeerCertificate) => string | undefined): Operator => {
  return (info) => {
    const peer = info.upstreamConnection?.tls?.peer;
    return peer && nonEmpty(of(peer));
  };
};

/** Milliseconds from the start to a moment, or undefined if it never came. */
const since = (moment: (info: StreamInfo) => number): Operator => {
  return (info) => {
    const at = moment(info);
    return at < 0 ? undefined : Math.max(0, Math.floor(at - info.start));
  };
};

/** `NAME?ALTERNATIVE`: the first value of the first of the two headers that is there. */
function headerOperator(argument: string | undefined, of: (info: StreamInfo) => Headers | undefined): Operator {
  if (!argument) throw new Error('a header name is needed');
  const [main, alternative] = argument
    .toLowerCase()
    .split('?')
    .map((name) => (name === 'host' ? ':authority' : name));
  if (alternative === undefined) return (info) => asText(of(info)?.get(main));
  return (info) => {
    const headers = of(info);
    return asText(headers?.get(main) ?? headers?.get(alternative));
  };
}

/** What a header says: what is made of it is written in UTF-8 again. */
const asText = (value: string | undefined) => value && keepingBytes(value);

const plain = (operator: Operator): OperatorCompiler => {
  return (argument) => {
    if (argument !== undefined) throw new Error('takes no argument');
    return operator;
  };
};

const validity = (of: (peer: PeerCertificate) => number, peerOf: (info: StreamInfo) => PeerCertificate | undefined) => {
  return (argument: string | undefined): Operator => {
    const format = argument === undefined ? isoTime : compileTimeFormat(argument);
    if (format === undefined) throw new Error(`${JSON.stringify(argument)} is not a time format`);
    return (info) => {
      const peer = peerOf(info);
      return peer && format(of(peer));
    };
  };
};

/** `NAMESPACE:KEY:KEY`: a value in nested maps. */
function metadataOperator(
  argument: string | undefined,
  of: (info: StreamInfo, namespace: string) => unknown,
): Operator {
  if (!argument) throw new Error('a namespace is needed');
  const [namespace, ...keys] = argument.split(':');
  return (info) => {
    let value = of(info, namespace);
    for (const key of keys) {
      value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
    }
    return value as ReturnType<Operator>;
  };
}

const TIMING_POINTS: Readonly<Record<string, (info: StreamInfo) => number>> = {
  DS_RX_BEG: (info) => info.start,
  DS_RX_END: (info) => info.lastRequestByte,
  US_TX_BEG: (info) => info.firstUpstreamByteSent,
  US_TX_END: (info) => info.lastUpstreamByteSent,
  US_RX_BEG: (info) => info.firstUpstreamByteReceived,
  US_RX_END: (info) => info.lastUpstreamByteReceived,
  DS_TX_BEG: (info) => info.firstResponseByte,
  DS_TX_END: (info) => info.end,
};

function commonDuration(argument: string | undefined): Operator {
  const [from, to, precision] = (argument ?? '').split(':');
  const start = TIMING_POINTS[from];
  const end = TIMING_POINTS[to];
  if (!start || !end) throw new Error(`takes two of ${Object.keys(TIMING_POINTS).join(', ')}`);
  const scale = { ms: 1, us: 1e3, ns: 1e6 }[precision ?? 'ms'];
  if (scale === undefined) throw new Error(`${JSON.stringify(precision)} is none of ms, us, ns`);
  return (info) => {
    const a = start(info);
    const b = end(info);
    return a < 0 || b < 0 ? undefined : Math.max(0, Math.floor((b - a) * scale));
  };
}

function startTime(argument: string | undefined): Operator {
  const format = argument === undefined || argument === '' ? isoTime : compileTimeFormat(argument);
  if (format === undefined) throw new Error(`${JSON.stringify(argument)} is not a time format`);
  return (info) => format(info.startTime);
}

function filterState(argument: string | undefined): Operator {
  const [key, mode] = (argument ?? '').split(':');
  if (!key) throw new Error('a key is needed');
  return (info) => {
    const value = info.getFilterState(key);
    if (value === undefined) return undefined;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return mode === 'PLAIN' ? String(value) : JSON.stringify(value);
    }
    return JSON.stringify(value);
  };
}

function environment(argument: string | undefined): Operator {
  const value = process.env[argument ?? ''];
  return () => value;
}

/** Envoy's substitution operators by name. Configuration names them; an unknown one is an error with its place. */
export const OPERATORS: Readonly<Record<string, OperatorCompiler>> = {
  REQ: (argument) => headerOperator(argument, (info) => info.requestHeaders),
  RESP: (argument) => headerOperator(argument, (info) => info.responseHeaders),
  TRAILER: (argument) => headerOperator(argument, (info) => info.responseTrailers),
  REQ_WITHOUT_QUERY(argument) {
    const header = headerOperator(argument, (info) => info.requestHeaders);
    return (info) => (header(info) as string | undefined)?.replace(/\?.*$/s, '');
  },
  PATH: (argument) => pathOperator(argument),
  QUERY_PARAM(argument) {
    if (!argument) throw new Error('a parameter name is needed');
    return (info) => {
      const query = info.requestHeaders?.path.split('?')[1];
      return query === undefined ? undefined : (new URLSearchParams(fromWireForm(query)).get(argument) ?? undefined);
    };
  },
  START_TIME: startTime,
  START_TIME_LOCAL: startTime,
  PROTOCOL: plain((info) => nonEmpty(info.protocol)),
  UPSTREAM_PROTOCOL: plain((info) => nonEmpty(info.upstreamConnection?.protocol)),
  RESPONSE_CODE: plain((info) => info.responseCode),
  RESPONSE_CODE_DETAILS: plain((info) => nonEmpty(info.responseCodeDetails.replaceAll(' ', '_'))),
  CONNECTION_TERMINATION_DETAILS: plain((info) => nonEmpty(info.connectionTerminationDetails)),
  RESPONSE_FLAGS: plain((info) => formatFlags(info.flags, info.protocol === '')),
  RESPONSE_FLAGS_LONG: plain((info) => formatFlagsLong(info.flags, info.protocol === '')),
  BYTES_RECEIVED: plain((info) => info.bytesReceived),
  BYTES_SENT: plain((info) => info.bytesSent),
  REQUEST_HEADERS_BYTES: plain((info) => info.requestHeaderBytes),
  RESPONSE_HEADERS_BYTES: plain((info) => info.responseHeaderBytes),
  RESPONSE_TRAILERS_BYTES: plain((info) => info.responseTrailers?.byteSize() ?? 0),
  UPSTREAM_WIRE_BYTES_SENT: plain((info) => info.upstreamBytesSent),
  UPSTREAM_WIRE_BYTES_RECEIVED: plain((info) => info.upstreamBytesReceived),
  DOWNSTREAM_WIRE_BYTES_SENT: plain((info) => info.connection.bytesSent),
  DOWNSTREAM_WIRE_BYTES_RECEIVED: plain((info) => info.connection.bytesReceived),
  DURATION: plain(since((info) => info.end)),
  REQUEST_DURATION: plain(since((info) => info.lastRequestByte)),
  REQUEST_TX_DURATION: plain(since((info) => info.lastUpstreamByteSent)),
  RESPONSE_DURATION: plain(since((info) => info.firstUpstreamByteReceived)),
  RESPONSE_TX_DURATION: plain((info) =>
    info.end < 0 || info.firstUpstreamByteReceived < 0
      ? undefined
      : Math.floor(info.end - info.firstUpstreamByteReceived),
  ),
  ROUNDTRIP_DURATION: plain(() => undefined),
  COMMON_DURATION: commonDuration,
  ROUTE_NAME: plain((info) => nonEmpty(info.routeName)),
  VIRTUAL_CLUSTER_NAME: plain((info) => nonEmpty(info.virtualClusterName)),
  UPSTREAM_HOST: plain((info) => info.upstreamHost?.name),
  UPSTREAM_HOST_NAME: plain((info) => nonEmpty(info.upstreamHost?.description.hostname) ?? info.upstreamHost?.name),
  UPSTREAM_CLUSTER: plain((info) => nonEmpty(info.upstreamClusterStatName || info.upstreamCluster)),
  UPSTREAM_CLUSTER_RAW: plain((info) => nonEmpty(info.upstreamCluster)),
  UPSTREAM_LOCAL_ADDRESS: plain(address(upstreamLocal)),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: plain(withoutPort(upstreamLocal)),
  UPSTREAM_LOCAL_PORT: plain(portOnly(upstreamLocal)),
  UPSTREAM_REMOTE_ADDRESS: plain(address(upstreamRemote)),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: plain(withoutPort(upstreamRemote)),
  UPSTREAM_REMOTE_PORT: plain(portOnly(upstreamRemote)),
  UPSTREAM_CONNECTION_ID: plain((info) => info.upstreamConnection?.id),
  UPSTREAM_TRANSPORT_FAILURE_REASON: plain((info) => nonEmpty(info.upstreamTransportFailure.replaceAll(' ', '_'))),
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: plain((info) => nonEmpty(info.downstreamTransportFailure.replaceAll(' ', '_'))),
  ACCESS_LOG_TYPE: plain((info) => info.logType),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: plain((info) => info.attemptCount),
  DOWNSTREAM_LOCAL_ADDRESS: plain(address(local)),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: plain(withoutPort(local)),
  DOWNSTREAM_LOCAL_PORT: plain(portOnly(local)),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: plain(address(local)),
  DOWNSTREAM_REMOTE_ADDRESS: plain(address(remote)),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: plain(withoutPort(remote)),
  DOWNSTREAM_REMOTE_PORT: plain(portOnly(remote)),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: plain(address(directRemote)),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: plain(withoutPort(directRemote)),
  DOWNSTREAM_DIRECT_REMOTE_PORT: plain(portOnly(directRemote)),
  CONNECTION_ID: plain((info) => info.connection.id),
  REQUESTED_SERVER_NAME: plain((info) => nonEmpty(info.connection.requestedServerName)),
  FILTER_CHAIN_NAME: plain((info) => nonEmpty(info.connection.filterChainName)),
  DOWNSTREAM_TLS_VERSION: plain((info) => info.connection.tls?.version),
  DOWNSTREAM_TLS_CIPHER: plain((info) => nonEmpty(info.connection.tls?.cipher)),
  DOWNSTREAM_TLS_SESSION_ID: plain(() => undefined),
  DOWNSTREAM_PEER_URI_SAN: plain(downstreamPeer((peer) => peer.uriSans.join(','))),
  DOWNSTREAM_PEER_DNS_SAN: plain(downstreamPeer((peer) => peer.dnsSans.join(','))),
  DOWNSTREAM_PEER_IP_SAN: plain(downstreamPeer((peer) => peer.ipSans.join(','))),
  DOWNSTREAM_PEER_EMAIL_SAN: plain(downstreamPeer((peer) => peer.emailSans.join(','))),
  DOWNSTREAM_PEER_SUBJECT: plain(downstreamPeer((peer) => peer.subject)),
  DOWNSTREAM_PEER_ISSUER: plain(downstreamPeer((peer) => peer.issuer)),
  DOWNSTREAM_PEER_SERIAL: plain(downstreamPeer((peer) => peer.serial)),
  DOWNSTREAM_PEER_FINGERPRINT_256: plain(downstreamPeer((peer) => peer.sha256)),
  DOWNSTREAM_PEER_CERT: plain(downstreamPeer((peer) => peer.pem())),
  DOWNSTREAM_PEER_CERT_V_START: validity(
    (peer) => peer.validFrom,
    (info) => info.connection.tls?.peer,
  ),
  DOWNSTREAM_PEER_CERT_V_END: validity(
    (peer) => peer.validTo,
    (info) => info.connection.tls?.peer,
  ),
  DOWNSTREAM_LOCAL_URI_SAN: plain((info) => nonEmpty(info.connection.tls?.localUriSans.join(','))),
  DOWNSTREAM_LOCAL_DNS_SAN: plain((info) => nonEmpty(info.connection.tls?.localDnsSans.join(','))),
  DOWNSTREAM_LOCAL_SUBJECT: plain((info) => nonEmpty(info.connection.tls?.localSubject)),
  UPSTREAM_TLS_VERSION: plain((info) => info.upstreamConnection?.tls?.version),
  UPSTREAM_TLS_CIPHER: plain((info) => info.upstreamConnection?.tls?.cipher),
  UPSTREAM_PEER_URI_SAN: plain(upstreamPeer((peer) => peer.uriSans.join(','))),
  UPSTREAM_PEER_DNS_SAN: plain(upstreamPeer((peer) => peer.dnsSans.join(','))),
  UPSTREAM_PEER_SUBJECT: plain(upstreamPeer((peer) => peer.subject)),
  UPSTREAM_PEER_ISSUER: plain(upstreamPeer((peer) => peer.issuer)),
  UPSTREAM_PEER_CERT: plain(upstreamPeer((peer) => peer.pem())),
  GRPC_STATUS: (argument) => grpcStatus(argument),
  GRPC_STATUS_NUMBER: plain((info) => grpcStatusNumber(info)),
  TRACE_ID: plain((info) => nonEmpty(info.traceId)),
  STREAM_ID: plain((info) => nonEmpty(info.requestId)),
  UNIQUE_ID: plain(() => crypto.randomUUID()),
  HOSTNAME: plain(() => process.env.HOSTNAME),
  ENVIRONMENT: environment,
  DYNAMIC_METADATA: (argument) => metadataOperator(argument, (info, ns) => info.dynamicMetadata?.get(ns)),
  CLUSTER_METADATA: (argument) => metadataOperator(argument, (info, ns) => info.clusterMetadata?.get(ns)),
  UPSTREAM_METADATA: (argument) =>
    metadataOperator(argument, (info, ns) => info.upstreamHost?.description.metadata.get(ns)),
  METADATA(argument) {
    const [kind, ...rest] = (argument ?? '').split(':');
    const of = METADATA_KINDS[kind];
    if (!of) throw new Error(`takes one of ${Object.keys(METADATA_KINDS).join(', ')}`);
    return metadataOperator(rest.join(':'), of);
  },
  FILTER_STATE: filterState,
  UPSTREAM_FILTER_STATE: filterState,
  LOCAL_REPLY_BODY: plain((info) => info.localReplyBody),
};

const METADATA_KINDS: Readonly<Record<string, (info: StreamInfo, namespace: string) => unknown>> = {
  DYNAMIC: (info, ns) => info.dynamicMetadata?.get(ns),
  CLUSTER: (info, ns) => info.clusterMetadata?.get(ns),
  ROUTE: (info, ns) => info.routeMetadata?.get(ns),
  UPSTREAM_HOST: (info, ns) => info.upstreamHost?.description.metadata.get(ns),
};

function pathOperator(argument: string | undefined): Operator {
  const [query, which] = (argument ?? '').split(':');
  if (query !== '' && query !== 'WQ' && query !== 'NQ') throw new Error('takes WQ or NQ first');
  return (info) => {
    const headers = info.requestHeaders;
    const original = headers?.get('x-envoy-original-path');
    let path = headers?.path;
    if (which === 'ORIG') path = original;
    else if (which === 'ORIG_OR_PATH' || which === undefined) path = original ?? path;
    return asText(query === 'NQ' ? path?.replace(/\?.*$/s, '') : path);
  };
}

const GRPC_NAMES = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
];

const GRPC_SNAKE = GRPC_NAMES.map((name) => name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase());

function grpcStatusNumber(info: StreamInfo): number | undefined {
  const value = info.responseTrailers?.get('grpc-status') ?? info.responseHeaders?.get('grpc-status');
  return value === undefined || !/^\d+$/.test(value) ? undefined : Number(value);
}

function grpcStatus(argument: string | undefined): Operator {
  const names =
    argument === undefined || argument === 'CAMEL_STRING' ? GRPC_NAMES : argument === 'SNAKE_STRING' ? GRPC_SNAKE : [];
  if (argument !== undefined && names.length === 0 && argument !== 'NUMBER')
    throw new Error('takes CAMEL_STRING, SNAKE_STRING or NUMBER');
  return (info) => {
    const status = grpcStatusNumber(info);
    return status === undefined ? undefined : (names[status] ?? String(status));
  };
}
