import { HttpProtocolOptions_HeadersWithUnderscoresAction as Underscores } from '../../api/gen/envoy/config/core/v3/protocol_pb.ts';
import type {
  HttpConnectionManager_SetCurrentClientCertDetails as CertDetails,
  HttpConnectionManager as Proto,
} from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import {
  HttpConnectionManager_CodecType as CodecType,
  HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes,
  HttpConnectionManager_ForwardClientCertDetails as ForwardCert,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
} from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import { type CidrSet, cidrSet } from '../../base/cidr.ts';
import type { Http1Options } from '../../wire/http1/head.ts';
import type { Http2Options } from '../../wire/http2/options.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { durationMs } from '../config/values.ts';
import type { NodeIdentity } from '../context.ts';
import type { AccessLog } from '../observe/access-log/access-log.ts';
import type { TracingConfig } from '../observe/tracing/config.ts';
import type { HeaderEdits } from '../router/header-edits.ts';
import { earlyEdits } from './early-edits.ts';
import type { HttpFilterFactory } from './filter.ts';
import type { LocalReplyMapper } from './local-reply-config.ts';
import { type AddressDetector, addressDetectors } from './original-address.ts';
import { http1Options, http2Options } from './protocol-options.ts';
import { type ProxyStatus, proxyStatus } from './proxy-status.ts';
import type { RouteProvider } from './route-provider.ts';
import type { HttpConnectionManagerStats, ListenerResponseStats } from './stats.ts';
import type { LogOccasions } from './stream-logs.ts';

/** A filter of the chain with the name that per-route configuration goes by. */
export interface NamedFilter {
  readonly name: string;
  readonly factory: HttpFilterFactory;
  /** Off unless a route switches it on. */
  readonly disabled: boolean;
}

export type ForwardClientCert = 'sanitize' | 'forward-only' | 'append-forward' | 'sanitize-set' | 'always-forward-only';

/** What the HTTP of a listener's filter chain is: everything that was decided when the configuration came. */
export interface HcmConfig {
  readonly statPrefix: string;
  readonly stats: HttpConnectionManagerStats;
  /** Responses by class once more, under the listener's name. */
  readonly listenerStats: ListenerResponseStats;
  readonly codec: 'auto' | 'http1' | 'http2';
  readonly routes: RouteProvider;
  readonly filters: readonly NamedFilter[];
  /** Filter chains of upgrades that have one of their own, by lower-case type. */
  readonly upgrades: ReadonlyMap<
    string,
    { readonly enabled: boolean; readonly filters: readonly NamedFilter[] | undefined }
  >;
  readonly accessLogs: readonly AccessLog[];
  readonly logOccasions: LogOccasions;
  readonly http1: Http1Options;
  readonly http2: Http2Options;
  readonly serverName: string;
  readonly serverHeader: 'overwrite' | 'append-if-absent' | 'pass-through';
  readonly schemeOverwrite: string;
  /** `scheme_header_transformation.match_upstream` */
  readonly schemeOfUpstream: boolean;
  readonly via: string;
  readonly userAgent: boolean;
  readonly useRemoteAddress: boolean;
  readonly trustedHops: number;
  readonly skipXffAppend: boolean;
  readonly internalAddresses: CidrSet;
  /** `original_ip_detection_extensions`; without any, x-forwarded-for tells. */
  readonly detectors: readonly AddressDetector[];
  /** `early_header_mutation_extensions`. */
  readonly earlyEdits: readonly HeaderEdits[];
  readonly proxyStatus: ProxyStatus | undefined;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  readonly forwardClientCert: ForwardClientCert;
  readonly clientCertDetails: CertDetails | undefined;
  readonly proxy100Continue: boolean;
  readonly appendForwardedPort: boolean;
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: 'keep' | 'reject' | 'redirect' | 'forward';
  readonly stripMatchingPort: boolean;
  readonly stripAnyPort: boolean;
  readonly stripTrailingDot: boolean;
  readonly underscores: 'allow' | 'reject' | 'drop';
  /** Times in milliseconds, 0 for none. */
  readonly idleTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly maxStreamDurationMs: number;
  readonly maxConnectionDurationMs: number;
  readonly drainTimeoutMs: number;
  readonly delayedCloseMs: number;
  readonly maxRequestsPerConnection: number;
  readonly bufferLimit: number;
  readonly localReplies: LocalReplyMapper;
  /** Undefined without `tracing`; with it, operation names travel from proxy to proxy, and maybe spans. */
  readonly tracing: TracingConfig | undefined;
  readonly direction: 'inbound' | 'outbound' | 'unspecified';
  /** Connections end while the server is told to fail health checks. */
  readonly drainsWhenUnhealthy: boolean;
  /** This proxy, as it names itself to others. */
  readonly node: NodeIdentity;
}

const CODECS: Readonly<Record<number, HcmConfig['codec']>> = {
  [CodecType.AUTO]: 'auto',
  [CodecType.HTTP1]: 'http1',
  [CodecType.HTTP2]: 'http2',
};

const SERVER_HEADERS: Readonly<Record<ServerHeader, HcmConfig['serverHeader']>> = {
  [ServerHeader.OVERWRITE]: 'overwrite',
  [ServerHeader.APPEND_IF_ABSENT]: 'append-if-absent',
  [ServerHeader.PASS_THROUGH]: 'pass-through',
};

const FORWARD_CERT: Readonly<Record<ForwardCert, ForwardClientCert>> = {
  [ForwardCert.SANITIZE]: 'sanitize',
  [ForwardCert.FORWARD_ONLY]: 'forward-only',
  [ForwardCert.APPEND_FORWARD]: 'append-forward',
  [ForwardCert.SANITIZE_SET]: 'sanitize-set',
  [ForwardCert.ALWAYS_FORWARD_ONLY]: 'always-forward-only',
};

const ESCAPED_SLASHES: Readonly<Record<EscapedSlashes, HcmConfig['escapedSlashes']>> = {
  [EscapedSlashes.IMPLEMENTATION_SPECIFIC_DEFAULT]: 'keep',
  [EscapedSlashes.KEEP_UNCHANGED]: 'keep',
  [EscapedSlashes.REJECT_REQUEST]: 'reject',
  [EscapedSlashes.UNESCAPE_AND_REDIRECT]: 'redirect',
  [EscapedSlashes.UNESCAPE_AND_FORWARD]: 'forward',
};

const UNDERSCORES: Readonly<Record<Underscores, HcmConfig['underscores']>> = {
  [Underscores.ALLOW]: 'allow',
  [Underscores.REJECT_REQUEST]: 'reject',
  [Underscores.DROP_HEADER]: 'drop',
};

type Built = Pick<
  HcmConfig,
  | 'stats'
  | 'listenerStats'
  | 'routes'
  | 'filters'
  | 'upgrades'
  | 'accessLogs'
  | 'localReplies'
  | 'bufferLimit'
  | 'direction'
  | 'drainsWhenUnhealthy'
  | 'node'
  | 'tracing'
>;

/** Reads the plain fields of an HttpConnectionManager; what is built of other parts comes ready in `built`. */
export function hcmConfig(proto: Proto, built: Built, now: () => number, errors: ConfigErrors): HcmConfig {
  const common = proto.commonHttpProtocolOptions;
  const limits = {
    maxHeadBytes: (proto.maxRequestHeadersKb ?? 60) * 1024,
    maxHeaderCount: common?.maxHeadersCount ?? 100,
  };
  const codec = CODECS[proto.codecType];
  if (proto.stripMatchingHostPort && proto.stripPortMode.case !== undefined) {
    errors.add('strip_matching_host_port', 'only one of it and strip_any_host_port may be set');
  }
  if (codec === undefined) errors.add('codec_type', 'only AUTO, HTTP1 and HTTP2 are supported');
  const transformation = proto.schemeHeaderTransformation;
  const streamErrors = proto.streamErrorOnInvalidHttpMessage;
  const http1 = http1Options(proto.httpProtocolOptions, limits, errors.at('http_protocol_options'));
  const underscores = UNDERSCORES[common?.headersWithUnderscoresAction ?? Underscores.ALLOW];
  const http2 = { ...http2Options(proto.http2ProtocolOptions, limits, built.bufferLimit, now), underscores };
  return {
    ...built,
    statPrefix: proto.statPrefix,
    codec: codec ?? 'auto',
    http1: streamErrors === undefined ? http1 : { ...http1, streamErrorOnInvalidMessage: streamErrors },
    http2: streamErrors === undefined ? http2 : { ...http2, streamErrorOnInvalidMessage: streamErrors },
    serverName: proto.serverName || 'envoy',
    serverHeader: SERVER_HEADERS[proto.serverHeaderTransformation],
    schemeOverwrite:
      transformation?.transformation.case === 'schemeToOverwrite' ? transformation.transformation.value : '',
    schemeOfUpstream: transformation?.matchUpstream ?? false,
    via: proto.via,
    userAgent: proto.addUserAgent ?? false,
    useRemoteAddress: proto.useRemoteAddress ?? false,
    trustedHops: proto.xffNumTrustedHops,
    skipXffAppend: proto.skipXffAppend,
    detectors: detectors(proto, errors),
    earlyEdits: earlyEdits(proto.earlyHeaderMutationExtensions, errors.at('early_header_mutation_extensions')),
    logOccasions: logOccasions(proto, errors),
    proxyStatus:
      proto.proxyStatusConfig && proxyStatus(proto.proxyStatusConfig, built.node, proto.serverName || 'envoy'),
    internalAddresses: cidrSet(
      (proto.internalAddressConfig?.cidrRanges ?? []).map((r) => ({
        address: r.addressPrefix,
        length: r.prefixLen ?? 0,
      })),
    ),
    generateRequestId: proto.generateRequestId ?? true,
    preserveExternalRequestId: proto.preserveExternalRequestId,
    alwaysSetRequestIdInResponse: proto.alwaysSetRequestIdInResponse,
    forwardClientCert: FORWARD_CERT[proto.forwardClientCertDetails],
    clientCertDetails: proto.setCurrentClientCertDetails,
    proxy100Continue: proto.proxy100Continue,
    appendForwardedPort: proto.appendXForwardedPort,
    normalizePath: proto.normalizePath ?? false,
    mergeSlashes: proto.mergeSlashes,
    escapedSlashes: ESCAPED_SLASHES[proto.pathWithEscapedSlashesAction],
    stripMatchingPort: proto.stripMatchingHostPort,
    stripAnyPort: proto.stripPortMode.case === 'stripAnyHostPort' && proto.stripPortMode.value,
    stripTrailingDot: proto.stripTrailingHostDot,
    underscores,
    idleTimeoutMs: durationMs(common?.idleTimeout, 3_600_000),
    streamIdleTimeoutMs: durationMs(proto.streamIdleTimeout, 300_000),
    requestTimeoutMs: durationMs(proto.requestTimeout, 0),
    requestHeadersTimeoutMs: durationMs(proto.requestHeadersTimeout, 0),
    maxStreamDurationMs: durationMs(common?.maxStreamDuration, 0),
    maxConnectionDurationMs: durationMs(common?.maxConnectionDuration, 0),
    drainTimeoutMs: durationMs(proto.drainTimeout, 5000),
    delayedCloseMs: durationMs(proto.delayedCloseTimeout, 1000),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
  };
}

function detectors(proto: Proto, errors: ConfigErrors): readonly AddressDetector[] {
  const field = 'original_ip_detection_extensions';
  if (proto.originalIpDetectionExtensions.length > 0) {
    if (proto.useRemoteAddress) errors.add(field, 'may not be mixed with use_remote_address');
    if (proto.xffNumTrustedHops > 0) errors.add(field, 'may not be mixed with xff_num_trusted_hops');
  }
  return addressDetectors(proto.originalIpDetectionExtensions, errors.at(field));
}

function logOccasions(proto: Proto, errors: ConfigErrors): LogOccasions {
  const options = proto.accessLogOptions;
  if (options !== undefined) {
    if (proto.accessLogFlushInterval)
      errors.add('access_log_flush_interval', 'may not be set beside access_log_options');
    if (proto.flushAccessLogOnNewRequest) {
      errors.add('flush_access_log_on_new_request', 'may not be set beside access_log_options');
    }
  }
  const interval = options ? options.accessLogFlushInterval : proto.accessLogFlushInterval;
  return {
    onNewRequest: options ? options.flushAccessLogOnNewRequest : proto.flushAccessLogOnNewRequest,
    intervalMs: interval ? Math.max(1, durationMs(interval, 0)) : 0,
    onTunnelEstablished: options?.flushLogOnTunnelSuccessfullyEstablished ?? false,
  };
}
