import type { MessageInitShape } from '@bufbuild/protobuf';
import { ApiVersion } from '../../api/gen/envoy/config/core/v3/config_source_pb.ts';
import type {
  BufferSettingsSchema,
  ExtAuthzSchema as HttpExtAuthzSchema,
  HttpServiceSchema,
} from '../../api/gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts';
import type { ExtAuthzSchema as TcpExtAuthzSchema } from '../../api/gen/envoy/extensions/filters/network/ext_authz/v3/ext_authz_pb.ts';
import type { MetadataMatcherSchema } from '../../api/gen/envoy/type/matcher/v3/metadata_pb.ts';
import type { ListStringMatcherSchema } from '../../api/gen/envoy/type/matcher/v3/string_pb.ts';
import { StatusCode } from '../../api/gen/envoy/type/v3/http_status_pb.ts';
import type { ExtensionProvider } from '../../config/kinds/mesh-config/schema.ts';
import type { Registry } from '../../registry/registry.ts';
import { type ProviderCluster, providerCluster } from '../extension-providers.ts';
import { duration, prefixed } from '../proto/values.ts';
import { valueMatcher } from './matchers.ts';

export type HttpExtAuthz = MessageInitShape<typeof HttpExtAuthzSchema>;
export type TcpExtAuthz = MessageInitShape<typeof TcpExtAuthzSchema>;

/** An external authorizer as filters ask it; only gRPC ones are asked about TCP connections. */
export interface ExtAuthz {
  readonly http: HttpExtAuthz;
  readonly tcp: TcpExtAuthz | undefined;
}

/** Prefix of the names of CUSTOM policies, by which the filter is told to ask. */
export const EXT_AUTHZ_PREFIX = 'istio-ext-authz';
/** Under which the RBAC filter before it leaves which CUSTOM policy was met. */
export const EXT_AUTHZ_SHADOW_PREFIX = 'istio_ext_authz_';

export const HTTP_RBAC_FILTER = 'envoy.filters.http.rbac';
export const TCP_RBAC_FILTER = 'envoy.filters.network.rbac';

type HttpProvider = NonNullable<ExtensionProvider['envoyExtAuthzHttp']>;
type GrpcProvider = NonNullable<ExtensionProvider['envoyExtAuthzGrpc']>;

/** The authorizer of a provider. Undefined if the provider is of another type, or cannot work as it is described. */
export function extAuthzOf(registry: Registry, provider: ExtensionProvider): ExtAuthz | undefined {
  const { name = '', envoyExtAuthzHttp: http, envoyExtAuthzGrpc: grpc } = provider;
  const config = http ?? grpc;
  if (config === undefined) return undefined;
  const to = providerCluster(registry, config.service, config.port);
  const validPort = config.port !== undefined && config.port >= 1 && config.port <= 65_535;
  if (to === undefined || !validPort || !isStatus(config.statusOnError)) return undefined;
  if (http !== undefined) {
    if (http.pathPrefix && !http.pathPrefix.startsWith('/')) return undefined;
    if (headerLists(http).some((list) => list?.includes('*'))) return undefined;
    const allowedHeaders = headers(http.includeRequestHeadersInCheck) ?? headers(http.includeHeadersInCheck);
    const settings = { ...common(config, name), ...(allowedHeaders === undefined ? {} : { allowedHeaders }) };
    return { http: { ...settings, services: httpService(http, to) }, tcp: undefined };
  }
  const grpcService = {
    targetSpecifier: { case: 'envoyGrpc' as const, value: { clusterName: to.cluster, authority: to.hostname } },
    timeout: duration(config.timeout ?? DEFAULT_TIMEOUT),
  };
  return {
    http: { ...common(config, name), services: { case: 'grpcService', value: grpcService } },
    tcp: {
      statPrefix: 'tcp.',
      failureModeAllow: config.failOpen === true,
      transportApiVersion: ApiVersion.V3,
      grpcService,
      filterEnabledMetadata: onlyFor(TCP_RBAC_FILTER, name),
    },
  };
}

/** Milliseconds. */
const DEFAULT_TIMEOUT = 600_000;

const STATUS_CODES: ReadonlySet<number> = new Set(Object.values(StatusCode));

function isStatus(text: string | undefined): boolean {
  return !text || (/^\d+$/.test(text) && STATUS_CODES.has(Number(text)));
}

function common(config: HttpProvider | GrpcProvider, name: string) {
  const body = config.includeRequestBodyInCheck;
  return {
    ...(config.statusOnError ? { statusOnError: { code: Number(config.statusOnError) as StatusCode } } : {}),
    failureModeAllow: config.failOpen === true,
    transportApiVersion: ApiVersion.V3,
    filterEnabledMetadata: onlyFor(HTTP_RBAC_FILTER, name),
    ...(body === undefined ? {} : { withRequestBody: bodySettings(body) }),
  };
}

function bodySettings(
  body: NonNullable<HttpProvider['includeRequestBodyInCheck']>,
): MessageInitShape<typeof BufferSettingsSchema> & object {
  return {
    maxRequestBytes: body.maxRequestBytes ?? 0,
    allowPartialMessage: body.allowPartialMessage === true,
    packAsBytes: body.packAsBytes === true,
  };
}

/** The filter only asks about requests for which a policy of this provider was met. */
function onlyFor(filter: string, provider: string): MessageInitShape<typeof MetadataMatcherSchema> & object {
  return {
    filter,
    path: [{ segment: { case: 'key', value: `${EXT_AUTHZ_SHADOW_PREFIX}shadow_effective_policy_id` } }],
    value: { matchPattern: { case: 'stringMatch', value: prefixed(`${EXT_AUTHZ_PREFIX}-${provider}`) } },
  };
}

function headerLists(config: HttpProvider) {
  return [
    config.includeRequestHeadersInCheck,
    config.includeHeadersInCheck,
    config.headersToUpstreamOnAllow,
    config.headersToDownstreamOnDeny,
    config.headersToDownstreamOnAllow,
  ];
}

function httpService(
  config: HttpProvider,
  { cluster, hostname }: ProviderCluster,
): { case: 'httpService'; value: MessageInitShape<typeof HttpServiceSchema> & object } {
  const upstream = headers(config.headersToUpstreamOnAllow);
  const onDeny = headers(config.headersToDownstreamOnDeny);
  const onAllow = headers(config.headersToDownstreamOnAllow);
  const headersToAdd = Object.entries(config.includeAdditionalHeadersInCheck ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => ({ key, value }));
  return {
    case: 'httpService',
    value: {
      pathPrefix: config.pathPrefix ?? '',
      serverUri: {
        uri: `http://${hostname}`,
        httpUpstreamType: { case: 'cluster', value: cluster },
        timeout: duration(config.timeout ?? DEFAULT_TIMEOUT),
      },
      ...(headersToAdd.length === 0 ? {} : { authorizationRequest: { headersToAdd } }),
      ...(upstream === undefined && onDeny === undefined && onAllow === undefined
        ? {}
        : {
            authorizationResponse: {
              ...(upstream ? { allowedUpstreamHeaders: upstream } : {}),
              ...(onDeny ? { allowedClientHeaders: onDeny } : {}),
              ...(onAllow ? { allowedClientHeadersOnSuccess: onAllow } : {}),
            },
          }),
    },
  };
}

function headers(
  names: readonly string[] | undefined,
): (MessageInitShape<typeof ListStringMatcherSchema> & object) | undefined {
  if (!names?.length) return undefined;
  return { patterns: names.map((name) => ({ ...valueMatcher(name), ignoreCase: true })) };
}
