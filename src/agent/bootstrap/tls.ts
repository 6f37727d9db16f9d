import { isIP } from 'node:net';
import type { ClientTls } from '../environment/proxy-config.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

/** What the agent serves of certificates, as a context names it. */
export function secret(name: string): object {
  return {
    name,
    sds_config: {
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
      },
      initial_fetch_timeout: '0s',
      resource_api_version: 'V3',
    },
  };
}

interface TlsContext {
  readonly sni?: string | undefined;
  readonly alpn?: readonly string[];
  /** Secret of the certificate that is presented; undefined presents none. */
  readonly certificate?: string | undefined;
  /** Secret of the roots; undefined takes whoever answers. */
  readonly roots?: string | undefined;
  /** Names of which the server's certificate must have one; empty takes any. */
  readonly names: readonly string[];
}

/** `transport_socket` of a cluster. */
export function tlsSocket({ sni, alpn, certificate, roots, names }: TlsContext): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': TLS,
      ...(sni !== undefined && { sni }),
      common_tls_context: {
        ...(alpn && { alpn_protocols: alpn }),
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
        ...(certificate !== undefined && { tls_certificate_sds_secret_configs: [secret(certificate)] }),
        ...(roots !== undefined && {
          combined_validation_context: {
            default_validation_context:
              names.length > 0
                ? {
                    match_typed_subject_alt_names: names.map((exact) => ({
                      san_type: kindOf(exact),
                      matcher: { exact },
                    })),
                  }
                : {},
            validation_context_sds_secret_config: secret(roots),
          },
        }),
      },
    },
  };
}

function kindOf(name: string): string {
  if (isIP(name) !== 0) return 'IP_ADDRESS';
  return name.includes('://') ? 'URI' : 'DNS';
}

/**
 * `transport_socket` for a service that the configuration of a proxy names, by its `tlsSettings`; undefined is in clear.
 * Files are the agent's to read and to watch. A server that nothing is said of to verify it by must be known to
 * `systemRoots`.
 */
export function serviceTls(
  tls: ClientTls | undefined,
  cluster: string,
  http2: boolean,
  systemRoots: string | undefined,
): object | undefined {
  const { mode = 'DISABLE', clientCertificate, privateKey, caCertificates, subjectAltNames = [], sni } = tls ?? {};
  if (mode === 'DISABLE') return undefined;
  const alpn = http2 ? { alpn: ['h2'] } : {};
  if (mode === 'ISTIO_MUTUAL') {
    const names = subjectAltNames;
    return tlsSocket({ sni: sni || cluster, ...alpn, certificate: 'default', roots: 'ROOTCA', names });
  }
  const file = caCertificates || systemRoots;
  return tlsSocket({
    ...(sni && { sni }),
    ...alpn,
    certificate: mode === 'MUTUAL' ? `file-cert:${clientCertificate}~${privateKey}` : undefined,
    roots: tls?.insecureSkipVerify || file === undefined ? undefined : `file-root:${file}`,
    names: subjectAltNames,
  });
}

/** Whether the roots of the system are needed to verify a server. */
export function needsSystemRoots(tls: ClientTls | undefined): boolean {
  const { mode, caCertificates, insecureSkipVerify } = tls ?? {};
  return (mode === 'SIMPLE' || mode === 'MUTUAL') && !caCertificates && !insecureSkipVerify;
}
