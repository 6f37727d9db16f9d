import { formatWorkloadIdentity, type WorkloadIdentity } from '../../base/spiffe.ts';
import { AuthenticationError, type Authenticator, bearerToken } from '../../ca/tokens/authenticator.ts';
import type { ProxyNode } from '../../translate/node.ts';
import { GrpcCode, type GrpcStatus } from '../../xds/server/status.ts';

/** What the transport knows of whoever opens a stream. */
export interface StreamPeer {
  /** `IP:PORT`. */
  readonly address: string;
  readonly authorization: string | undefined;
  /** DER, leaf first, from a TLS handshake; undefined without one. */
  readonly certificates: readonly Uint8Array[] | undefined;
}

/**
 * Who opens a stream on the secured port. Resolves to an identity, or to the status with which it is refused: the same
 * for every reason, which only `onRefused` is told.
 */
export async function authenticate(
  peer: StreamPeer,
  authenticators: readonly Authenticator[],
  onRefused: (reason: string) => void,
): Promise<WorkloadIdentity | GrpcStatus> {
  const credentials = { bearer: bearerToken(peer.authorization), peerCertificates: peer.certificates };
  const reasons: string[] = [];
  for (const authenticator of authenticators) {
    try {
      const caller = await authenticator.authenticate(credentials);
      if (caller) return caller.identity;
      reasons.push(`${authenticator.name}: no credential`);
    } catch (error) {
      if (!(error instanceof AuthenticationError)) throw error;
      reasons.push(`${authenticator.name}: ${error.message}`);
    }
  }
  onRefused(reasons.join('; '));
  return { code: GrpcCode.Unauthenticated, message: 'authentication failure' };
}

/**
 * Why a proxy with this identity may not call itself that (`PILOT_ENABLE_XDS_IDENTITY_CHECK`): namespace, and service
 * account if it names one, must be those of its identity. Undefined if it may.
 */
export function identityProblem(node: ProxyNode, identity: WorkloadIdentity): string | undefined {
  const sameNamespace = node.namespace === '' || node.namespace === identity.namespace;
  const sameAccount = node.serviceAccount === '' || node.serviceAccount === identity.serviceAccount;
  if (sameNamespace && sameAccount) return undefined;
  const claimed = [node.namespace, node.serviceAccount].filter((part) => part !== '').join('/');
  return `no identities ([${formatWorkloadIdentity(identity)}]) matched ${claimed}`;
}
