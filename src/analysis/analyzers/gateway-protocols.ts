import { isHttp, parseProtocol } from '../../registry/protocol.ts';
import type { Analyzer } from '../analyzer.ts';
import { fullName, type Resource } from '../resource.ts';
import { shareWorkload } from './gateway-conflicts.ts';

/**
 * Servers that are left out because an earlier Gateway has made another protocol of their port: plain HTTP goes with
 * plain HTTP, TLS with TLS, and nothing with opaque TCP.
 */
export const gatewayProtocolsAnalyzer: Analyzer = {
  name: 'isthmus.GatewayProtocolAnalyzer',
  description: 'Checks that gateways of the same workload agree on the protocol of a port',
  analyze(context) {
    const claims: Claim[] = [];
    for (const gateway of context.list('Gateway')) {
      for (const [i, { port, bind = '' }] of (gateway.spec.servers ?? []).entries()) {
        const { number, protocol = '' } = port ?? {};
        const kind = kindOf(protocol);
        if (number === undefined || kind === undefined) continue;
        const rival = claims.find(
          (claim) =>
            claim.number === number &&
            claim.bind === bind &&
            claim.kind !== kind &&
            shareWorkload(claim.gateway, gateway, context),
        );
        if (rival === undefined) claims.push({ gateway, number, bind, protocol, kind });
        else {
          const parameters = [number, protocol, rival.protocol, fullName(rival.gateway)];
          context.report('ISTH0004', gateway, parameters, ['spec', 'servers', i, 'port', 'protocol']);
        }
      }
    }
  },
};

/** A server that has its port. */
interface Claim {
  readonly gateway: Resource<'Gateway'>;
  readonly number: number;
  readonly bind: string;
  readonly protocol: string;
  readonly kind: 'http' | 'tls' | 'tcp';
}

/** Protocols of one kind can share a port. */
function kindOf(protocol: string): 'http' | 'tls' | 'tcp' | undefined {
  const known = parseProtocol(protocol);
  if (known === 'Unsupported') return undefined;
  if (isHttp(known)) return 'http';
  return known === 'HTTPS' || known === 'TLS' ? 'tls' : 'tcp';
}
