import { closest, didYouMean } from '../schema/suggest.ts';
import { isHostLabel } from './hosts.ts';

/** What is wrong with a port number, as a clause, or undefined. */
export function checkPort(port: number): string | undefined {
  return port >= 1 && port <= 65535 ? undefined : `must be a port between 1 and 65535, not ${port}`;
}

/** What is wrong with the name of a port, as a clause, or undefined. */
export function checkPortName(name: string): string | undefined {
  if (isHostLabel(name)) return undefined;
  return `must be letters, digits and -, beginning and ending with a letter or digit, not ${JSON.stringify(name)}`;
}

/** The protocols that Istio knows, in its spelling. */
export type Protocol = (typeof PROTOCOLS)[number];

const PROTOCOLS = [
  'HTTP',
  'HTTP2',
  'HTTPS',
  'HTTP_PROXY',
  'GRPC',
  'GRPC-Web',
  'TLS',
  'TCP',
  'Mongo',
  'MySQL',
  'Redis',
  'UDP',
] as const;

const byLowerCase = new Map<string, Protocol>(PROTOCOLS.map((p) => [p.toLowerCase(), p]));

/** Reads a protocol in any case, as Istio does; undefined when it is none. */
export function parseProtocol(text: string | undefined): Protocol | undefined {
  return byLowerCase.get((text ?? '').toLowerCase());
}

/** What is wrong with the name of a protocol, as a clause, or undefined. */
export function checkProtocol(text: string): string | undefined {
  if (parseProtocol(text) !== undefined) return undefined;
  return `must be one of ${PROTOCOLS.join(', ')}, not ${JSON.stringify(text)}${didYouMean(closest(text, PROTOCOLS))}`;
}

/** Protocols whose requests Envoy understands. */
export function isHttp(protocol: Protocol | undefined): boolean {
  return (
    protocol === 'HTTP' ||
    protocol === 'HTTP2' ||
    protocol === 'HTTP_PROXY' ||
    protocol === 'GRPC' ||
    protocol === 'GRPC-Web'
  );
}

/** Protocols whose connections begin with a TLS handshake. */
export function isTls(protocol: Protocol | undefined): boolean {
  return protocol === 'HTTPS' || protocol === 'TLS';
}

/** Protocols that Istio routes by connection. */
export function isTcp(protocol: Protocol | undefined): boolean {
  return isTls(protocol) || protocol === 'TCP' || protocol === 'Mongo' || protocol === 'MySQL' || protocol === 'Redis';
}
