import type { ServerTls } from '../../config/kinds/shared/tls.ts';
import type { Analyzer } from '../analyzer.ts';
import { fullName, type Loose } from '../resource.ts';
import { selects } from '../selectors.ts';

/**
 * Gateways of the same workload that share a certificate: a browser that has a connection for one host uses it for the
 * other's too (HTTP/2 connection reuse, RFC 9113 section 9.1.1), where it gets 404.
 */
export const gatewayCertificatesAnalyzer: Analyzer = {
  name: 'gateway.CertificateAnalyzer',
  description: 'Checks a gateway certificate',
  analyze(context) {
    const gateways = context.list('Gateway');
    for (const gateway of gateways) {
      for (const other of gateways) {
        if (other === gateway || !selects(gateway.spec.selector, (other.spec.selector ?? {}) as Record<string, string>))
          continue;
        const isShared = (gateway.spec.servers ?? []).some((a) =>
          (other.spec.servers ?? []).some((b) => isSameCertificate(a.tls, b.tls)),
        );
        if (!isShared) continue;
        context.report('IST0138', gateway, [[fullName(gateway), fullName(other)]], ['metadata', 'name']);
      }
    }
  },
};

function isSameCertificate(a: Loose<ServerTls> | undefined, b: Loose<ServerTls> | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  if (a.credentialName || b.credentialName) return a.credentialName === b.credentialName;
  if (!a.serverCertificate || !a.privateKey) return false;
  return a.serverCertificate === b.serverCertificate && a.privateKey === b.privateKey;
}
