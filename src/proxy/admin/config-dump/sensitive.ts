export const REDACTED = '[redacted]';
/** The same in base64, as a field of bytes shows. */
export const REDACTED_BYTES = Buffer.from(REDACTED).toString('base64');

/**
 * Fields that Envoy's API marks with `udpa.annotations.sensitive`, by message: what they hold never shows. The generated
 * types do not carry the mark.
 */
const SENSITIVE: Readonly<Record<string, readonly string[]>> = {
  'envoy.extensions.transport_sockets.tls.v3.TlsCertificate': ['private_key', 'pkcs12', 'password'],
  'envoy.extensions.transport_sockets.tls.v3.PrivateKeyProvider': ['typed_config'],
  'envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys': ['keys'],
  'envoy.extensions.transport_sockets.tls.v3.GenericSecret': ['secret', 'secrets'],
  'envoy.extensions.filters.http.basic_auth.v3.BasicAuth': ['users'],
  'envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute': ['users'],
  'envoy.extensions.filters.http.ext_authz.v3.CheckSettings': ['context_extensions'],
  'envoy.extensions.filters.network.redis_proxy.v3.RedisProxy': [
    'downstream_auth_username',
    'downstream_auth_password',
    'downstream_auth_passwords',
  ],
  'envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions': ['auth_username', 'auth_password'],
  'envoy.config.core.v3.GrpcService.GoogleGrpc.SslCredentials': ['private_key'],
  'envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials': ['access_token', 'google_refresh_token'],
  'envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.ServiceAccountJWTAccessCredentials': ['json_key'],
  'envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.GoogleIAMCredentials': ['authorization_token'],
  'envoy.config.grpc_credential.v3.FileBasedMetadataConfig': ['secret_data'],
  'envoy.config.trace.v3.ClientConfig': ['backend_token'],
};

/** Whether the proto marks a field as `udpa.annotations.sensitive`: dumps show that it is set, not what it is. */
export function isSensitive(typeName: string, field: string): boolean {
  return Object.hasOwn(SENSITIVE, typeName) && SENSITIVE[typeName].includes(field);
}
