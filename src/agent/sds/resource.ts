import crypto from 'node:crypto';
import { toBinary } from '@bufbuild/protobuf';
import { SecretSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { encodeSecret } from '../../ca/content/encode.ts';
import type { SecretContent } from '../../ca/content/secret.ts';
import type { ServedResource } from '../../xds/session/messages.ts';

/** A secret as it is served; the version is a hash of the content, so that a restart sends nothing anew. */
export function secretResource(secret: SecretContent): ServedResource {
  const bytes = toBinary(SecretSchema, encodeSecret(secret));
  const version = crypto.createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  return { name: secret.name, version, bytes };
}
