import { isHttp, parseProtocol } from '../../registry/protocol.ts';
import type { Analyzer } from '../analyzer.ts';
import { fullName } from '../resource.ts';
import { shareWorkload } from './gateway-conflicts.ts';

/**
 * Servers that are left out because an earlier Gateway has made another protocol of their port: plain HTTP goes with
 * plain HTTP, TLS with TLS, and nothing with opaque TCP.
 */
export const gatewayProtocolsAnalyzer: Analyzer = {
  name: 'isthmus.GatewayProtocolAnalyzer',
  description: 'Checks that gateways of the same workload agree on the protocol of a port',
  analyze(context) {
    const gateways = context.list('Gateway');
    for (const [at, gateway] of gateways.entries()) {
      const earlier = gateways.slice(0, at).filter((other) => shareWorkload(gateway, other, context));
      for (const [i, server] of (gateway.spec.servers ?? []).entries()) {
        const protocol = server.port?.protocol ?? '';
        const number = server.port?.number;
        if (number === undefined || classOf(protocol) === undefined) continue;
        for (const other of earlier) {
          const rival = (other.spec.servers ?? []).find(
            ({ port, bind = '' }) =>
              port?.number === number &&
              bind === (server.bind ?? '') &&
              classOf(port.protocol ?? '') !== undefined &&
              classOf(port.protocol ?? '') !== classOf(protocol),
          );
          if (rival === undefined) continue;
          const parameters = [number, protocol, rival.port?.protocol ?? '', fullName(other)];
          context.report('ISTH0004', gateway, parameters, ['spec', 'servers', i, 'port', 'protocol']);
          break;
        }
      }
    }
  },
};

/** Protocols of one class can share a port. */
function classOf(protocol: string): 'http' | 'tls' | 'tcp' | undefined {
  const known = parseProtocol(protocol);
  if (known === 'Unsupported') return undefined;
  if (isHttp(known)) return 'http';
  return known === 'HTTPS' || known === 'TLS' ? 'tls' : 'tcp';
}
