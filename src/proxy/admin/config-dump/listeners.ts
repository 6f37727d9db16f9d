import { ListenerSchema } from '../../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import type { ListenerDump, ListenerVersion } from '../../net/listener-manager.ts';
import type { AdminProxy } from '../proxy.ts';
import { version } from './clusters.ts';
import { messageJson } from './message-json.ts';
import { type JsonObject, type NamedItem, type Section, TYPE_PREFIX, timestamp } from './section.ts';

/** `envoy.admin.v3.ListenersConfigDump`: listeners of the bootstrap and of LDS. */
export function listenersSection({ listeners }: AdminProxy): Section {
  const all = [...listeners.dump()];
  return {
    type: 'envoy.admin.v3.ListenersConfigDump',
    fields: version(listeners.version),
    lists: [
      {
        field: 'static_listeners',
        itemType: 'envoy.admin.v3.ListenersConfigDump.StaticListener',
        *items(): Generator<NamedItem> {
          for (const { name, dynamic, active, warming } of all) {
            const state = active ?? warming;
            if (!dynamic && state) yield { name, json: stateJson(state) };
          }
        },
      },
      {
        field: 'dynamic_listeners',
        itemType: 'envoy.admin.v3.ListenersConfigDump.DynamicListener',
        *items(): Generator<NamedItem> {
          for (const dump of all) if (dump.dynamic) yield { name: dump.name, json: dynamicJson(dump) };
        },
      },
    ],
  };
}

function dynamicJson({ name, active, warming, draining, error }: ListenerDump): JsonObject {
  const json: JsonObject = { name };
  if (active) json.active_state = stateJson(active);
  if (warming) json.warming_state = stateJson(warming);
  if (draining) json.draining_state = stateJson(draining);
  if (error) {
    json.error_state = {
      ...(error.proto && { failed_configuration: listenerJson(error.proto) }),
      last_update_attempt: timestamp(error.lastAttempt),
      details: error.details,
      ...version(error.version),
    };
  }
  return json;
}

function stateJson({ proto, version: text, lastUpdated }: ListenerVersion): JsonObject {
  return { ...version(text), listener: listenerJson(proto), last_updated: timestamp(lastUpdated) };
}

function listenerJson(proto: ListenerVersion['proto']): JsonObject {
  return { '@type': TYPE_PREFIX + ListenerSchema.typeName, ...messageJson(ListenerSchema, proto) };
}
