import {
  type Config,
  ConfigSchema,
} from '../../../api/gen/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.ts';
import { type NetworkFilterDefinition, NetworkStatus } from '../../net/network-filter.ts';
import { FILTER_STATE_VALUES, filterStateValues } from '../set_filter_state/values.ts';

/** Leaves objects for whatever handles a connection, and for the requests on it. */
export const networkSetFilterState: NetworkFilterDefinition<Config> = {
  name: 'envoy.filters.network.set_filter_state',
  schema: ConfigSchema,
  supported: {
    ...FILTER_STATE_VALUES,
    'envoy.extensions.filters.network.set_filter_state.v3.Config': ['on_new_connection'],
  },
  compile(proto, _context, errors) {
    const values = filterStateValues(proto.onNewConnection, errors.at('on_new_connection'));
    return {
      terminal: false,
      create: ({ connection, info }) => ({
        onNewConnection() {
          connection.filterState ??= new Map();
          const state = connection.filterState;
          values(info, (name, value) => state.set(name, value));
          return NetworkStatus.Continue;
        },
      }),
    };
  },
};
