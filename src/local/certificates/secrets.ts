import { X509Certificate } from 'node:crypto';
import { Certificate } from '../../ca/x509/certificate.ts';
import { parsePem } from '../../ca/x509/pem.ts';

/** A secret that a proxy uses: the chain that it presents, or the certificates that it trusts. */
export interface UsedSecret {
  readonly name: string;
  readonly use: 'presents' | 'trusts';
  readonly certificates: readonly Certificate[];
}

/** Envoy's answer to `/config_dump?resource=dynamic_active_secrets`, as far as certificates are concerned. */
interface Dump {
  readonly configs?: readonly {
    readonly name?: string;
    readonly secret?: {
      readonly name?: string;
      readonly tls_certificate?: { readonly certificate_chain?: Inline };
      readonly validation_context?: { readonly trusted_ca?: Inline };
    };
  }[];
}

interface Inline {
  readonly inline_bytes?: string;
  readonly inline_string?: string;
}

/** The certificates of the secrets in a dump. What is not inline, or cannot be read, is left out. */
export function usedSecrets(dump: unknown): UsedSecret[] {
  return ((dump as Dump).configs ?? []).flatMap(({ name, secret }): UsedSecret[] => {
    const resource = name ?? secret?.name ?? '';
    const chain = certificatesOf(secret?.tls_certificate?.certificate_chain);
    const trusted = certificatesOf(secret?.validation_context?.trusted_ca);
    return [
      ...(chain.length > 0 ? [{ name: resource, use: 'presents' as const, certificates: chain }] : []),
      ...(trusted.length > 0 ? [{ name: resource, use: 'trusts' as const, certificates: trusted }] : []),
    ];
  });
}

/** Names of the secrets in Envoy's answer to `/config_dump?resource=dynamic_warming_secrets`: asked for, and not come. */
export function waitingSecrets(dump: unknown): string[] {
  return ((dump as Dump).configs ?? []).flatMap(({ name, secret }) => name ?? secret?.name ?? []);
}

function certificatesOf(source: Inline | undefined): Certificate[] {
  const { inline_bytes: bytes, inline_string: string } = source ?? {};
  return readCertificates(bytes === undefined ? (string ?? '') : Buffer.from(bytes, 'base64').toString('latin1'));
}

/** The certificates of a PEM text, without those that cannot be read. */
export function readCertificates(pem: string): Certificate[] {
  try {
    return parsePem(pem, 'PEM').flatMap(({ label, der }) => {
      if (label !== 'CERTIFICATE') return [];
      try {
        // What OpenSSL takes and we do not is not worth failing a list for.
        return [new Certificate(new X509Certificate(der).raw)];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}
