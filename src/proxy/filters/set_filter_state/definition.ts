import {
  type Config,
  ConfigSchema,
} from '../../../api/gen/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { HeadersStatus, type HttpFilterDefinition } from '../../http/filter.ts';
import { FILTER_STATE_VALUES, filterStateValues, type SetFilterState } from './values.ts';

const compileValues = (proto: Config, errors: ConfigErrors) =>
  filterStateValues(proto.onRequestHeaders, errors.at('on_request_headers'));

/** Leaves objects for later filters, and for the upstream connection, made of what a request brings. */
export const setFilterState: HttpFilterDefinition<Config, Config> = {
  name: 'envoy.filters.http.set_filter_state',
  schema: ConfigSchema,
  routeSchema: ConfigSchema,
  supported: {
    ...FILTER_STATE_VALUES,
    'envoy.extensions.filters.http.set_filter_state.v3.Config': ['on_request_headers', 'clear_route_cache'],
  },
  compile(proto, _context, errors) {
    const own = compileValues(proto, errors);
    return {
      create: (callbacks) => ({
        requestHeaders() {
          const { info } = callbacks;
          const set = (name: string, value: unknown) => info.setFilterState(name, value);
          own(info, set);
          // Those of routes come after, the least specific first, and do not replace the filter's own.
          for (const values of callbacks.routeConfigs<SetFilterState>()) values(info, set);
          if (proto.clearRouteCache) callbacks.clearRouteCache();
          return HeadersStatus.Continue;
        },
      }),
    };
  },
  compileRoute: (proto, _context, errors) => compileValues(proto, errors),
};
