import { create } from '@bufbuild/protobuf';
import { type DataSource, DataSourceSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import {
  CertificateValidationContextSchema,
  TlsCertificateSchema,
} from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts';
import { type Secret, SecretSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import type { SecretContent } from './secret.ts';

/** The message that a secret discovery service sends. Everything is inline bytes, as Istio sends it. */
export function encodeSecret(secret: SecretContent): Secret {
  if (secret.type === 'validation') {
    const value = create(CertificateValidationContextSchema, {
      trustedCa: inline(secret.trustedCa),
      crl: secret.crl === undefined ? undefined : inline(secret.crl),
    });
    return create(SecretSchema, { name: secret.name, type: { case: 'validationContext', value } });
  }
  const value = create(TlsCertificateSchema, {
    certificateChain: inline(secret.certificateChain),
    privateKey: inline(secret.privateKey),
    ocspStaple: secret.ocspStaple && inline(secret.ocspStaple),
  });
  return create(SecretSchema, { name: secret.name, type: { case: 'tlsCertificate', value } });
}

function inline(content: string | Uint8Array): DataSource {
  const value = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return create(DataSourceSchema, { specifier: { case: 'inlineBytes', value } });
}
