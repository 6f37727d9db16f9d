import { clone, create, toBinary } from '@bufbuild/protobuf';
import { type Any, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type SecretsConfigDump, SecretsConfigDumpSchema } from '../../api/gen/envoy/admin/v3/config_dump_pb.ts';
import type { DataSource } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { type Secret, SecretSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { packAny } from '../../api/registry.ts';
import { loadData } from '../config/load-data.ts';
import type { KnownSecret, SecretManager } from './secrets.ts';

const REDACTED = '[redacted]';
/** What Envoy says of a secret that has not come. */
const UNINITIALIZED = 'uninitialized';

/** The secrets of a worker for `/config_dump`, with everything redacted that Envoy's API marks as sensitive. */
export function secretsDump(secrets: SecretManager): SecretsConfigDump {
  const dynamic = secrets.dynamicSecrets().map((known) => ({
    active: known.proto !== undefined,
    row: {
      name: known.name,
      versionInfo: known.proto === undefined ? UNINITIALIZED : known.version,
      lastUpdated: timestampFromMs(known.lastUpdated),
      secret: packSecret(known, true),
    },
  }));
  return create(SecretsConfigDumpSchema, {
    staticSecrets: secrets.staticSecrets().map((known) => ({ name: known.name, secret: packSecret(known, false) })),
    dynamicActiveSecrets: dynamic.filter(({ active }) => active).map(({ row }) => row),
    dynamicWarmingSecrets: dynamic.filter(({ active }) => !active).map(({ row }) => row),
  });
}

/** `inlined`: shows what is in the files, as Envoy does for secrets that came over SDS. */
function packSecret({ name, proto }: KnownSecret, inlined: boolean): Any {
  const secret = proto ? clone(SecretSchema, proto) : create(SecretSchema, { name });
  if (inlined) inlineFiles(secret);
  redactSecret(secret);
  return packAny(SecretSchema, toBinary(SecretSchema, secret));
}

function redactSecret({ type }: Secret): void {
  switch (type.case) {
    case 'tlsCertificate':
      redact(type.value.privateKey);
      redact(type.value.pkcs12);
      redact(type.value.password);
      return;
    case 'sessionTicketKeys':
      for (const key of type.value.keys) redact(key);
      return;
    case 'genericSecret':
      redact(type.value.secret);
      return;
    default:
  }
}

function redact(source: DataSource | undefined): void {
  const specifier = source?.specifier;
  if (specifier?.case === 'inlineBytes') specifier.value = Buffer.from(REDACTED);
  else if (specifier?.case !== undefined) specifier.value = REDACTED;
}

function inlineFiles({ type }: Secret): void {
  if (type.case === 'tlsCertificate') {
    inline(type.value.certificateChain);
    if (type.value.privateKey) type.value.privateKey.specifier = { case: 'inlineBytes', value: Buffer.alloc(0) };
  } else if (type.case === 'validationContext') {
    inline(type.value.trustedCa);
    inline(type.value.crl);
  }
}

function inline(source: DataSource | undefined): void {
  if (source?.specifier.case !== 'filename') return;
  try {
    source.specifier = { case: 'inlineBytes', value: loadData(source).bytes };
  } catch {
    // A file that is gone since is shown by its name.
  }
}
