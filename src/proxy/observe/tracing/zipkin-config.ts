import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { HttpServiceSchema } from '../../../api/gen/envoy/config/core/v3/http_service_pb.ts';
import {
  ZipkinConfig_CollectorEndpointVersion as Version,
  type ZipkinConfig,
} from '../../../api/gen/envoy/config/trace/v3/zipkin_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { type HttpTarget, httpTarget } from './collector.ts';

/** A collector of Zipkin, and how spans are told. */
export interface ZipkinTarget {
  readonly target: HttpTarget;
  readonly protobuf: boolean;
  readonly longIds: boolean;
  readonly sharesContext: boolean;
  readonly w3c: boolean;
}

/** Fields of Envoy's ZipkinConfig that are newer than the API that we are built with. */
const TRACE_CONTEXT_OPTION_FIELD = 8;
const COLLECTOR_SERVICE_FIELD = 9;
const USE_B3_WITH_W3C_PROPAGATION = 1;
/** Envoy's `tracing.zipkin.request_timeout`. */
const TIMEOUT_MS = 5000;

/** `envoy.config.trace.v3.ZipkinConfig`. */
export function zipkinTarget(proto: ZipkinConfig, errors: ConfigErrors): ZipkinTarget | undefined {
  const newer = new Map((proto.$unknown ?? []).map(({ no, data }) => [no, data]));
  const service = newer.get(COLLECTOR_SERVICE_FIELD);
  const target =
    service === undefined
      ? clusterTarget(proto, errors)
      : httpTarget(fromBinary(HttpServiceSchema, new BinaryReader(service).bytes()), errors.at('collector_service'));
  const { collectorEndpointVersion: version } = proto;
  if (version !== Version.HTTP_JSON && version !== Version.HTTP_PROTO) {
    errors.add('collector_endpoint_version', 'must be HTTP_JSON or HTTP_PROTO');
  }
  const option = newer.get(TRACE_CONTEXT_OPTION_FIELD);
  return (
    target && {
      target,
      protobuf: version === Version.HTTP_PROTO,
      longIds: proto.traceId128bit,
      sharesContext: proto.sharedSpanContext ?? true,
      w3c: option !== undefined && new BinaryReader(option).int32() === USE_B3_WITH_W3C_PROPAGATION,
    }
  );
}

function clusterTarget(proto: ZipkinConfig, errors: ConfigErrors): HttpTarget | undefined {
  const { collectorCluster: cluster, collectorEndpoint: path, collectorHostname } = proto;
  if (cluster === '') errors.add('collector_cluster', 'is needed');
  if (path === '') errors.add('collector_endpoint', 'is needed');
  return { cluster, path, host: collectorHostname || cluster, timeoutMs: TIMEOUT_MS, headers: [] };
}
