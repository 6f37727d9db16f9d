import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Cluster } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import {
  type Http1ProtocolOptionsSchema,
  Http2ProtocolOptionsSchema,
} from '../../api/gen/envoy/config/core/v3/protocol_pb.ts';
import {
  type HttpProtocolOptions,
  HttpProtocolOptionsSchema,
} from '../../api/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts';
import { PRESERVE_CASE } from '../http/header-case.ts';
import { pack } from '../proto/any.ts';

/** Key of a cluster's HTTP settings. */
const HTTP_PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Settings of HTTP/2 that a policy makes. */
export type Http2Settings = Pick<
  MessageInitShape<typeof Http2ProtocolOptionsSchema> & object,
  'maxConcurrentStreams' | 'connectionKeepalive'
>;

/** A cluster while it is built: its HTTP settings are packed when all of them are known. */
export class ClusterDraft {
  readonly cluster: Cluster;
  readonly preservesCase: boolean;
  #http: HttpProtocolOptions | undefined;
  #http2: Http2Settings = {};

  /** `preservesCase`: names of HTTP/1.1 headers go on as they came. */
  constructor(cluster: Cluster, preservesCase = false) {
    this.cluster = cluster;
    this.preservesCase = preservesCase;
  }

  /** The HTTP settings, made if there are none yet. */
  get http(): HttpProtocolOptions {
    this.#http ??= create(HttpProtocolOptionsSchema);
    return this.#http;
  }

  /** Whether anything has been said of HTTP. */
  get hasHttp(): boolean {
    return this.#http !== undefined;
  }

  /** Whether SNI and the names that a certificate may have are each request's host. */
  get namesFollowRequests(): boolean {
    const options = this.#http?.upstreamHttpProtocolOptions;
    return options?.autoSni === true && options.autoSanValidation;
  }

  get isHttp2(): boolean {
    return this.#explicit === 'http2ProtocolOptions';
  }

  get isHttp1(): boolean {
    return this.#explicit === 'httpProtocolOptions';
  }

  /** The protocol that is spoken whatever the client speaks; undefined if none was decided on. */
  get #explicit() {
    const options = this.#http?.upstreamProtocolOptions;
    return options?.case === 'explicitHttpConfig' ? options.value.protocolConfig.case : undefined;
  }

  /** Speaks HTTP/2 to the upstream, unless it was decided that the client chooses. */
  useHttp2(): void {
    if (this.isHttp2 || this.#http?.upstreamProtocolOptions.case === 'useDownstreamProtocolConfig') return;
    this.http.upstreamProtocolOptions = create(HttpProtocolOptionsSchema, {
      upstreamProtocolOptions: {
        case: 'explicitHttpConfig',
        value: { protocolConfig: { case: 'http2ProtocolOptions', value: {} } },
      },
    }).upstreamProtocolOptions;
  }

  /** Speaks to the upstream what the client speaks. */
  useClientProtocol(httpProtocolOptions = this.#http1): void {
    this.http.upstreamProtocolOptions = create(HttpProtocolOptionsSchema, {
      upstreamProtocolOptions: {
        case: 'useDownstreamProtocolConfig',
        value: { httpProtocolOptions, http2ProtocolOptions: {} },
      },
    }).upstreamProtocolOptions;
  }

  /** Speaks HTTP/1.1 to the upstream: the default, said. */
  useHttp1(): void {
    this.#useHttp1(this.#http1);
  }

  #useHttp1(httpProtocolOptions: MessageInitShape<typeof Http1ProtocolOptionsSchema> & object): void {
    this.http.upstreamProtocolOptions = create(HttpProtocolOptionsSchema, {
      upstreamProtocolOptions: {
        case: 'explicitHttpConfig',
        value: { protocolConfig: { case: 'httpProtocolOptions', value: httpProtocolOptions } },
      },
    }).upstreamProtocolOptions;
  }

  get #http1(): MessageInitShape<typeof Http1ProtocolOptionsSchema> & object {
    return this.preservesCase ? { headerKeyFormat: PRESERVE_CASE } : {};
  }

  /** What holds on connections where HTTP/2 is spoken whatever the client speaks; where the client chooses, nothing. */
  setHttp2(settings: Http2Settings): void {
    this.#http2 = settings;
  }

  build(): Cluster {
    if (this.#http !== undefined) {
      const options = this.#http.upstreamProtocolOptions;
      if (options.case === 'explicitHttpConfig' && options.value.protocolConfig.case === 'http2ProtocolOptions') {
        options.value.protocolConfig.value = create(Http2ProtocolOptionsSchema, this.#http2);
      }
      if (this.#http.upstreamProtocolOptions.case === undefined) this.#useHttp1({});
      this.cluster.typedExtensionProtocolOptions = {
        [HTTP_PROTOCOL_OPTIONS]: pack(HttpProtocolOptionsSchema, this.#http),
      };
    }
    return this.cluster;
  }
}
