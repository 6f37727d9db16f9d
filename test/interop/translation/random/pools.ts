import type { Random } from './prng.ts';

/** The names that everything of a random mesh is made of: few, so that objects meet. */
export const NAMESPACES = ['default', 'other', 'istio-system'];

export const SERVICES = [
  'a.default.svc.cluster.local',
  'b.other.svc.cluster.local',
  'c.default.svc.cluster.local',
  'd.istio-system.svc.cluster.local',
  'ext.example.com',
  'dns.example.com',
  'tcp.example.com',
  '*.wild.example.com',
  'x.wild.example.com',
];

/** Hosts as routes and policies name them: short ones, unknown ones. */
export const HOSTS = [
  ...SERVICES,
  'a',
  'b',
  'b.other',
  'c.default',
  'c.default.svc',
  'nowhere.example.com',
  'none.default.svc.cluster.local',
];

/** Hosts that a gateway or a route is for. */
export const EDGE_HOSTS = [
  'a.example.com',
  'b.example.com',
  'a.b.example.com',
  '*.example.com',
  '*.b.example.com',
  '*',
  'ext.example.com',
  '*.wild.example.com',
  'x.wild.example.com',
  'a.default.svc.cluster.local',
  'b.other.svc.cluster.local',
  'c',
];

export interface PoolPort {
  readonly number: number;
  readonly protocols: readonly (string | undefined)[];
}

export const SERVICE_PORTS: readonly PoolPort[] = [
  { number: 80, protocols: ['HTTP', 'http', 'HTTP2', undefined] },
  { number: 443, protocols: ['HTTPS', 'TLS', 'TCP', 'HTTP'] },
  { number: 8080, protocols: ['HTTP', 'GRPC', 'HTTP2', 'GRPC-Web', 'TCP'] },
  { number: 9000, protocols: ['TCP', 'tcp', undefined] },
  { number: 7070, protocols: [undefined, 'HTTP', 'UNKNOWN'] },
  { number: 3306, protocols: ['MySQL', 'TCP'] },
  { number: 6379, protocols: ['Redis'] },
  { number: 27017, protocols: ['Mongo', 'TCP'] },
  { number: 50051, protocols: ['GRPC', 'HTTP_PROXY', 'HBONE'] },
  { number: 8443, protocols: ['TLS', 'HTTPS'] },
  { number: 5353, protocols: ['UDP'] },
];

export const PORT_NUMBERS = SERVICE_PORTS.map(({ number }) => number);

export const LABELS: readonly Readonly<Record<string, string>>[] = [
  { app: 'a' },
  { app: 'b' },
  { app: 'c' },
  { app: 'a', version: 'v1' },
  { app: 'a', version: 'v2' },
  { app: 'b', version: 'v1' },
  { version: 'v2' },
];

export const GATEWAYS = ['gw0', 'gw1', 'gw2'];

export const GATEWAY_LABELS = [{ istio: 'ingressgateway' }, { istio: 'egressgateway' }, { app: 'a' }];

/** Addresses on which the sidecars of the mesh are, and others. */
export const ENDPOINT_ADDRESSES = ['10.1.0.1', '10.1.1.1', '10.1.2.1', '10.1.0.1', '10.9.0.1', '10.9.0.2', 'fd00::9'];

export const LOCALITIES = ['r1', 'r1/z1', 'r1/z2', 'r1/z1/s1', 'r2/z1', 'r2/z3/s2'];

export const PATHS = ['/', '/x', '/x/', '/a/b', '/api/v1', '/x?y', '/%2f'];
export const REGEXES = ['.*', '/x/[a-z]+', 'v.*', '^/a$', 'GET|POST', '(a|b)+c?'];

/** `exportTo` of everything that has one. */
export function exportTo(random: Random): string[] {
  return random.pick([['*'], ['.'], ['default'], ['other', 'default'], ['.', 'istio-system'], ['~']]);
}

export function labels(random: Random): Record<string, string> {
  return { ...random.pick(LABELS) };
}
