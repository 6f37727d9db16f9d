import { messageOf, UserError } from '../../base/errors.ts';
import type { CsrClient } from '../client/csr-client.ts';
import type { RemoteSigner } from './remote-authority.ts';

/**
 * Another `istio.v1.auth.IstioCertificateService`, such as that of another control plane: each workload is named in the
 * field by which Istio's node proxies ask for others (`ImpersonatedIdentity`), so the other side must allow it to us.
 */
export function csrSigner(client: CsrClient, source: string): RemoteSigner {
  return {
    source,
    async sign(csr, { identity }, ttlMs) {
      if (identity === undefined)
        throw new UserError(
          `${source} certifies workloads only; give the control plane a certificate of its own: with --tlsCertFile, --tlsKeyFile and --caCertFile, or in a mesh of "isthmus up" with the Secret istiod-tls in its namespace`,
        );
      try {
        const texts = await client.request(csr, ttlMs, identity);
        return { chain: texts.slice(0, -1).join('\n'), roots: texts.at(-1) ?? '' };
      } catch (error) {
        throw new UserError(`${source} refuses ${identity}: ${messageOf(error)}`);
      }
    },
  };
}
