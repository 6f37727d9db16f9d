import {
  type BufferSettings,
  type ExtAuthz,
  type ExtAuthzPerRoute,
  ExtAuthzPerRouteSchema,
  ExtAuthzSchema,
} from '../../../api/gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts';
import type { HttpStatus } from '../../../api/gen/envoy/type/v3/http_status_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { runtimeFlag, runtimeFraction } from '../../config/runtime-values.ts';
import { durationMs } from '../../config/values.ts';
import type { FilterBuildContext, HttpFilterDefinition } from '../../http/filter.ts';
import { metadataTest } from '../../router/metadata-match.ts';
import type { StringTest } from '../../router/string-match.ts';
import { grpcService } from '../common/grpc-service.ts';
import { StatsByCluster } from '../common/stats-by-cluster.ts';
import type { Authorizer } from './authorizer.ts';
import { nodeLabels } from './check-request.ts';
import { type BodySettings, type ExtAuthzConfig, ExtAuthzFilter, type ExtAuthzRouteConfig } from './filter.ts';
import { GrpcAuthorizer } from './grpc-authorizer.ts';
import { HttpAuthorizer, nameTest } from './http-authorizer.ts';
import { ExtAuthzStats } from './stats.ts';
import { SUPPORTED } from './supported.ts';

const DEFAULT_GRPC_TIMEOUT_MS = 200;
/** What web services are told of every request. */
const ALWAYS_TOLD: ReadonlySet<string> = new Set(['authorization', ':method', ':path', ':authority', ':scheme']);

export const extAuthz: HttpFilterDefinition<ExtAuthz, ExtAuthzPerRoute> = {
  name: 'envoy.filters.http.ext_authz',
  schema: ExtAuthzSchema,
  routeSchema: ExtAuthzPerRouteSchema,
  supported: SUPPORTED,
  compile(proto, context, errors) {
    const name = proto.statPrefix === '' ? 'ext_authz.' : `ext_authz.${proto.statPrefix}.`;
    const byCluster = new StatsByCluster(context.worker, name);
    const { runtime } = context.worker;
    const enabled = runtimeFraction(proto.filterEnabled, 1, runtime);
    const denyAtDisable = runtimeFlag(proto.denyAtDisable, false, runtime);
    const config: ExtAuthzConfig = {
      stats: context.stats(name, ExtAuthzStats),
      byCluster,
      authorizer: authorizer(proto, context, errors),
      tells: headersTold(proto, errors),
      body: proto.withRequestBody && bodySettings(proto.withRequestBody, errors.at('with_request_body')),
      failureModeAllow: proto.failureModeAllow,
      failureModeAllowHeader: proto.failureModeAllowHeaderAdd,
      statusOnError: statusOf(proto.statusOnError, 403, errors.at('status_on_error')),
      clearRouteCache: proto.clearRouteCache,
      get enabled() {
        return enabled.value;
      },
      enabledFor:
        proto.filterEnabledMetadata && metadataTest(proto.filterEnabledMetadata, errors.at('filter_enabled_metadata')),
      get denyAtDisable() {
        return denyAtDisable.value;
      },
      chargeClusterStats: proto.chargeClusterResponseStats ?? true,
      ingestsMetadata: proto.enableDynamicMetadataIngestion ?? true,
    };
    return {
      create: (callbacks) => new ExtAuthzFilter(config, callbacks),
      dispose: () => byCluster.release(),
    };
  },
  compileRoute(proto, _context, errors): ExtAuthzRouteConfig {
    const { override } = proto;
    if (override.case !== 'checkSettings') {
      if (!override.value) errors.add('disabled', 'must be true, or check_settings be set');
      return { disabled: true, extensions: {}, withoutBody: false, body: undefined };
    }
    const { contextExtensions, disableRequestBodyBuffering, withRequestBody } = override.value;
    const at = errors.at('check_settings');
    if (disableRequestBodyBuffering && withRequestBody) {
      at.add('', 'only one of disable_request_body_buffering and with_request_body may be set');
    }
    return {
      disabled: false,
      extensions: contextExtensions,
      withoutBody: disableRequestBodyBuffering,
      body: withRequestBody && bodySettings(withRequestBody, at.at('with_request_body')),
    };
  },
};

function authorizer(proto: ExtAuthz, context: FilterBuildContext, errors: ConfigErrors): Authorizer {
  const { worker, clusters } = context;
  const call = { clusters, timers: worker.timers, random: worker.random, localAddress: worker.node.localAddress };
  const { services } = proto;
  if (services.case === 'httpService') return new HttpAuthorizer(services.value, call, errors.at('http_service'));
  if (services.case === undefined) errors.add('services', 'grpc_service or http_service is needed');
  const timeoutMs = durationMs(services.value?.timeout, DEFAULT_GRPC_TIMEOUT_MS);
  const service = grpcService(services.value, call, timeoutMs, errors.at('grpc_service'));
  return new GrpcAuthorizer(service, {
    includePeerCertificate: proto.includePeerCertificate,
    includeTlsSession: proto.includeTlsSession,
    rawHeaders: proto.encodeRawHeaders,
    destinationLabels: nodeLabels(worker.node.metadata, proto.bootstrapMetadataLabelsKey),
    metadata: proto.metadataContextNamespaces,
    routeMetadata: proto.routeMetadataContextNamespaces,
  });
}

function headersTold(proto: ExtAuthz, errors: ConfigErrors): StringTest {
  const http = proto.services.case === 'httpService' ? proto.services.value : undefined;
  const older = http?.authorizationRequest?.allowedHeaders;
  if (proto.allowedHeaders && older) errors.add('allowed_headers', 'must not be set in two places');
  const allowed = nameTest(proto.allowedHeaders ?? older, errors.at('allowed_headers'));
  const disallowed = nameTest(proto.disallowedHeaders, errors.at('disallowed_headers'));
  const tells: StringTest = http
    ? (name) => ALWAYS_TOLD.has(name) || allowed?.(name) === true
    : (allowed ?? (() => true));
  return disallowed === undefined ? tells : (name) => !disallowed(name) && tells(name);
}

function bodySettings(proto: BufferSettings, errors: ConfigErrors): BodySettings {
  if (proto.maxRequestBytes === 0) errors.add('max_request_bytes', 'must be greater than 0');
  return { maxBytes: proto.maxRequestBytes, allowPartial: proto.allowPartialMessage, packAsBytes: proto.packAsBytes };
}

function statusOf(proto: HttpStatus | undefined, otherwise: number, errors: ConfigErrors): number {
  if (proto === undefined) return otherwise;
  if (proto.code < 200 || proto.code > 599) errors.add('code', `${proto.code} is not a status of a response`);
  return proto.code;
}
