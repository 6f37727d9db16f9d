import {
  type VirtualHost,
  VirtualHost_TlsRequirementType,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { RouteConfiguration } from '../../api/gen/envoy/config/route/v3/route_pb.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { RuntimeSource } from '../config/runtime-values.ts';
import { StatLeases } from '../observe/stat-leases.ts';
import type { StatsStore } from '../observe/stats.ts';
import { DomainTable } from './domains.ts';
import { headerEdits } from './header-edits.ts';
import { headerTest } from './header-match.ts';
import { rateLimitRules } from './rate-limits.ts';
import type { Route, VirtualHostInfo } from './route.ts';
import { compileRoute, type MatchableRoute } from './route-entry.ts';
import type { BuildContext, FilterConfigCompiler, MatchContext, ReadData, Scope } from './scope.ts';
import { RequestStats } from './stats.ts';

/** What routes are compiled with. */
export interface RouteEnvironment {
  readonly filters: FilterConfigCompiler;
  readonly stats: StatsStore;
  readonly runtime: RuntimeSource;
  readonly readData: ReadData;
}

interface CompiledVirtualHost {
  readonly name: string;
  readonly routes: readonly MatchableRoute[];
  /** Where plaintext requests are sent to TLS. */
  /** `require_tls`: what requests get that did not come over TLS; undefined where they may come as they like. */
  readonly tlsRedirect: Route | undefined;
  /** Requests from inside need no TLS. */
  readonly tlsForExternal: boolean;
}

/** A route configuration, compiled. Never changes: an update makes a new table, and running requests keep theirs. */
export class RouteTable {
  readonly name: string;
  readonly proto: RouteConfiguration;
  /** Headers that requests from outside must not bring along. */
  readonly internalOnlyHeaders: readonly string[];
  readonly #domains: DomainTable<CompiledVirtualHost>;

  readonly #stats: StatLeases;

  private constructor(proto: RouteConfiguration, domains: DomainTable<CompiledVirtualHost>, stats: StatLeases) {
    this.name = proto.name;
    this.proto = proto;
    this.internalOnlyHeaders = proto.internalOnlyHeaders.map((name) => name.toLowerCase());
    this.#domains = domains;
    this.#stats = stats;
  }

  /** Compiles a route configuration; whatever is wrong goes to `errors`, and the table is then not to be used. */
  static compile(proto: RouteConfiguration, environment: RouteEnvironment, errors: ConfigErrors): RouteTable {
    const { filters, runtime, readData } = environment;
    const stats = new StatLeases(environment.stats, '');
    const filterConfigs: BuildContext['filterConfigs'] = {
      compile: (configs, at) => filters.compile(configs, stats.acquire, at),
    };
    const scope: Scope = {
      requestEdits: [headerEdits(proto.requestHeadersToAdd, proto.requestHeadersToRemove, errors, 'request_headers')],
      responseEdits: [
        headerEdits(proto.responseHeadersToAdd, proto.responseHeadersToRemove, errors, 'response_headers'),
      ],
      filters: filterConfigs.compile(proto.typedPerFilterConfig, errors.at('typed_per_filter_config')),
    };
    const context: BuildContext = {
      filterConfigs,
      mostSpecificWins: proto.mostSpecificHeaderMutationsWins,
      mirrors: proto.requestMirrorPolicies,
      runtime,
      readData,
      maxDirectResponseBytes: proto.maxDirectResponseBodySizeBytes ?? 4096,
      ignorePathParameters: proto.ignorePathParametersInPathMatching,
      stats: (prefix) => stats.acquire(prefix, RequestStats),
    };
    const domains = new DomainTable<CompiledVirtualHost>(proto.ignorePortInHostMatching);
    proto.virtualHosts.forEach((host, i) => {
      const at = errors.at('virtual_hosts').at(i);
      const compiled = compileVirtualHost(host, scope, context, at);
      host.domains.forEach((domain, j) => {
        if (!domains.add(domain, compiled)) {
          at.at('domains')
            .at(j)
            .add('', `${JSON.stringify(domain)} is in another virtual host already`);
        }
      });
    });
    return new RouteTable(proto, domains, stats);
  }

  /** Nobody looks here for routes any more. Requests that run keep what they have. */
  dispose(): void {
    this.#stats.release();
  }

  /** The route of a request, or undefined if no virtual host or none of its routes matches. */
  match(headers: Headers, context: MatchContext): Route | undefined {
    const host = this.#domains.find(headers.authority);
    if (host === undefined) return undefined;
    if (host.tlsRedirect !== undefined && headers.get('x-forwarded-proto') !== 'https') {
      if (!host.tlsForExternal || headers.get('x-envoy-internal') !== 'true') return host.tlsRedirect;
    }
    // Whoever says that the scheme is none is routed nowhere, as with Envoy.
    if (headers.get('x-forwarded-proto') === '') return undefined;
    const { path } = headers;
    let end = path.indexOf('?');
    if (end < 0) end = path.length;
    for (const entry of host.routes) if (entry.matches(path, end, headers, context)) return entry.route;
    return undefined;
  }
}

function compileVirtualHost(
  host: VirtualHost,
  table: Scope,
  context: BuildContext,
  errors: ConfigErrors,
): CompiledVirtualHost {
  const scope: Scope = {
    requestEdits: [
      headerEdits(host.requestHeadersToAdd, host.requestHeadersToRemove, errors, 'request_headers'),
      ...table.requestEdits,
    ],
    responseEdits: [
      headerEdits(host.responseHeadersToAdd, host.responseHeadersToRemove, errors, 'response_headers'),
      ...table.responseEdits,
    ],
    filters: table.filters.concat(
      context.filterConfigs.compile(host.typedPerFilterConfig, errors.at('typed_per_filter_config')),
    ),
  };
  const info = {
    name: host.name,
    includeRequestAttemptCount: host.includeRequestAttemptCount,
    includeIsTimeoutRetry: host.includeIsTimeoutRetryHeader,
    includeAttemptCountInResponse: host.includeAttemptCountInResponse,
    rateLimits: rateLimitRules(host.rateLimits, errors.at('rate_limits')),
    virtualCluster: virtualClusters(host, context, errors.at('virtual_clusters')),
  };
  const routes = host.routes.map((route, i) =>
    compileRoute(route, { host, info, scope, context }, errors.at('routes').at(i)),
  );
  const { requireTls } = host;
  return {
    name: host.name,
    routes,
    tlsRedirect: requireTls === VirtualHost_TlsRequirementType.NONE ? undefined : tlsRedirect(info),
    tlsForExternal: requireTls === VirtualHost_TlsRequirementType.EXTERNAL_ONLY,
  };
}

/** `virtual_clusters`: the first whose headers match; what matches none is `other`. */
function virtualClusters(
  { name, virtualClusters: clusters }: VirtualHost,
  context: BuildContext,
  errors: ConfigErrors,
): VirtualHostInfo['virtualCluster'] {
  if (clusters.length === 0) return undefined;
  const entries = clusters.map((cluster, i) => ({
    tests: cluster.headers.map((header, j) => headerTest(header, errors.at(i).at('headers').at(j))),
    found: { name: cluster.name, stats: context.stats(`vhost.${name}.vcluster.${cluster.name}.`) },
  }));
  const other = { name: '', stats: context.stats(`vhost.${name}.vcluster.other.`) };
  return (headers) => entries.find(({ tests }) => tests.every((test) => test(headers)))?.found ?? other;
}

/** `require_tls`: the same place under https, port and all. */
function tlsRedirect(virtualHost: Route['virtualHost']): Route {
  return {
    name: '',
    virtualHost,
    action: {
      kind: 'redirect',
      status: 301,
      location: (headers) => `https://${headers.authority}${headers.path}`,
    },
    metadata: undefined,
    decoratorOperation: '',
    decoratorPropagate: true,
    tracing: undefined,
    requestEdits: [],
    responseEdits: [],
    filterConfigs: () => [],
    filterDisabled: undefined,
    bufferLimit: undefined,
    stats: undefined,
  };
}
