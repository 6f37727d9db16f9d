import { create } from '@bufbuild/protobuf';
import type { Cluster } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import {
  type HttpProtocolOptions,
  HttpProtocolOptionsSchema,
} from '../../api/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts';
import { pack } from '../proto/any.ts';

/** Key of a cluster's HTTP settings. */
export const HTTP_PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** A cluster while it is built: its HTTP settings are packed when all of them are known. */
export class ClusterDraft {
  readonly cluster: Cluster;
  #http: HttpProtocolOptions | undefined;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** The HTTP settings, made if there are none yet. */
  get http(): HttpProtocolOptions {
    this.#http ??= create(HttpProtocolOptionsSchema);
    return this.#http;
  }

  get isHttp2(): boolean {
    const options = this.#http?.upstreamProtocolOptions;
    return options?.case === 'explicitHttpConfig' && options.value.protocolConfig.case === 'http2ProtocolOptions';
  }

  /** Speaks HTTP/2 to the upstream. */
  useHttp2(): void {
    this.http.upstreamProtocolOptions = create(HttpProtocolOptionsSchema, {
      upstreamProtocolOptions: {
        case: 'explicitHttpConfig',
        value: { protocolConfig: { case: 'http2ProtocolOptions', value: {} } },
      },
    }).upstreamProtocolOptions;
  }

  /** Speaks to the upstream what the client speaks. */
  useClientProtocol(): void {
    this.http.upstreamProtocolOptions = create(HttpProtocolOptionsSchema, {
      upstreamProtocolOptions: {
        case: 'useDownstreamProtocolConfig',
        value: { httpProtocolOptions: {}, http2ProtocolOptions: {} },
      },
    }).upstreamProtocolOptions;
  }

  build(): Cluster {
    if (this.#http !== undefined) {
      if (this.#http.upstreamProtocolOptions.case === undefined) {
        this.#http.upstreamProtocolOptions = create(HttpProtocolOptionsSchema, {
          upstreamProtocolOptions: {
            case: 'explicitHttpConfig',
            value: { protocolConfig: { case: 'httpProtocolOptions', value: {} } },
          },
        }).upstreamProtocolOptions;
      }
      this.cluster.typedExtensionProtocolOptions = {
        [HTTP_PROTOCOL_OPTIONS]: pack(HttpProtocolOptionsSchema, this.#http),
      };
    }
    return this.cluster;
  }
}
