import { create } from '@bufbuild/protobuf';
import {
  type TlsParameters,
  TlsParameters_TlsProtocol,
  TlsParametersSchema,
} from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts';
import type { CommonTlsContext } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts';
import type { MeshConfig } from '../../config/kinds/mesh-config/schema.ts';
import type { ServerTls } from '../../config/kinds/shared/tls.ts';
import { CIPHER_SUITES } from '../../config/validation/tls.ts';

/** Protocols that mutual TLS inside the mesh offers. */
export const ALPN_MESH = ['istio'];
export const ALPN_MESH_WITH_EXCHANGE = ['istio-peer-exchange', 'istio'];
export const ALPN_MESH_H2 = ['istio', 'h2'];
export const ALPN_MESH_H2_WITH_EXCHANGE = ['istio-peer-exchange', 'istio', 'h2'];
export const ALPN_HTTP = ['h2', 'http/1.1'];
export const ALPN_H2 = ['h2'];
/** What a workload's TCP port takes. */
export const ALPN_TCP = ['istio', 'h2', 'http/1.1'];
export const ALPN_TCP_WITH_EXCHANGE = ['istio-peer-exchange', 'h2', 'http/1.1'];

/** What the mesh's own peers negotiate over TLS 1.2: what is in use today, all with forward secrecy or AES-GCM. */
export const MESH_CIPHERS = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-GCM-SHA256',
];

const PROTOCOLS = {
  TLS_AUTO: TlsParameters_TlsProtocol.TLS_AUTO,
  TLSV1_0: TlsParameters_TlsProtocol.TLSv1_0,
  TLSV1_1: TlsParameters_TlsProtocol.TLSv1_1,
  TLSV1_2: TlsParameters_TlsProtocol.TLSv1_2,
  TLSV1_3: TlsParameters_TlsProtocol.TLSv1_3,
} as const;

/** Envoy's number of a version by Istio's name. */
export function tlsProtocol(name: keyof typeof PROTOCOLS): TlsParameters_TlsProtocol {
  return PROTOCOLS[name];
}

/** The TLS parameters of a context, made if it has none. */
function paramsOf(context: CommonTlsContext): TlsParameters {
  context.tlsParams ??= create(TlsParametersSchema);
  return context.tlsParams;
}

/** MeshConfig `tlsDefaults` for what is not mutual TLS of the mesh. */
export function applyTlsDefaults(
  context: CommonTlsContext,
  defaults: MeshConfig['tlsDefaults'],
  server: boolean,
): void {
  if (defaults === undefined) return;
  if (defaults.ecdhCurves?.length) paramsOf(context).ecdhCurves = [...defaults.ecdhCurves];
  if (defaults.cipherSuites?.length) paramsOf(context).cipherSuites = [...defaults.cipherSuites];
  if (server && defaults.minProtocolVersion !== undefined && defaults.minProtocolVersion !== 'TLS_AUTO') {
    paramsOf(context).tlsMinimumProtocolVersion = tlsProtocol(defaults.minProtocolVersion);
  }
}

/** Versions and ciphers of a Gateway's or Sidecar's server. */
export function applyServerTls(context: CommonTlsContext, tls: ServerTls): void {
  const { minProtocolVersion, maxProtocolVersion, cipherSuites } = tls;
  if (minProtocolVersion !== undefined && minProtocolVersion !== 'TLS_AUTO') {
    paramsOf(context).tlsMinimumProtocolVersion = tlsProtocol(minProtocolVersion);
  }
  const suites = knownCipherSuites(cipherSuites ?? []);
  if (suites.length > 0) paramsOf(context).cipherSuites = suites;
  if (maxProtocolVersion !== undefined && maxProtocolVersion !== 'TLS_AUTO') {
    paramsOf(context).tlsMaximumProtocolVersion = tlsProtocol(maxProtocolVersion);
  }
}

/** Suites that Envoy knows, each once: one that it does not know would make it refuse the whole listener. */
function knownCipherSuites(suites: readonly string[]): string[] {
  return [...new Set(suites)].filter((suite) => CIPHER_SUITES.has(suite));
}

const APPROVED_CIPHERS: ReadonlySet<string> = new Set([
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
]);

/** COMPLIANCE_POLICY=fips-140-2: TLS 1.2 and, of the suites that were asked for, those that are approved. */
export function enforceCompliance(context: CommonTlsContext, policy: '' | 'fips-140-2'): void {
  if (policy !== 'fips-140-2') return;
  const params = paramsOf(context);
  params.tlsMinimumProtocolVersion = TlsParameters_TlsProtocol.TLSv1_2;
  params.tlsMaximumProtocolVersion = TlsParameters_TlsProtocol.TLSv1_2;
  params.cipherSuites = params.cipherSuites.filter((suite) => APPROVED_CIPHERS.has(suite));
  params.ecdhCurves = [];
}
