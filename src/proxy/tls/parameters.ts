import tls from 'node:tls';
import {
  TlsParameters_TlsProtocol as Protocol,
  type TlsParameters,
} from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts';
import { messageOf } from '../../base/errors.ts';
import type { ConfigErrors } from '../config/errors.ts';

/** TlsParameters as OpenSSL takes them, Envoy's defaults filled in. */
export interface Parameters {
  readonly minVersion: tls.SecureVersion;
  readonly maxVersion: tls.SecureVersion;
  readonly ciphers: string;
  readonly ecdhCurve: string;
  /** Undefined for OpenSSL's own list. */
  readonly sigalgs: string | undefined;
}

const VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;
const CIPHERS_1_3 = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
const DEFAULT_CIPHERS =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:' +
  'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:' +
  'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384';
/** OpenSSL's own list would cost a fifth of every handshake. */
const DEFAULT_CURVES = 'X25519:P-256';
const CURVES: ReadonlySet<string> = new Set(['X25519', 'P-256', 'P-384', 'P-521', 'X25519MLKEM768', 'MLKEM1024']);

/** Names of RFC 8446 that BoringSSL knows -> OpenSSL's. */
const SIGNATURE_ALGORITHMS: Readonly<Record<string, string>> = {
  rsa_pkcs1_sha256: 'RSA+SHA256',
  rsa_pkcs1_sha384: 'RSA+SHA384',
  rsa_pkcs1_sha512: 'RSA+SHA512',
  ecdsa_secp256r1_sha256: 'ECDSA+SHA256',
  ecdsa_secp384r1_sha384: 'ECDSA+SHA384',
  ecdsa_secp521r1_sha512: 'ECDSA+SHA512',
  rsa_pss_rsae_sha256: 'rsa_pss_rsae_sha256',
  rsa_pss_rsae_sha384: 'rsa_pss_rsae_sha384',
  rsa_pss_rsae_sha512: 'rsa_pss_rsae_sha512',
  ed25519: 'ed25519',
  rsa_pkcs1_sha1: 'RSA+SHA1',
  ecdsa_sha1: 'ECDSA+SHA1',
};

/**
 * Reads TlsParameters. Left to themselves servers take TLS 1.2 and 1.3, and clients, as Envoy's, TLS 1.2 only. What
 * OpenSSL will not take goes to `errors`.
 */
export function tlsParameters(proto: TlsParameters | undefined, isServer: boolean, errors: ConfigErrors): Parameters {
  const min = version(proto?.tlsMinimumProtocolVersion, Protocol.TLSv1_2);
  const max = version(proto?.tlsMaximumProtocolVersion, isServer ? Protocol.TLSv1_3 : Protocol.TLSv1_2);
  // A client that is told to begin at 1.3 has been told where to end, too.
  const top = proto?.tlsMaximumProtocolVersion ? max : Math.max(min, max);
  const before = errors.list.length;
  if (min > top) errors.add('tls_maximum_protocol_version', 'is below tls_minimum_protocol_version');
  const ciphers = cipherList(proto?.cipherSuites ?? [], errors.at('cipher_suites'));
  // OpenSSL keeps TLS 1.0 and 1.1 for those who lower its security level.
  const level = min < Protocol.TLSv1_2 ? ':@SECLEVEL=0' : '';
  const parameters: Parameters = {
    minVersion: VERSIONS[min - 1],
    maxVersion: VERSIONS[top - 1],
    ciphers: `${CIPHERS_1_3}:${ciphers}${level}`,
    ecdhCurve: curveList(proto?.ecdhCurves ?? [], errors.at('ecdh_curves')),
    sigalgs: signatureAlgorithms(proto?.signatureAlgorithms ?? [], errors.at('signature_algorithms')),
  };
  return errors.list.length === before ? judged(parameters, errors) : parameters;
}

/** Parameters that OpenSSL has taken, by what they are: a mesh has a handful, for thousands of contexts. */
const taken = new Map<string, Parameters>();
const MAX_TAKEN = 64;

/** Lets OpenSSL judge, which alone knows what it will take. Equal parameters come back as one object. */
function judged(parameters: Parameters, errors: ConfigErrors): Parameters {
  const key = JSON.stringify(parameters);
  const known = taken.get(key);
  if (known) return known;
  try {
    tls.createSecureContext({ ...parameters, ca: [] });
  } catch (error) {
    errors.add('', messageOf(error));
    return parameters;
  }
  if (taken.size >= MAX_TAKEN) taken.clear();
  taken.set(key, parameters);
  return parameters;
}

const version = (given: number | undefined, otherwise: number): number => given || otherwise;

let known: ReadonlySet<string> | undefined;

function cipherList(suites: readonly string[], errors: ConfigErrors): string {
  if (suites.length === 0) return DEFAULT_CIPHERS;
  known ??= new Set(tls.getCiphers().map((name) => name.toUpperCase()));
  const names: string[] = [];
  for (const [i, suite] of suites.entries()) {
    // `[A|B]` leaves the choice among equals to the client; a client that wants ChaCha gets it anyway.
    for (const name of suite.replace(/^\[(.*)\]$/, '$1').split(/[|:]/)) {
      if (/^[A-Z0-9-]+$/.test(name) && known.has(name)) names.push(name);
      else errors.at(i).add('', `${JSON.stringify(name)} is not a cipher suite of TLS 1.2 or below that is supported`);
    }
  }
  return names.join(':');
}

function curveList(curves: readonly string[], errors: ConfigErrors): string {
  for (const [i, curve] of curves.entries()) {
    if (!CURVES.has(curve))
      errors.at(i).add('', `${JSON.stringify(curve)} is not supported; there are ${[...CURVES].join(', ')}`);
  }
  return curves.length > 0 ? curves.join(':') : DEFAULT_CURVES;
}

function signatureAlgorithms(algorithms: readonly string[], errors: ConfigErrors): string | undefined {
  if (algorithms.length === 0) return undefined;
  return algorithms
    .map((name, i) => {
      const known = Object.hasOwn(SIGNATURE_ALGORITHMS, name) ? SIGNATURE_ALGORITHMS[name] : undefined;
      if (known === undefined) errors.at(i).add('', `${JSON.stringify(name)} is not supported`);
      return known ?? '';
    })
    .join(':');
}
