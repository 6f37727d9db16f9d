import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { versionText } from '../version.ts';
import { messageJson } from './config-dump/message-json.ts';
import { type AdminHandler, JSON_TYPE, pretty } from './handler.ts';
import type { AdminProxy } from './proxy.ts';

/** What `/hot_restart_version` says: processes of different versions cannot take over from one another. */
export const HOT_RESTART_VERSION = '11.104';

export const serverInfo: AdminHandler = {
  path: '/server_info',
  help: 'print version, state, uptime and command line',
  run: (proxy) => ({ type: JSON_TYPE, body: `${pretty(info(proxy))}\n` }),
};

function info(proxy: AdminProxy): unknown {
  const uptime = `${Math.floor((Date.now() - proxy.startedAt) / 1000)}s`;
  return {
    version: versionText(),
    state: proxy.shownState,
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    hot_restart_version: HOT_RESTART_VERSION,
    command_line_options: proxy.options.commandLine,
    node: { ...messageJson(NodeSchema, proxy.nodeMessage), listening_addresses: [], dynamic_parameters: {} },
    hot_restart_initializing: false,
  };
}
