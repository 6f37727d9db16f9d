/**
 * What a port speaks, as far as the mesh can tell (istio.io/docs/ops/configuration/traffic-management/protocol-selection).
 * `Unsupported` is a port that says nothing: the proxy then looks at the bytes.
 */
export type Protocol =
  | 'HTTP'
  | 'HTTP2'
  | 'GRPC'
  | 'GRPC-Web'
  | 'HTTPS'
  | 'HTTP_PROXY'
  | 'TCP'
  | 'TLS'
  | 'UDP'
  | 'Mongo'
  | 'Redis'
  | 'MySQL'
  | 'HBONE'
  | 'Unsupported';

const BY_NAME: Readonly<Record<string, Protocol>> = {
  http: 'HTTP',
  http2: 'HTTP2',
  grpc: 'GRPC',
  'grpc-web': 'GRPC-Web',
  https: 'HTTPS',
  http_proxy: 'HTTP_PROXY',
  tcp: 'TCP',
  tls: 'TLS',
  udp: 'UDP',
  mongo: 'Mongo',
  redis: 'Redis',
  mysql: 'MySQL',
  hbone: 'HBONE',
};

/** The protocol of that name in any case; `Unsupported` for every other word, the empty one included. */
export function parseProtocol(name: string | undefined): Protocol {
  const key = (name ?? '').toLowerCase();
  return Object.hasOwn(BY_NAME, key) ? BY_NAME[key]! : 'Unsupported';
}

/** What Kubernetes itself defines for `appProtocol` (KEP-3726). */
const APP_PROTOCOLS: Readonly<Record<string, Protocol>> = {
  'kubernetes.io/h2c': 'HTTP2',
  'kubernetes.io/ws': 'HTTP',
  'kubernetes.io/wss': 'HTTPS',
};

/** Ports whose protocols let the server speak first: detection would only make the client wait. SMTP, DNS, MySQL, MongoDB. */
const SERVER_FIRST_PORTS: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

/** The protocol of a port of a Kubernetes Service: from `protocol`, else `appProtocol`, else the name up to the first dash. */
export function kubernetesProtocol(port: {
  readonly port: number;
  readonly name?: string | undefined;
  readonly protocol?: string | undefined;
  readonly appProtocol?: string | undefined;
}): Protocol {
  if (port.protocol === 'UDP') return 'UDP';
  if (port.appProtocol !== undefined && Object.hasOwn(APP_PROTOCOLS, port.appProtocol)) {
    return APP_PROTOCOLS[port.appProtocol]!;
  }
  const name = port.appProtocol ?? port.name ?? '';
  if (name.toLowerCase().startsWith('grpc-web')) return 'GRPC-Web';
  const dash = name.indexOf('-');
  const protocol = parseProtocol(dash === -1 ? name : name.slice(0, dash));
  return protocol === 'Unsupported' && SERVER_FIRST_PORTS.has(port.port) ? 'TCP' : protocol;
}

export function isHttp(protocol: Protocol): boolean {
  return (
    protocol === 'HTTP' ||
    protocol === 'HTTP2' ||
    protocol === 'HTTP_PROXY' ||
    protocol === 'GRPC' ||
    protocol === 'GRPC-Web'
  );
}

export function isHttp2(protocol: Protocol): boolean {
  return protocol === 'HTTP2' || protocol === 'GRPC' || protocol === 'GRPC-Web';
}

/** Whether the bytes are encrypted by the program, and not by the mesh. */
export function isTls(protocol: Protocol): boolean {
  return protocol === 'HTTPS' || protocol === 'TLS';
}

export function isTcp(protocol: Protocol): boolean {
  return (
    protocol === 'TCP' ||
    protocol === 'HTTPS' ||
    protocol === 'TLS' ||
    protocol === 'Mongo' ||
    protocol === 'Redis' ||
    protocol === 'MySQL'
  );
}

/** Whether the proxy may find HTTP on the port: declared, or to be detected. */
export function isHttpOrSniffed(protocol: Protocol): boolean {
  return isHttp(protocol) || protocol === 'Unsupported';
}

/** What a listener makes of a protocol: HTTP routing, bytes, detection; undefined for what TCP listeners cannot carry. */
export type ListenerProtocol = 'http' | 'tcp' | 'auto';

export function listenerProtocol(protocol: Protocol): ListenerProtocol | undefined {
  if (isHttp(protocol)) return 'http';
  if (protocol === 'UDP' || protocol === 'HBONE') return undefined;
  return protocol === 'Unsupported' ? 'auto' : 'tcp';
}

/** What is inside once TLS is taken off. */
export function afterTlsTermination(protocol: Protocol): Protocol {
  if (protocol === 'HTTPS') return 'HTTP';
  return protocol === 'TLS' ? 'TCP' : protocol;
}
