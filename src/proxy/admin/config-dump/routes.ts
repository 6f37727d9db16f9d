import { RouteConfigurationSchema } from '../../../api/gen/envoy/config/route/v3/route_pb.ts';
import type { AdminProxy } from '../proxy.ts';
import { version } from './clusters.ts';
import { messageJson } from './message-json.ts';
import { type NamedItem, type Section, TYPE_PREFIX, timestamp } from './section.ts';

const TYPE_URL = TYPE_PREFIX + RouteConfigurationSchema.typeName;

/** Scoped routes are not supported: there never are any. */
export const scopedRoutesSection: Section = {
  type: 'envoy.admin.v3.ScopedRoutesConfigDump',
  fields: {},
  lists: [],
};

/** `envoy.admin.v3.RoutesConfigDump`: routes that stand in listeners, and those of RDS. */
export function routesSection({ routes }: AdminProxy): Section {
  return {
    type: 'envoy.admin.v3.RoutesConfigDump',
    fields: {},
    lists: [
      {
        field: 'static_route_configs',
        itemType: 'envoy.admin.v3.RoutesConfigDump.StaticRouteConfig',
        *items(): Generator<NamedItem> {
          for (const { proto, lastUpdated } of routes.inline()) {
            const config = { '@type': TYPE_URL, ...messageJson(RouteConfigurationSchema, proto) };
            yield { name: proto.name, json: { route_config: config, last_updated: timestamp(lastUpdated) } };
          }
        },
      },
      {
        field: 'dynamic_route_configs',
        itemType: 'envoy.admin.v3.RoutesConfigDump.DynamicRouteConfig',
        *items(): Generator<NamedItem> {
          for (const { name, table, version: text, lastUpdated } of routes.all()) {
            if (table === undefined) continue;
            const config = { '@type': TYPE_URL, ...messageJson(RouteConfigurationSchema, table.proto) };
            yield { name, json: { ...version(text), route_config: config, last_updated: timestamp(lastUpdated) } };
          }
        },
      },
    ],
  };
}
