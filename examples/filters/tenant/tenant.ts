// Tells the services behind which tenant a request is for: the first label of its host name. Tenants that are not known
// get 403 from the proxy, and never reach a service.
import {
  defineFilter,
  type FilterCallbacks,
  type Headers,
  HeadersStatus,
  type HttpFilter,
  type JsonObject,
  StatGroup,
} from 'isthmus/filter';

/** Shown as `http.STAT_PREFIX.tenant.` in the statistics of the proxy. */
class TenantStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set();
  known = 0;
  refused = 0;
}

/** What the configuration says, worked out once. */
interface Tenants {
  readonly header: string;
  readonly known: ReadonlySet<string>;
  readonly stats: TenantStats;
}

/** What a route may say: requests of anybody are let through. */
interface RouteTenants {
  readonly optional: boolean;
}

class TenantFilter implements HttpFilter {
  readonly #tenants: Tenants;
  readonly #optional: boolean;
  readonly #callbacks: FilterCallbacks;
  #tenant = '';

  constructor(tenants: Tenants, optional: boolean, callbacks: FilterCallbacks) {
    this.#tenants = tenants;
    this.#optional = optional;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers): HeadersStatus {
    const { header, known, stats } = this.#tenants;
    // Nobody but this filter says who the tenant is.
    headers.remove(header);
    const [label] = headers.authority.split('.', 1);
    if (known.has(label)) {
      stats.known++;
      this.#tenant = label;
      headers.set(header, label);
      return HeadersStatus.Continue;
    }
    if (this.#optional) return HeadersStatus.Continue;
    stats.refused++;
    this.#callbacks.sendLocalReply({ status: 403, body: `no such tenant: ${label}\n`, details: 'tenant_unknown' });
    return HeadersStatus.StopAll;
  }

  responseHeaders(headers: Headers): HeadersStatus {
    if (this.#tenant !== '') headers.set(this.#tenants.header, this.#tenant);
    return HeadersStatus.Continue;
  }
}

export default defineFilter({
  name: 'example.filters.tenant',
  configType: 'example.filters.Tenant',

  compile({ header = 'x-tenant', known, ...others }: JsonObject, context, errors) {
    for (const field of Object.keys(others)) errors.add(field, 'unknown field');
    if (typeof header !== 'string' || !/^[a-z0-9-]+$/.test(header)) errors.add('header', 'a header name is needed');
    if (!Array.isArray(known) || known.length === 0) errors.add('known', 'a list of tenants is needed');
    const tenants: Tenants = {
      header: String(header),
      known: new Set(Array.isArray(known) ? known.map(String) : []),
      stats: context.stats('tenant.', TenantStats),
    };
    return {
      create(callbacks) {
        const optional = callbacks.routeConfig<RouteTenants>()?.optional ?? false;
        return new TenantFilter(tenants, optional, callbacks);
      },
    };
  },

  compileRoute({ optional = false, ...others }: JsonObject, _context, errors): RouteTenants {
    for (const field of Object.keys(others)) errors.add(field, 'unknown field');
    if (typeof optional !== 'boolean') errors.add('optional', 'true or false is needed');
    return { optional: optional === true };
  },
});
