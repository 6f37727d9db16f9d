import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type TransportSocket, TransportSocketSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import {
  TlsParameters_TlsProtocol,
  type TlsParametersSchema,
} from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts';
import type { SdsSecretConfigSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import {
  type CommonTlsContextSchema,
  type DownstreamTlsContext,
  DownstreamTlsContextSchema,
} from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts';
import type { ServerTls } from '../../config/kinds/shared/tls.ts';
import type { CertificateFiles } from '../node.ts';
import { filter } from '../proto/any.ts';
import { exact, prefixed } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import {
  ALPN_HTTP,
  ALPN_TCP,
  ALPN_TCP_WITH_EXCHANGE,
  applyServerTls,
  applyTlsDefaults,
  enforceCompliance,
  MESH_CIPHERS,
} from './params.ts';
import {
  agentSecret,
  CA_SUFFIX,
  credentialSecret,
  fileCertificate,
  fileRoots,
  WORKLOAD_CERTIFICATE,
  WORKLOAD_ROOTS,
} from './sds.ts';

type Common = MessageInitShape<typeof CommonTlsContextSchema> & object;
type Sds = MessageInitShape<typeof SdsSecretConfigSchema>;

/** The transport socket of a filter chain that ends TLS. */
export function downstreamSocket(context: DownstreamTlsContext): TransportSocket {
  return create(TransportSocketSchema, filter('envoy.transport_sockets.tls', DownstreamTlsContextSchema, context));
}

/** Mutual TLS of a sidecar's ports: any workload of the mesh may connect, and policies decide what it may do. */
export function mutualTlsContext(proxy: ProxyView, http: boolean): DownstreamTlsContext {
  const { features, mesh, node } = proxy;
  const exchange = features.metadataExchange && !features.disableMxAlpn;
  const trustDomains = features.skipValidateTrustDomain
    ? []
    : [...new Set([mesh.trustDomain, ...mesh.trustDomainAliases])];
  const { minProtocolVersion, cipherSuites, ecdhCurves } = mesh.meshMTLS ?? {};
  const params: MessageInitShape<typeof TlsParametersSchema> = {
    tlsMinimumProtocolVersion:
      minProtocolVersion === 'TLSV1_3' ? TlsParameters_TlsProtocol.TLSv1_3 : TlsParameters_TlsProtocol.TLSv1_2,
    tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
    cipherSuites: cipherSuites?.length ? [...cipherSuites] : [...MESH_CIPHERS],
    ecdhCurves: [...(ecdhCurves ?? [])],
  };
  const context = create(DownstreamTlsContextSchema, {
    commonTlsContext: {
      tlsParams: params,
      alpnProtocols: http || !exchange ? [...ALPN_HTTP] : [...ALPN_TCP_WITH_EXCHANGE],
      ...certificates(node.serverCertificates, undefined),
      ...clientValidation(
        node.serverCertificates?.root,
        trustDomains.map((domain) => prefixed(`spiffe://${domain}/`)),
        undefined,
      ),
    },
    requireClientCertificate: true,
  });
  enforceCompliance(context.commonTlsContext!, features.compliancePolicy);
  return context;
}

/** Certificates in files, which the agent serves so that they can be replaced; the workload's own without any. */
function certificates(
  files: CertificateFiles | undefined,
  several: ServerTls['tlsCertificates'],
): { tlsCertificateSdsSecretConfigs: Sds[] } {
  const pairs = several?.length
    ? several.map(({ serverCertificate, privateKey }) => [serverCertificate, privateKey] as const)
    : [[files?.chain, files?.key] as const];
  return {
    tlsCertificateSdsSecretConfigs: pairs.map(([certificate, key]) =>
      agentSecret(certificate && key ? fileCertificate(certificate, key) : WORKLOAD_CERTIFICATE),
    ),
  };
}

type StringMatch = ReturnType<typeof exact> | ReturnType<typeof prefixed>;

function clientValidation(
  rootFile: string | undefined,
  matchSubjectAltNames: StringMatch[],
  crl: string | undefined,
): Pick<Common, 'validationContextType'> {
  return {
    validationContextType: {
      case: 'combinedValidationContext',
      value: {
        defaultValidationContext: {
          matchSubjectAltNames,
          ...(crl ? { crl: { specifier: { case: 'filename', value: crl } } } : {}),
        },
        validationContextSdsSecretConfig: agentSecret(rootFile ? fileRoots(rootFile) : WORKLOAD_ROOTS),
      },
    },
  };
}

/** TLS that a person describes: of a Gateway's server, or of a Sidecar's ingress listener. `tcp`: there is no HTTP inside. */
export function serverTlsContext(proxy: ProxyView, tls: ServerTls, tcp: boolean): DownstreamTlsContext {
  const { features, mesh } = proxy;
  const meshTls = tls.mode === 'ISTIO_MUTUAL';
  const required = tls.mode === 'MUTUAL' || meshTls;
  const validates = required || tls.mode === 'OPTIONAL_MUTUAL';
  const byCredential = !meshTls && Boolean(tls.credentialNames?.length || tls.credentialName);
  const context = create(DownstreamTlsContextSchema, {
    commonTlsContext: {
      alpnProtocols:
        meshTls && tcp ? (features.disableMxAlpn ? [...ALPN_TCP] : [...ALPN_TCP_WITH_EXCHANGE]) : [...ALPN_HTTP],
      ...(byCredential ? fromCredentials(proxy, tls) : fromFiles(proxy, tls, validates)),
    },
    requireClientCertificate: required,
  });
  const common = context.commonTlsContext!;
  if (tls.mode === 'SIMPLE' || tls.mode === 'MUTUAL' || tls.mode === 'OPTIONAL_MUTUAL') {
    applyTlsDefaults(common, mesh.tlsDefaults, true);
    applyServerTls(common, tls);
  }
  enforceCompliance(common, features.compliancePolicy);
  return context;
}

function fromFiles(proxy: ProxyView, tls: ServerTls, validates: boolean): Common {
  const own = tls.mode === 'ISTIO_MUTUAL';
  const files = own
    ? proxy.node.serverCertificates
    : { chain: tls.serverCertificate ?? '', key: tls.privateKey ?? '', root: tls.caCertificates ?? '' };
  const names = (tls.subjectAltNames ?? []).map(exact);
  return {
    ...certificates(files, own ? undefined : tls.tlsCertificates),
    ...(validates ? clientValidation(files?.root, names, tls.caCrl) : {}),
  };
}

/** Secrets that the control plane serves. Of several certificates, the first's authority is for all clients. */
function fromCredentials(proxy: ProxyView, tls: ServerTls): Common {
  const secret = (name: string) => credentialSecret(name, proxy.node.credentialSocket);
  const names = tls.credentialNames?.length ? tls.credentialNames : [tls.credentialName!];
  const matchSubjectAltNames = (tls.subjectAltNames ?? []).map(exact);
  const common: Common = { tlsCertificateSdsSecretConfigs: names.map(secret) };
  if (tls.mode === 'MUTUAL' || tls.mode === 'OPTIONAL_MUTUAL') {
    return {
      ...common,
      validationContextType: {
        case: 'combinedValidationContext',
        value: {
          defaultValidationContext: {
            matchSubjectAltNames,
            verifyCertificateSpki: [...(tls.verifyCertificateSpki ?? [])],
            verifyCertificateHash: [...(tls.verifyCertificateHash ?? [])],
          },
          validationContextSdsSecretConfig: secret(tls.caCertCredentialName || names[0]! + CA_SUFFIX),
        },
      },
    };
  }
  if (matchSubjectAltNames.length === 0) return common;
  return { ...common, validationContextType: { case: 'validationContext', value: { matchSubjectAltNames } } };
}
