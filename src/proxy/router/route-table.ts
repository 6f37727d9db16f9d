import {
  type VirtualHost,
  VirtualHost_TlsRequirementType,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { RouteConfiguration } from '../../api/gen/envoy/config/route/v3/route_pb.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { DomainTable } from './domains.ts';
import { headerEdits } from './header-edits.ts';
import type { Route } from './route.ts';
import { compileRoute, type MatchableRoute } from './route-entry.ts';
import type { BuildContext, FilterConfigCompiler, MatchContext, Scope } from './scope.ts';

interface CompiledVirtualHost {
  readonly name: string;
  readonly routes: readonly MatchableRoute[];
  /** Where plaintext requests are sent to TLS. */
  readonly requireTls: Route | undefined;
}

/** A route configuration, compiled. Never changes: an update makes a new table, and running requests keep theirs. */
export class RouteTable {
  readonly name: string;
  readonly proto: RouteConfiguration;
  /** Headers that requests from outside must not bring along. */
  readonly internalOnlyHeaders: readonly string[];
  readonly #domains: DomainTable<CompiledVirtualHost>;

  private constructor(proto: RouteConfiguration, domains: DomainTable<CompiledVirtualHost>) {
    this.name = proto.name;
    this.proto = proto;
    this.internalOnlyHeaders = proto.internalOnlyHeaders.map((name) => name.toLowerCase());
    this.#domains = domains;
  }

  /** Compiles a route configuration; whatever is wrong goes to `errors`, and the table is then not to be used. */
  static compile(proto: RouteConfiguration, filterConfigs: FilterConfigCompiler, errors: ConfigErrors): RouteTable {
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
      ignorePathParameters: proto.ignorePathParametersInPathMatching,
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
    return new RouteTable(proto, domains);
  }

  /** The route of a request, or undefined if no virtual host or none of its routes matches. */
  match(headers: Headers, context: MatchContext): Route | undefined {
    const host = this.#domains.find(headers.authority);
    if (host === undefined) return undefined;
    if (host.requireTls !== undefined && !context.secure) return host.requireTls;
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
    requireTls: host.requireTls === VirtualHost_TlsRequirementType.NONE ? ('none' as const) : ('all' as const),
    includeRequestAttemptCount: host.includeRequestAttemptCount,
    includeAttemptCountInResponse: host.includeAttemptCountInResponse,
    rateLimits: host.rateLimits,
  };
  const routes = host.routes.map((route, i) =>
    compileRoute(route, { host, info, scope, context }, errors.at('routes').at(i)),
  );
  return { name: host.name, routes, requireTls: info.requireTls === 'none' ? undefined : tlsRedirect(info, scope) };
}

/** `require_tls`: the same place under https. */
function tlsRedirect(virtualHost: Route['virtualHost'], scope: Scope): Route {
  return {
    name: '',
    virtualHost,
    action: {
      kind: 'redirect',
      status: 301,
      location: (headers) => `https://${headers.authority.replace(/:80$/, '')}${headers.path}`,
    },
    metadata: undefined,
    decoratorOperation: '',
    decoratorPropagate: true,
    requestEdits: [],
    responseEdits: scope.responseEdits.filter((e) => e !== undefined),
    filterConfigs: () => [],
    filterDisabled: undefined,
    bufferLimit: undefined,
  };
}
