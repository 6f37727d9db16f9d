import type { ClientHello } from '../../wire/clienthello/clienthello.ts';
import type { KeyPair } from './key-pair.ts';

/** Curves of TLS (`supported_groups`) -> OpenSSL's names. */
const GROUPS: ReadonlyMap<number, string> = new Map([
  [23, 'prime256v1'],
  [24, 'secp384r1'],
  [25, 'secp521r1'],
]);
/** `ecdsa_secp*` signatures of RFC 8446 section 4.2.3, by curve. */
const SIGNATURES: ReadonlyMap<number, string> = new Map([
  [0x0403, 'prime256v1'],
  [0x0503, 'secp384r1'],
  [0x0603, 'secp521r1'],
]);
const TLS_1_3 = 0x0304;
/** Cipher suites of TLS 1.2 and below that authenticate with ECDSA. */
const ECDSA_SUITES: ReadonlySet<number> = new Set([0xc009, 0xc00a, 0xc023, 0xc024, 0xc02b, 0xc02c, 0xcca9]);

type KeyPairs<T> = readonly (readonly [KeyPair, T])[];

/**
 * Chooses among the certificates of a server as Envoy does: by the server name that the client asks for, exact before
 * wildcard, and among those of one name by what the client can verify, ECDSA before RSA. Without a match the first
 * certificate is used, or with `full_scan_certs_on_sni_mismatch` the first that the client can verify.
 */
export class CertificateSelector<T> {
  readonly #all: KeyPairs<T>;
  readonly #byName = new Map<string, (readonly [KeyPair, T])[]>();
  readonly #fullScan: boolean;

  /** `all` must not be empty. */
  constructor(all: KeyPairs<T>, fullScan: boolean) {
    this.#all = all;
    this.#fullScan = fullScan;
    for (const entry of all) {
      const { leaf, keyType } = entry[0];
      const names = leaf.hasNames ? leaf.namesOf('dns') : [leaf.commonName];
      for (const name of names) {
        const key = name.startsWith('*.') ? name.slice(1) : name;
        const list = this.#byName.get(key) ?? [];
        if (list.some(([other]) => other.keyType === keyType)) continue;
        list.push(entry);
        this.#byName.set(key, list);
      }
    }
  }

  select(hello: ClientHello): T {
    if (this.#all.length === 1) return this.#all[0][1];
    const curves = ecdsaCurves(hello);
    const { sni } = hello;
    if (sni !== '') {
      const dot = sni.indexOf('.', 1);
      const found =
        best(this.#byName.get(sni), curves) ??
        (dot > 0 && dot < sni.length - 1 ? best(this.#byName.get(sni.slice(dot)), curves) : undefined);
      if (found) return found[1];
      if (!this.#fullScan) return this.#all[0][1];
    }
    return (best(this.#all, curves) ?? this.#all[0])[1];
  }
}

/** The first ECDSA certificate that the client can verify, or else the first RSA one. */
function best<T>(entries: KeyPairs<T> | undefined, curves: ReadonlySet<string>): readonly [KeyPair, T] | undefined {
  return (
    entries?.find(([pair]) => pair.curve !== undefined && curves.has(pair.curve)) ??
    entries?.find(([pair]) => pair.keyType === 'rsa')
  );
}

/** Curves of the ECDSA certificates that a client takes. */
function ecdsaCurves(hello: ClientHello): ReadonlySet<string> {
  const curves = new Set<string>();
  if (hello.supportedVersions.includes(TLS_1_3)) {
    for (const algorithm of hello.signatureAlgorithms) {
      const curve = SIGNATURES.get(algorithm);
      if (curve) curves.add(curve);
    }
    return curves;
  }
  if (!hello.cipherSuites.some((suite) => ECDSA_SUITES.has(suite))) return curves;
  for (const group of hello.groups) {
    const curve = GROUPS.get(group);
    if (curve) curves.add(curve);
  }
  return curves;
}
