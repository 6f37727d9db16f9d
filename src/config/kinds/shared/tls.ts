import { array, boolean, enumOf, type Infer, object, string } from '../../schema/index.ts';

/** TLS towards an upstream (istio.networking.v1alpha3.ClientTLSSettings). */
export const clientTls = object({
  mode: enumOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'),
  clientCertificate: string(),
  privateKey: string(),
  caCertificates: string(),
  caCrl: string(),
  credentialName: string(),
  subjectAltNames: array(string()),
  sni: string(),
  insecureSkipVerify: boolean(),
});
export type ClientTls = Infer<typeof clientTls>;

const tlsProtocol = enumOf('TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3');

/** TLS of a listener (istio.networking.v1alpha3.ServerTLSSettings). */
export const serverTls = object({
  httpsRedirect: boolean(),
  mode: enumOf('PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL'),
  serverCertificate: string(),
  privateKey: string(),
  caCertificates: string(),
  caCrl: string(),
  credentialName: string(),
  credentialNames: array(string()),
  caCertCredentialName: string(),
  tlsCertificates: array(object({ serverCertificate: string(), privateKey: string(), caCertificates: string() })),
  subjectAltNames: array(string()),
  verifyCertificateSpki: array(string()),
  verifyCertificateHash: array(string()),
  minProtocolVersion: tlsProtocol,
  maxProtocolVersion: tlsProtocol,
  cipherSuites: array(string()),
  insecureSkipVerify: boolean(),
});
export type ServerTls = Infer<typeof serverTls>;
