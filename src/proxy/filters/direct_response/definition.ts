import {
  type Config,
  ConfigSchema,
} from '../../../api/gen/envoy/extensions/filters/network/direct_response/v3/config_pb.ts';
import type { ConnectionHandler } from '../../net/connection.ts';
import type { NetworkFilterDefinition } from '../../net/network-filter.ts';

/** How long a client that does not close may keep its side of the connection open after the answer, in milliseconds. */
const CLOSE_DELAY_MS = 1000;

const NOBODY: ConnectionHandler = { onData() {}, onEnd() {}, onBackpressure() {}, onClose() {} };

/** Says the same to every client, and closes. */
export const directResponse: NetworkFilterDefinition<Config> = {
  name: 'envoy.filters.network.direct_response',
  schema: ConfigSchema,
  supported: {
    'envoy.extensions.filters.network.direct_response.v3.Config': ['response'],
    'envoy.config.core.v3.DataSource': ['filename', 'inline_bytes', 'inline_string', 'environment_variable'],
  },
  compile(proto, { readData }, errors) {
    const response = proto.response && readData(proto.response, errors.at('response'));
    return {
      terminal: true,
      create({ connection, info }) {
        info.responseCodeDetails = 'direct_response';
        if (response !== undefined && response.length > 0) connection.write(response);
        connection.closeAfterFlush(CLOSE_DELAY_MS);
        return NOBODY;
      },
    };
  },
};
