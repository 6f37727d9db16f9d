import type { Headers } from '../../wire/headers.ts';
import type { Connection } from '../net/connection.ts';
import type { HcmConfig } from './config.ts';

const NAME = 'x-forwarded-client-cert';

/**
 * `forward_client_cert_details`: what of `x-forwarded-client-cert` goes on, and what this proxy adds. Without mutual
 * TLS there is nothing to vouch for the header, and it goes, unless it is always forwarded.
 */
export function forwardClientCert(headers: Headers, connection: Connection, config: HcmConfig): void {
  const mode = config.forwardClientCert;
  if (mode === 'always-forward-only') return;
  const peer = connection.tls?.peer;
  if (mode === 'sanitize' || peer === undefined) {
    headers.remove(NAME);
    return;
  }
  if (mode === 'forward-only') return;
  const details = config.clientCertDetails;
  const parts: string[] = [];
  for (const san of connection.tls!.localUriSans) parts.push(`By=${san}`);
  parts.push(`Hash=${peer.sha256}`);
  if (details?.cert) parts.push(`Cert="${peer.pem()}"`);
  if (details?.chain) parts.push(`Chain="${peer.chainPem()}"`);
  // In the form of RFC 2253 quotes are escaped already.
  if (details?.subject) parts.push(`Subject="${peer.subject}"`);
  if (details?.uri) {
    if (peer.uriSans.length === 0) parts.push('URI=');
    for (const san of peer.uriSans) parts.push(`URI=${san}`);
  }
  if (details?.dns) for (const san of peer.dnsSans) parts.push(`DNS=${san}`);
  const element = parts.join(';');
  if (mode === 'append-forward') headers.append(NAME, element);
  else headers.set(NAME, element);
}
