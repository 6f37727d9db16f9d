import { SecretsConfigDumpSchema } from '../../../api/gen/envoy/admin/v3/config_dump_pb.ts';
import { secretsDump } from '../../tls/secret-dump.ts';
import type { AdminProxy } from '../proxy.ts';
import { type Json, messageJson } from './message-json.ts';
import type { JsonObject, NamedItem, Section } from './section.ts';

const LISTS = [
  ['static_secrets', 'StaticSecret'],
  ['dynamic_active_secrets', 'DynamicSecret'],
  ['dynamic_warming_secrets', 'DynamicSecret'],
] as const;

/** What the worker holds of secrets; keys are redacted by whoever holds them. */
export function secretsSection({ transports }: AdminProxy): Section {
  let json: { [key: string]: Json } | undefined;
  const read = () => (json ??= messageJson(SecretsConfigDumpSchema, secretsDump(transports.secrets)));
  return {
    type: SecretsConfigDumpSchema.typeName,
    fields: {},
    lists: LISTS.map(([field, item]) => ({
      field,
      itemType: `envoy.admin.v3.SecretsConfigDump.${item}`,
      *items(): Generator<NamedItem> {
        for (const secret of (read()[field] ?? []) as JsonObject[]) yield { name: String(secret.name), json: secret };
      },
    })),
  };
}
