import { fromBinary } from '@bufbuild/protobuf';
import {
  Cluster_ClusterProtocolSelection,
  type Cluster as ClusterProto,
} from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import type { HttpProtocolOptions as CommonOptions } from '../../api/gen/envoy/config/core/v3/protocol_pb.ts';
import { HttpProtocolOptionsSchema } from '../../api/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts';
import type { Http1Options } from '../../wire/http1/head.ts';
import type { Http2Options } from '../../wire/http2/options.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { checkSupported } from '../config/supported.ts';
import { durationMs } from '../config/values.ts';
import { DEFAULT_HEAD_LIMITS, http1Options, http2Options } from '../http/protocol-options.ts';
import { SUPPORTED } from './supported.ts';

/** Which protocol a cluster speaks, and on what that depends. */
export type UpstreamProtocol =
  /** `explicit_http_config`, and HTTP/1 where nothing is said. */
  | { readonly kind: 'http1' }
  | { readonly kind: 'http2' }
  /** `use_downstream_protocol_config`. */
  | { readonly kind: 'downstream' }
  /** `auto_config`: what ALPN settles. */
  | { readonly kind: 'auto' };

/** How a cluster speaks HTTP. Times in milliseconds, 0 for none. */
export interface HttpConfig {
  readonly protocol: UpstreamProtocol;
  readonly http1: Http1Options;
  readonly http2: Http2Options;
  readonly http2Keepalive: Http2Keepalive | undefined;
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxStreamDurationMs: number;
  readonly maxRequestsPerConnection: number;
  /** `upstream_http_protocol_options` is set. */
  readonly namesGiven: boolean;
  readonly autoSni: boolean;
  readonly autoSanValidation: boolean;
  /** `override_auto_sni_header`: header to take the SNI from instead of the host; empty for none. */
  readonly autoSniHeader: string;
}

/** `connection_keepalive`. Times in milliseconds. */
export interface Http2Keepalive {
  /** 0: no pings at intervals. */
  readonly interval: number;
  readonly timeout: number;
  /** Percent of the interval. */
  readonly jitterPercent: number;
  /** A connection that was idle for this long is asked before it is used; 0 for never. */
  readonly idleInterval: number;
}

const HTTP_OPTIONS_KEY = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const DEFAULT_JITTER_PERCENT = 15;
const HOUR = 3_600_000;

interface Parts {
  readonly protocol: UpstreamProtocol;
  readonly common: CommonOptions | undefined;
  readonly upstream: ClusterProto['upstreamHttpProtocolOptions'];
  readonly http1: Parameters<typeof http1Options>[0];
  readonly http2: Parameters<typeof http2Options>[0];
  readonly at: ConfigErrors;
}

/** The options of today (typed_extension_protocol_options) and those of before, which mean the same. */
export function httpConfig(
  proto: ClusterProto,
  bufferLimit: number,
  now: () => number,
  errors: ConfigErrors,
): HttpConfig {
  const any = proto.typedExtensionProtocolOptions[HTTP_OPTIONS_KEY];
  for (const key of Object.keys(proto.typedExtensionProtocolOptions)) {
    if (key === HTTP_OPTIONS_KEY) continue;
    errors.at('typed_extension_protocol_options').at(`["${key}"]`).add('', 'is not supported');
  }
  const { protocol, common, upstream, http1, http2, at } =
    any === undefined
      ? legacyParts(proto, errors)
      : typedParts(any.value, errors.at('typed_extension_protocol_options').at(`["${HTTP_OPTIONS_KEY}"]`));
  const limits = {
    ...DEFAULT_HEAD_LIMITS,
    maxHeaderCount: common?.maxHeadersCount ?? DEFAULT_HEAD_LIMITS.maxHeaderCount,
  };
  return {
    protocol,
    http1: http1Options(http1, limits, at),
    http2: http2Options(http2, limits, bufferLimit, now),
    http2Keepalive: keepaliveOf(http2),
    idleTimeoutMs: durationMs(common?.idleTimeout, HOUR),
    maxConnectionDurationMs: durationMs(common?.maxConnectionDuration, 0),
    maxStreamDurationMs: durationMs(common?.maxStreamDuration, 0),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? proto.maxRequestsPerConnection ?? 0,
    namesGiven: upstream !== undefined,
    autoSni: upstream?.autoSni ?? false,
    autoSanValidation: upstream?.autoSanValidation ?? false,
    autoSniHeader: (upstream?.overrideAutoSniHeader ?? '').toLowerCase(),
  };
}

function legacyParts(proto: ClusterProto, errors: ConfigErrors): Parts {
  const followsDownstream = proto.protocolSelection === Cluster_ClusterProtocolSelection.USE_DOWNSTREAM_PROTOCOL;
  return {
    protocol: { kind: followsDownstream ? 'downstream' : proto.http2ProtocolOptions ? 'http2' : 'http1' },
    common: proto.commonHttpProtocolOptions,
    upstream: proto.upstreamHttpProtocolOptions,
    http1: proto.httpProtocolOptions,
    http2: proto.http2ProtocolOptions,
    at: errors.at('http_protocol_options'),
  };
}

function typedParts(bytes: Uint8Array, at: ConfigErrors): Parts {
  const options = fromBinary(HttpProtocolOptionsSchema, bytes);
  checkSupported(HttpProtocolOptionsSchema, options, SUPPORTED, at);
  if (options.httpFilters.length > 0) {
    // The codec filter is what every upstream chain ends in; others would change requests.
    const last = options.httpFilters.length === 1 ? options.httpFilters[0] : undefined;
    if (last?.name !== 'envoy.filters.http.upstream_codec') at.add('http_filters', 'are not supported');
  }
  const parts = {
    common: options.commonHttpProtocolOptions,
    upstream: options.upstreamHttpProtocolOptions,
    http1: undefined as Parts['http1'],
    http2: undefined as Parts['http2'],
    at,
  };
  const given = options.upstreamProtocolOptions;
  switch (given.case) {
    case 'explicitHttpConfig': {
      const explicit = given.value.protocolConfig;
      if (explicit.case === 'http2ProtocolOptions')
        return { ...parts, protocol: { kind: 'http2' }, http2: explicit.value };
      if (explicit.case === 'httpProtocolOptions')
        return { ...parts, protocol: { kind: 'http1' }, http1: explicit.value };
      at.add('explicit_http_config', 'only HTTP/1 and HTTP/2 are supported');
      return { ...parts, protocol: { kind: 'http1' } };
    }
    case 'useDownstreamProtocolConfig':
    case 'autoConfig': {
      const { httpProtocolOptions: http1, http2ProtocolOptions: http2 } = given.value;
      return { ...parts, protocol: { kind: given.case === 'autoConfig' ? 'auto' : 'downstream' }, http1, http2 };
    }
    // Without one of them it has been refused already.
    default:
      return { ...parts, protocol: { kind: 'http1' } };
  }
}

function keepaliveOf(http2: Parts['http2']): Http2Keepalive | undefined {
  const settings = http2?.connectionKeepalive;
  const interval = durationMs(settings?.interval, 0);
  const idleInterval = durationMs(settings?.connectionIdleInterval, 0);
  if (interval === 0 && idleInterval === 0) return undefined;
  return {
    interval,
    idleInterval,
    timeout: durationMs(settings?.timeout, 20_000),
    jitterPercent: settings?.intervalJitter?.value ?? DEFAULT_JITTER_PERCENT,
  };
}
