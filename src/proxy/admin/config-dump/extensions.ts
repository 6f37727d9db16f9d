import { TypedExtensionConfigSchema } from '../../../api/gen/envoy/config/core/v3/extension_pb.ts';
import type { AdminProxy } from '../proxy.ts';
import { version } from './clusters.ts';
import { messageJson } from './message-json.ts';
import { type NamedItem, type Section, TYPE_PREFIX, timestamp } from './section.ts';

const TYPE_URL = TYPE_PREFIX + TypedExtensionConfigSchema.typeName;

/** Configurations of filters that came by themselves (ECDS). */
export function extensionsSection({ extensions }: AdminProxy): Section {
  return {
    type: 'envoy.admin.v3.EcdsConfigDump',
    fields: {},
    lists: [
      {
        field: 'ecds_filters',
        itemType: 'envoy.admin.v3.EcdsConfigDump.EcdsFilterConfig',
        *items(): Generator<NamedItem> {
          for (const { proto, version: text, lastUpdated } of extensions.all()) {
            const filter = { '@type': TYPE_URL, ...messageJson(TypedExtensionConfigSchema, proto) };
            yield {
              name: proto.name,
              json: { ...version(text), ecds_filter: filter, last_updated: timestamp(lastUpdated) },
            };
          }
        },
      },
    ],
  };
}
