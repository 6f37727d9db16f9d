import type { WorkloadState } from '../client/state.ts';
import type { CertificateSecret, ValidationSecret } from './secret.ts';

/** Names under which Istio's proxies ask for their own certificate and for the mesh's roots. */
export const WORKLOAD_CERTIFICATE = 'default';
export const WORKLOAD_ROOTS = 'ROOTCA';

/** The secret `default`; undefined while there is no valid certificate. */
export function workloadCertificateSecret({ certificate }: WorkloadState): CertificateSecret | undefined {
  return (
    certificate && {
      type: 'certificate',
      name: WORKLOAD_CERTIFICATE,
      certificateChain: certificate.chain,
      privateKey: certificate.key,
    }
  );
}

/** The secret `ROOTCA`; undefined while no roots are known. */
export function workloadRootsSecret({ roots, crl }: WorkloadState): ValidationSecret | undefined {
  if (roots === '') return undefined;
  return { type: 'validation', name: WORKLOAD_ROOTS, trustedCa: roots, ...(crl !== undefined && { crl }) };
}
