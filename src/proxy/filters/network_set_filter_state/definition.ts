import {
  type Config,
  ConfigSchema,
} from '../../../api/gen/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.ts';
import { type NetworkFilter, type NetworkFilterDefinition, NetworkStatus } from '../../net/network-filter.ts';
import { FILTER_STATE_VALUES, filterStateValues, type SetFilterState } from '../set_filter_state/values.ts';

/** Leaves objects for whatever handles a connection, and for the requests on it. */
export const networkSetFilterState: NetworkFilterDefinition<Config> = {
  name: 'envoy.filters.network.set_filter_state',
  schema: ConfigSchema,
  supported: {
    ...FILTER_STATE_VALUES,
    'envoy.extensions.filters.network.set_filter_state.v3.Config': [
      'on_new_connection',
      'on_downstream_tls_handshake',
      'on_downstream_data',
    ],
  },
  compile(proto, _context, errors) {
    const atOnce = filterStateValues(proto.onNewConnection, errors.at('on_new_connection'));
    // Connections come here when the handshake is over. As in Envoy, those without TLS count as well.
    const secured = filterStateValues(proto.onDownstreamTlsHandshake, errors.at('on_downstream_tls_handshake'));
    const later = filterStateValues(proto.onDownstreamData, errors.at('on_downstream_data'));
    const waits = proto.onDownstreamData.length > 0;
    return {
      terminal: false,
      create({ connection, info }) {
        const apply = (values: SetFilterState) => {
          connection.filterState ??= new Map();
          const state = connection.filterState;
          values(info, (name, value) => state.set(name, value));
        };
        const filter: NetworkFilter = {
          onNewConnection() {
            apply(atOnce);
            apply(secured);
            return NetworkStatus.Continue;
          },
        };
        if (waits) {
          filter.onData = () => {
            filter.onData = undefined;
            apply(later);
            return NetworkStatus.Continue;
          };
        }
        return filter;
      },
    };
  },
};
