import crypto from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { AnySchema, type Duration, DurationSchema, StringValueSchema, TimestampSchema } from '@bufbuild/protobuf/wkt';
import { type Address, AddressSchema } from '../../../api/gen/envoy/config/core/v3/address_pb.ts';
import { MetadataSchema, RequestMethod } from '../../../api/gen/envoy/config/core/v3/base_pb.ts';
import {
  type AccessLogCommon,
  AccessLogCommonSchema,
  AccessLogType,
  HTTPAccessLogEntrySchema,
  HTTPAccessLogEntry_HTTPVersion as HttpVersion,
  ResponseFlags_Unauthorized_Reason,
  ResponseFlagsSchema,
  TCPAccessLogEntrySchema,
  TLSPropertiesSchema,
  TLSProperties_TLSVersion as TlsVersion,
} from '../../../api/gen/envoy/data/accesslog/v3/accesslog_pb.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { SocketAddress, TlsInfo } from '../../net/connection.ts';
import { ResponseFlag } from '../response-flags.ts';
import type { StreamInfo } from '../stream-info.ts';
import type { CustomTag } from '../tracing/custom-tags.ts';

/** What entries tell besides what all tell. */
export interface EntryContents {
  readonly filterState: readonly string[];
  readonly tags: readonly CustomTag[];
  /** Lower-case names of headers. */
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly responseTrailers: readonly string[];
}

/** The account of an exchange as `envoy.data.accesslog.v3.HTTPAccessLogEntry`, in bytes. */
export function httpEntry(info: StreamInfo, contents: EntryContents): Uint8Array {
  const request = info.requestHeaders;
  const entry = create(HTTPAccessLogEntrySchema, {
    commonProperties: common(info, contents, AccessLogType[info.logType]),
    protocolVersion: VERSIONS[info.protocol] ?? HttpVersion.PROTOCOL_UNSPECIFIED,
    request:
      request === undefined
        ? {}
        : {
            requestMethod:
              RequestMethod[request.method as keyof typeof RequestMethod] ?? RequestMethod.METHOD_UNSPECIFIED,
            scheme: request.scheme,
            authority: request.authority,
            path: request.path,
            userAgent: request.get('user-agent') ?? '',
            referer: request.get('referer') ?? '',
            forwardedFor: request.get('x-forwarded-for') ?? '',
            requestId: request.get('x-request-id') ?? '',
            originalPath: request.get('x-envoy-original-path') ?? '',
            requestHeadersBytes: BigInt(request.byteSize()),
            requestBodyBytes: BigInt(info.bytesReceived),
            requestHeaders: chosen(request, contents.requestHeaders),
          },
    response: {
      ...(info.responseCode > 0 ? { responseCode: info.responseCode } : {}),
      responseHeadersBytes: BigInt(info.responseHeaders?.byteSize() ?? 0),
      responseBodyBytes: BigInt(info.bytesSent),
      responseHeaders: chosen(info.responseHeaders, contents.responseHeaders),
      responseTrailers: chosen(info.responseTrailers, contents.responseTrailers),
      responseCodeDetails: info.responseCodeDetails,
    },
  });
  return toBinary(HTTPAccessLogEntrySchema, entry);
}

/** The account of a connection as `envoy.data.accesslog.v3.TCPAccessLogEntry`, in bytes. */
export function tcpEntry(info: StreamInfo, contents: EntryContents): Uint8Array {
  const entry = create(TCPAccessLogEntrySchema, {
    commonProperties: common(info, contents, AccessLogType.TcpConnectionEnd),
    connectionProperties: { receivedBytes: BigInt(info.bytesReceived), sentBytes: BigInt(info.bytesSent) },
  });
  return toBinary(TCPAccessLogEntrySchema, entry);
}

const VERSIONS: Readonly<Record<string, HttpVersion>> = {
  'HTTP/1.0': HttpVersion.HTTP10,
  'HTTP/1.1': HttpVersion.HTTP11,
  'HTTP/2': HttpVersion.HTTP2,
};

function common(info: StreamInfo, { filterState, tags }: EntryContents, accessLogType: AccessLogType): AccessLogCommon {
  const { connection, start, upstreamConnection } = info;
  const since = (time: number) => (time < 0 ? undefined : durationOf(time - start));
  return create(AccessLogCommonSchema, {
    downstreamRemoteAddress: addressOf(info.remoteAddress),
    downstreamLocalAddress: addressOf(connection.local),
    downstreamDirectRemoteAddress: addressOf(connection.directRemote),
    tlsProperties: connection.tls && tlsOf(connection.tls),
    startTime: create(TimestampSchema, {
      seconds: BigInt(Math.floor(info.startTime / 1000)),
      nanos: Math.round((info.startTime % 1000) * 1e6),
    }),
    timeToLastRxByte: since(info.lastRequestByte),
    timeToFirstUpstreamTxByte: since(info.firstUpstreamByteSent),
    timeToLastUpstreamTxByte: since(info.lastUpstreamByteSent),
    timeToFirstUpstreamRxByte: since(info.firstUpstreamByteReceived),
    timeToLastUpstreamRxByte: since(info.lastUpstreamByteReceived),
    timeToFirstDownstreamTxByte: since(info.firstResponseByte),
    timeToLastDownstreamTxByte: info.firstResponseByte < 0 ? undefined : since(info.end),
    duration: since(info.end),
    upstreamRemoteAddress: info.upstreamHost && addressOf(info.upstreamHost.address),
    upstreamLocalAddress: upstreamConnection && addressOf(upstreamConnection.local),
    upstreamCluster: info.upstreamCluster,
    responseFlags: flagsOf(info.flags),
    metadata:
      info.dynamicMetadata &&
      create(MetadataSchema, { filterMetadata: Object.fromEntries(info.dynamicMetadata) as never }),
    upstreamTransportFailureReason: info.upstreamTransportFailure,
    downstreamTransportFailureReason: info.downstreamTransportFailure,
    routeName: info.routeName,
    filterStateObjects: filterStateOf(info, filterState),
    customTags: Object.fromEntries(
      tags.map(({ name, value }) => [name, value(info)]).filter(([, value]) => value !== ''),
    ),
    upstreamRequestAttemptCount: info.attemptCount,
    connectionTerminationDetails: info.connectionTerminationDetails,
    // Connections have no id of their own that anybody else could know.
    streamId: info.requestId || (accessLogType === AccessLogType.TcpConnectionEnd ? crypto.randomUUID() : ''),
    accessLogType,
  });
}

function durationOf(ms: number): Duration {
  const seconds = Math.floor(ms / 1000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) });
}

function addressOf({ address, port, family }: SocketAddress): Address {
  return create(AddressSchema, {
    address:
      family === 0
        ? { case: 'pipe', value: { path: address } }
        : { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } },
  });
}

const TLS_VERSIONS: Readonly<Record<string, TlsVersion>> = {
  TLSv1: TlsVersion.TLSv1,
  'TLSv1.1': TlsVersion.TLSv1_1,
  'TLSv1.2': TlsVersion.TLSv1_2,
  'TLSv1.3': TlsVersion.TLSv1_3,
};

function tlsOf({ version, sni, peer, localUriSans, localDnsSans, localSubject }: TlsInfo) {
  const names = (uris: readonly string[], dnsNames: readonly string[]) => [
    ...uris.map((value) => ({ san: { case: 'uri' as const, value } })),
    ...dnsNames.map((value) => ({ san: { case: 'dns' as const, value } })),
  ];
  return create(TLSPropertiesSchema, {
    tlsVersion: TLS_VERSIONS[version] ?? TlsVersion.VERSION_UNSPECIFIED,
    tlsSniHostname: sni,
    localCertificateProperties: { subjectAltName: names(localUriSans, localDnsSans), subject: localSubject },
    peerCertificateProperties: peer && {
      subjectAltName: names(peer.uriSans, peer.dnsSans),
      subject: peer.subject,
      issuer: peer.issuer,
    },
  });
}

function flagsOf(flags: number) {
  if (flags === 0) return undefined;
  const has = (flag: number) => (flags & flag) !== 0;
  return create(ResponseFlagsSchema, {
    failedLocalHealthcheck: has(ResponseFlag.FailedLocalHealthCheck),
    noHealthyUpstream: has(ResponseFlag.NoHealthyUpstream),
    upstreamRequestTimeout: has(ResponseFlag.UpstreamRequestTimeout),
    localReset: has(ResponseFlag.LocalReset),
    upstreamRemoteReset: has(ResponseFlag.UpstreamRemoteReset),
    upstreamConnectionFailure: has(ResponseFlag.UpstreamConnectionFailure),
    upstreamConnectionTermination: has(ResponseFlag.UpstreamConnectionTermination),
    upstreamOverflow: has(ResponseFlag.UpstreamOverflow),
    noRouteFound: has(ResponseFlag.NoRouteFound),
    delayInjected: has(ResponseFlag.DelayInjected),
    faultInjected: has(ResponseFlag.FaultInjected),
    rateLimited: has(ResponseFlag.RateLimited),
    unauthorizedDetails: has(ResponseFlag.UnauthorizedExternalService)
      ? { reason: ResponseFlags_Unauthorized_Reason.EXTERNAL_SERVICE }
      : undefined,
    rateLimitServiceError: has(ResponseFlag.RateLimitServiceError),
    downstreamConnectionTermination: has(ResponseFlag.DownstreamConnectionTermination),
    upstreamRetryLimitExceeded: has(ResponseFlag.UpstreamRetryLimitExceeded),
    streamIdleTimeout: has(ResponseFlag.StreamIdleTimeout),
    invalidEnvoyRequestHeaders: has(ResponseFlag.InvalidEnvoyRequestHeaders),
    downstreamProtocolError: has(ResponseFlag.DownstreamProtocolError),
    upstreamMaxStreamDurationReached: has(ResponseFlag.UpstreamMaxStreamDurationReached),
    responseFromCacheFilter: has(ResponseFlag.ResponseFromCacheFilter),
    noFilterConfigFound: has(ResponseFlag.NoFilterConfigFound),
    durationTimeout: has(ResponseFlag.DurationTimeout),
    upstreamProtocolError: has(ResponseFlag.UpstreamProtocolError),
    noClusterFound: has(ResponseFlag.NoClusterFound),
    overloadManager: has(ResponseFlag.OverloadManager),
    dnsResolutionFailure: has(ResponseFlag.DnsResolutionFailed),
    downstreamRemoteReset: has(ResponseFlag.DownstreamRemoteReset),
  });
}

/** Objects that are texts; others have no form in which they could be told. */
function filterStateOf(info: StreamInfo, names: readonly string[]) {
  const objects: Record<string, ReturnType<typeof textObject>> = {};
  for (const name of names) {
    const value = info.getFilterState(name);
    if (typeof value === 'string') objects[name] = textObject(value);
  }
  return objects;
}

function textObject(value: string) {
  return create(AnySchema, {
    typeUrl: `type.googleapis.com/${StringValueSchema.typeName}`,
    value: toBinary(StringValueSchema, create(StringValueSchema, { value })),
  });
}

function chosen(headers: Headers | undefined, names: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = headers?.getJoined(name);
    if (value !== undefined) found[name] = value;
  }
  return found;
}
