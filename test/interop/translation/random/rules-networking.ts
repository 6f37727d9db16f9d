import {
  EDGE_HOSTS,
  ENDPOINT_ADDRESSES,
  exportTo,
  GATEWAY_LABELS,
  GATEWAYS,
  HOSTS,
  LOCALITIES,
  labels,
  NAMESPACES,
  PATHS,
  PORT_NUMBERS,
  REGEXES,
  SERVICE_PORTS,
  SERVICES,
} from './pools.ts';
import type { Random } from './prng.ts';
import type { Rule, Rules } from './walk.ts';

type Fields = Record<string, unknown>;

const one =
  <T>(...values: T[]): Rule =>
  (random) =>
    random.pick(values);

const some =
  (values: readonly unknown[], max = 3): Rule =>
  (random) =>
    random.sample(values, random.chance(0.6) ? 1 : random.int(1, max));

const absent: Rule = () => undefined;

function gatewayName(random: Random): string {
  const name = random.pick(GATEWAYS);
  return random.chance(0.3) ? name : `${random.pick(NAMESPACES)}/${name}`;
}

const HEADER_NAMES = ['x-a', 'User-Agent', 'x-user', ':authority', 'cookie', 'X-Upper'];

/** What does not depend on the kind: what fields of a name mean wherever they are. */
const SHARED: Rules = {
  exportTo: (random) => exportTo(random),
  'workloadSelector.labels': (random) => labels(random),
  matchLabels: (random) => labels(random),
  'destination.host': one(...HOSTS),
  host: one(...HOSTS),
  subset: one('v1', 'v2', 'v9'),
  'port.number': one(...PORT_NUMBERS),
  exact: one(...PATHS, 'v', 'GET', 'a.example.com', 'http'),
  prefix: one(...PATHS, 'v', 'G', 'a.', 'h'),
  regex: one(...REGEXES),
  'headers{key}': one(...HEADER_NAMES),
  'withoutHeaders{key}': one(...HEADER_NAMES),
  'queryParams{key}': one('q', 'user'),
  'sourceLabels{key}': one('app', 'version'),
  'sourceLabels{}': one('a', 'b', 'v1'),
  'labels{key}': one('app', 'version', 'security.istio.io/tlsMode', 'topology.istio.io/network', 'istio.io/draining'),
  'labels{}': one('a', 'b', 'v1', 'istio', 'disabled', 'n1'),
  sourceNamespace: one(...NAMESPACES),
  gateways: (random) => {
    const named = random.sample([gatewayName(random), gatewayName(random), 'mesh'], random.int(1, 2));
    return [...new Set(named)];
  },
  locality: one(...LOCALITIES),
  network: one('n1', 'n2'),
  serviceAccount: one('sa1', 'sa2', 'default'),
  weight: one(0, 1, 1, 5, 20, 80, 100),
  address: one(...ENDPOINT_ADDRESSES),
  percent: one(0, 1, 5, 50, 100),
  'percentage.value': one(0, 0.0001, 0.01, 1, 33.3, 100),
  maxEjectionPercent: one(0, 10, 50, 100),
  minHealthPercent: one(0, 10, 50, 100),
  'set{key}': one('x-set', 'Host', ':path', 'x-b'),
  'set{}': one('1', '%DOWNSTREAM_REMOTE_ADDRESS%', '100%%', 'a b'),
  'add{key}': one('x-add', 'x-c'),
  'add{}': one('2', '%REQ(x-a)%'),
  remove: some(['x-rm', 'x-set', 'server']),
  subjectAltNames: some(['spiffe://cluster.local/ns/x/sa/y', 'san.example.com']),
  sni: one('s.example.com', 'outbound_.80_._.x'),
  credentialName: one('cred', 'cred-2', 'kubernetes://k', 'builtin://'),
  credentialNames: some(['cred', 'cred-2'], 2),
  caCertCredentialName: one('cred-ca'),
  serverCertificate: one('/certs/tls.crt'),
  clientCertificate: one('/certs/client.crt'),
  privateKey: one('/certs/tls.key'),
  caCertificates: one('/certs/ca.crt'),
  caCrl: one('/certs/ca.crl'),
  verifyCertificateSpki: one(['NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=']),
  verifyCertificateHash: one(['df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1a']),
  cipherSuites: some(['ECDHE-RSA-AES128-GCM-SHA256', 'AES128-SHA', 'ECDHE-ECDSA-AES256-GCM-SHA384']),
  minProtocolVersion: one('TLS_AUTO', 'TLSV1_0', 'TLSV1_2', 'TLSV1_3'),
  maxProtocolVersion: one('TLS_AUTO', 'TLSV1_3'),
};

/** `from` and `to` of locality settings. */
const LOCALITY: Rules = {
  'distribute[].from': one('*', 'r1/*', 'r1/z1/*', 'r1/z1/s1', 'r2/*'),
  'distribute[].to': (random) =>
    random.chance(0.5) ? { 'r1/*': 80, 'r2/*': 20 } : { [random.pick(['r1/z1', '*', 'r2/z1/*'])]: 100 },
  'failover[].from': one('r1', 'r2'),
  'failover[].to': one('r3', 'r2', 'r1'),
  failoverPriority: some([
    'topology.istio.io/network',
    'topology.kubernetes.io/region',
    'topology.kubernetes.io/zone',
    'app=a',
    'version',
  ]),
};

/** A port of its own number and name, as listeners and services have them. */
function servicePort(random: Random, plain: unknown): Fields {
  const { number, protocols } = random.pick(SERVICE_PORTS);
  const protocol = random.pick(protocols);
  const { targetPort } = (plain ?? {}) as Fields;
  return {
    number,
    name: random.chance(0.8) ? `p${number}` : `${(protocol ?? 'x').toLowerCase()}-${number}`,
    ...(protocol === undefined ? {} : { protocol }),
    ...(targetPort === undefined ? {} : { targetPort }),
  };
}

function distinctPorts(random: Random): Fields[] {
  const ports = new Map<unknown, Fields>();
  for (let i = random.int(1, 4); i > 0; i--) {
    const port = servicePort(random, random.chance(0.3) ? { targetPort: random.pick([8080, 9001, 1080]) } : {});
    ports.set(port.number, port);
  }
  return [...ports.values()];
}

const SERVICE_ENTRY: Rules = {
  ServiceEntry: (random, walk) => {
    const spec = walk() as Fields;
    const resolution = spec.resolution as string | undefined;
    const dns = resolution?.startsWith('DNS') === true;
    if (spec.endpoints !== undefined && random.chance(0.9)) delete spec.workloadSelector;
    if (resolution === 'NONE' || resolution === undefined || resolution === 'DYNAMIC_DNS') delete spec.endpoints;
    if (dns) {
      delete spec.workloadSelector;
      for (const endpoint of (spec.endpoints as Fields[] | undefined) ?? []) {
        if (random.chance(0.7)) endpoint.address = random.pick(['h0.example.org', 'h1.example.org']);
      }
    }
    if (resolution === 'DYNAMIC_DNS') {
      spec.hosts = ['*.wild.example.com'];
      delete spec.workloadSelector;
      delete spec.addresses;
    }
    return spec;
  },
  'ServiceEntry.hosts': (random) => random.sample(SERVICES, random.chance(0.85) ? 1 : 2),
  'ServiceEntry.ports': (random) => distinctPorts(random),
  'ServiceEntry.addresses': (random) =>
    random.sample(
      [`10.96.0.${random.int(1, 6)}`, `10.97.${random.int(0, 2)}.0/24`, `2001:db8::${random.int(1, 4)}`],
      random.chance(0.7) ? 1 : 2,
    ),
  'ServiceEntry.resolution': one('NONE', 'STATIC', 'STATIC', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'),
  'ServiceEntry.endpoints': (random, walk) => {
    const more = random.int(0, 2);
    return [walk(), ...Array.from({ length: more }, walk)].flat();
  },
  'endpoints[].labels': (random, walk) => ({ ...labels(random), ...(random.chance(0.3) ? (walk() as Fields) : {}) }),
  'WorkloadEntry.labels': (random, walk) => ({ ...labels(random), ...(random.chance(0.3) ? (walk() as Fields) : {}) }),
  'ports{key}': one(...PORT_NUMBERS.map((number) => `p${number}`)),
  'ports{}': one(8080, 9001, 1080, 80),
};

const MODE_FIELDS: Readonly<Record<string, readonly string[]>> = {
  SIMPLE: ['serverCertificate', 'privateKey', 'credentialName', 'credentialNames', 'tlsCertificates'],
  MUTUAL: ['serverCertificate', 'privateKey', 'caCertificates', 'credentialName', 'credentialNames', 'tlsCertificates'],
};

/** Server TLS with exactly one way to say which certificate is meant. */
function serverTls(random: Random, tls: Fields): Fields {
  const mode = tls.mode as string;
  for (const field of ['serverCertificate', 'privateKey', 'credentialName', 'credentialNames', 'tlsCertificates']) {
    delete tls[field];
  }
  if (!['SIMPLE', 'MUTUAL', 'OPTIONAL_MUTUAL'].includes(mode)) return tls;
  switch (random.int(0, 3)) {
    case 0:
      tls.serverCertificate = '/certs/tls.crt';
      tls.privateKey = '/certs/tls.key';
      if (mode !== 'SIMPLE') tls.caCertificates = '/certs/ca.crt';
      break;
    case 1:
      tls.credentialNames = ['cred', 'cred-2'];
      break;
    case 2:
      tls.tlsCertificates = [{ serverCertificate: '/certs/tls.crt', privateKey: '/certs/tls.key' }];
      if (random.chance(0.3)) Object.assign((tls.tlsCertificates as Fields[])[0]!, { caCertificates: '/certs/ca.crt' });
      if (mode !== 'SIMPLE') tls.caCertificates = '/certs/ca.crt';
      break;
    default:
      tls.credentialName = random.pick(['cred', 'cred-2', 'kubernetes://k']);
  }
  return tls;
}

const GATEWAY: Rules = {
  'Gateway.selector': (random) => ({ ...random.pick(GATEWAY_LABELS) }),
  'Gateway.servers': (random, walk) => [walk(), ...(random.chance(0.5) ? [walk()] : [])].flat(),
  'servers[]': (random, walk) => {
    const server = walk() as Fields;
    const { protocol } = server.port as Fields;
    const tls = server.tls as Fields | undefined;
    if (['HTTPS', 'TLS'].includes(protocol as string)) {
      server.tls = serverTls(random, {
        ...tls,
        mode: random.pick([
          'SIMPLE',
          'SIMPLE',
          'MUTUAL',
          'PASSTHROUGH',
          'AUTO_PASSTHROUGH',
          'ISTIO_MUTUAL',
          'OPTIONAL_MUTUAL',
        ]),
      });
      delete (server.tls as Fields).httpsRedirect;
    } else if (tls !== undefined) {
      server.tls = random.chance(0.8) ? { httpsRedirect: random.chance(0.7) } : serverTls(random, tls);
    }
    delete server.defaultEndpoint;
    return server;
  },
  'servers[].port': (random) => {
    const [number, protocols] = random.pick([
      [80, ['HTTP', 'HTTP2', 'GRPC']],
      [8080, ['HTTP', 'HTTP', 'TCP', 'GRPC-Web']],
      [443, ['HTTPS', 'TLS', 'HTTPS']],
      [8443, ['TLS', 'HTTPS']],
      [15443, ['TLS']],
      [9000, ['TCP', 'MONGO', 'HTTP']],
    ] as const);
    const protocol = random.pick(protocols);
    return { number, name: `${protocol.toLowerCase()}-${number}-${random.int(0, 99)}`, protocol };
  },
  'servers[].hosts': (random) =>
    random
      .sample(EDGE_HOSTS, random.chance(0.5) ? 1 : random.int(1, 3))
      .map((host) => (random.chance(0.25) ? `${random.pick([...NAMESPACES, '.', '*'])}/${host}` : host)),
  'servers[].bind': one('127.0.0.1', '10.5.0.1', '::'),
};

/** What a rule of HTTP does: exactly one thing. */
function httpAction(random: Random, rule: Fields): Fields {
  const actions = ['redirect', 'directResponse', 'delegate'].filter((name) => rule[name] !== undefined);
  const kept = actions.length > 0 && random.chance(0.5) ? random.pick(actions) : 'route';
  for (const name of actions) if (name !== kept) delete rule[name];
  if (kept !== 'route')
    for (const name of ['route', 'rewrite', 'retries', 'mirror', 'mirrors', 'timeout']) delete rule[name];
  if (kept === 'delegate')
    for (const name of ['fault', 'corsPolicy', 'headers', 'mirrorPercent', 'mirrorPercentage']) delete rule[name];
  if (rule.mirror !== undefined) delete rule.mirrors;
  if (rule.mirrorPercentage !== undefined) delete rule.mirrorPercent;
  return rule;
}

function sniHosts(random: Random, hosts: readonly string[]): string[] {
  const host = random.pick(hosts);
  return [host.startsWith('*.') && random.chance(0.4) ? `x${host.slice(1)}` : host];
}

const VIRTUAL_SERVICE: Rules = {
  VirtualService: (random, walk) => {
    const spec = walk() as Fields;
    const hosts = (spec.hosts ??= random.sample([...EDGE_HOSTS, ...SERVICES], random.chance(0.6) ? 1 : 3)) as string[];
    if (random.chance(0.15)) {
      const { http = [] } = spec as { http?: Fields[] };
      for (const rule of http) delete rule.delegate;
      return {
        http: http.filter((rule) => Object.keys(rule).length > 0),
        ...(spec.exportTo ? { exportTo: spec.exportTo } : {}),
      };
    }
    for (const rule of (spec.tls as { match?: Fields[] }[] | undefined) ?? []) {
      rule.match ??= [{}];
      for (const match of rule.match) match.sniHosts = sniHosts(random, hosts);
    }
    if (spec.http === undefined && spec.tls === undefined && spec.tcp === undefined) {
      spec.http = [{ route: [{ destination: { host: random.pick(HOSTS) } }] }];
    }
    return spec;
  },
  'VirtualService.hosts': (random) => {
    const hosts = random.sample([...EDGE_HOSTS, ...SERVICES, 'a', 'b'], random.chance(0.6) ? 1 : 3);
    return [...new Set(hosts)];
  },
  'VirtualService.http': (random, walk) => [walk(), ...(random.chance(0.5) ? [walk()] : [])].flat(),
  'http[]': (random, walk) => httpAction(random, walk() as Fields),
  'http[].name': one('n1', 'n2', 'n3'),
  'http[].delegate.name': one('vs0', 'vs1', 'vs2', 'vs3'),
  'http[].delegate.namespace': one(...NAMESPACES),
  'match[].name': one('m1', 'm2'),
  'match[].port': one(...PORT_NUMBERS),
  'match[].headers{key}': one(...HEADER_NAMES, '@request.auth.claims.sub', '@request.auth.claims[a][b]'),
  destinationSubnets: some(['10.0.0.0/8', '1.2.3.4', '10.96.0.1/32', '2001:db8::/64']),
  sourceSubnet: one('10.0.0.0/8', '192.168.1.1'),
  uriRegexRewrite: one({ match: '/x/(.*)', rewrite: '/y/\\1' }, { match: '^/a', rewrite: '/b' }),
  'redirect.uri': one('/r', '/%PREFIX()%', ''),
  'redirect.prefixRewrite': one('/p', '/'),
  'rewrite.uri': one('/w', '/', '/w/'),
  'redirect.authority': one('r.example.com', 'r.example.com:8080'),
  'rewrite.authority': one('w.example.com'),
  'redirect.scheme': one('https', 'http'),
  redirectCode: one(301, 302, 303, 307, 308),
  'directResponse.body': one({ string: 'hi' }, { bytes: 'aGk=' }, {}),
  'directResponse.status': one(200, 204, 404, 503),
  'abort.httpStatus': one(400, 503, 599),
  grpcStatus: one('UNAVAILABLE', 'NOT_FOUND', '14'),
  fixedDelay: one('1s', '0.25s'),
  timeout: one('0s', '0.5s', '10s', '90s'),
  retryOn: one('5xx', 'gateway-error,503', 'connect-failure,retriable-4xx,418', 'cancelled,unavailable', 'reset'),
  attempts: one(0, 1, 3, 5),
  allowOrigin: some(['*', 'https://a.example.com']),
  allowMethods: some(['GET', 'POST', '*']),
  allowHeaders: some(['x-a', '*']),
  exposeHeaders: some(['x-a', 'x-b']),
  maxAge: one('1s', '24h'),
  mirrorPercent: one(0, 1, 50, 100),
};

const DESTINATION_RULE: Rules = {
  'DestinationRule.subsets': (random, walk) => {
    const made = new Map((walk() as Fields[]).map((subset) => [subset.name, subset]));
    if (random.chance(0.7)) made.set('v1', { name: 'v1', labels: { version: 'v1' }, ...made.get('v1') });
    return [...made.values()];
  },
  'subsets[].name': one('v1', 'v2', 'v3'),
  'subsets[].labels': one({ version: 'v1' }, { version: 'v2' }, { app: 'a' }, { version: 'v9' }, {}),
  portLevelSettings: (_, walk) => [
    ...new Map((walk() as { port?: Fields }[]).map((p) => [p.port?.number, p])).values(),
  ],
  'portLevelSettings[].port': (random) => ({ number: random.pick(PORT_NUMBERS) }),
  'trafficPolicy.tls': (random, walk) => clientTls(random, walk() as Fields),
  'portLevelSettings[].tls': (random, walk) => clientTls(random, walk() as Fields),
  'tunnel.protocol': one('CONNECT', 'POST'),
  'tunnel.targetHost': one('t.example.com', '10.3.3.3'),
  'tunnel.targetPort': one(443, 8080),
  httpHeaderName: one('x-user', 'x-a'),
  httpCookie: one(
    { name: 'ck', ttl: '10s' },
    { name: 'ck', path: '/p' },
    { name: 'ck', ttl: '0s', path: '/', attributes: [{ name: 'SameSite', value: 'Strict' }, { name: 'HttpOnly' }] },
  ),
  warmup: one(
    { duration: '10s' },
    { duration: '90s', minimumPercent: 10, aggression: 1.5 },
    { duration: '1s', minimumPercent: 0 },
  ),
  httpQueryParameterName: one('q'),
  useSourceIp: one(true, true, false),
  tableSize: one(5, 65537, 101),
  http2KeepAlive: one({ interval: '5s', timeout: '1s' }, { interval: '10s' }),
  outlierDetectionHttpErrorCodes: some([500, 502, 429, 404]),
};

function clientTls(random: Random, tls: Fields): Fields {
  const mode = random.pick(['DISABLE', 'SIMPLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL', 'ISTIO_MUTUAL']);
  const out: Fields = { ...tls, mode };
  const files = ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'];
  if (mode === 'ISTIO_MUTUAL' || mode === 'DISABLE')
    for (const field of [...files, 'credentialName']) delete out[field];
  if (mode === 'SIMPLE') for (const field of ['clientCertificate', 'privateKey']) delete out[field];
  if (mode === 'MUTUAL' && out.credentialName === undefined) {
    out.clientCertificate = '/certs/client.crt';
    out.privateKey = '/certs/client.key';
  }
  if (out.credentialName !== undefined) for (const field of files) delete out[field];
  if (out.caCertificates === undefined) delete out.caCrl;
  return out;
}

const SIDECAR: Rules = {
  'Sidecar.outboundTrafficPolicy': (random, walk) => {
    const policy = walk() as Fields;
    return policy.egressProxy !== undefined || random.chance(0.3) ? { ...policy, mode: 'ALLOW_ANY' } : policy;
  },
  egressProxy: (random) => ({ host: random.pick(SERVICES), subset: 'v1', port: { number: random.pick(PORT_NUMBERS) } }),
  'ingress[]': (_, walk) => {
    const listener = walk() as { port: Fields; tls?: Fields };
    if (listener.tls !== undefined) Object.assign(listener.port, { protocol: 'HTTPS' });
    return listener;
  },
  'ingress[].port': (random) => servicePort(random, undefined),
  'ingress[].bind': one('10.1.0.1', '0.0.0.0', '127.0.0.1', '::'),
  'ingress[].defaultEndpoint': one(
    '127.0.0.1:8888',
    '0.0.0.0:9999',
    'unix:///var/run/x.sock',
    '[::1]:7777',
    '[::]:7777',
  ),
  'ingress[].tls': (random, walk) =>
    serverTls(random, { ...(walk() as Fields), mode: random.pick(['SIMPLE', 'MUTUAL']) }),
  'egress[].port': (random, walk) => (random.chance(0.6) ? servicePort(random, walk()) : undefined),
  'egress[].bind': one('10.7.0.1', '0.0.0.0', '127.0.0.2', 'unix:///var/run/y.sock', '::1'),
  'egress[].hosts': (random) =>
    random.sample(
      [
        '*/*',
        './*',
        'default/*',
        'other/b.other.svc.cluster.local',
        '*/a.default.svc.cluster.local',
        '*/*.example.com',
        '~/*',
        'istio-system/*',
        'default/ext.example.com',
        '*/*.wild.example.com',
        './c.default.svc.cluster.local',
      ],
      random.chance(0.4) ? 1 : random.int(1, 3),
    ),
};

export const NETWORKING_RULES: Rules = {
  ...SHARED,
  ...LOCALITY,
  ...SERVICE_ENTRY,
  ...GATEWAY,
  ...VIRTUAL_SERVICE,
  ...DESTINATION_RULE,
  ...SIDECAR,
  'httpHeaders[].name': absent,
};

/** How probable fields are whose presence decides what an object is about. */
export const NETWORKING_RATES: Readonly<Record<string, number>> = {
  'ServiceEntry.ports': 0.95,
  'ServiceEntry.endpoints': 0.75,
  'ServiceEntry.resolution': 0.95,
  'ServiceEntry.location': 0.8,
  'ServiceEntry.addresses': 0.5,
  'ServiceEntry.workloadSelector': 0.4,
  'ServiceEntry.exportTo': 0.25,
  'endpoints[].address': 1,
  'endpoints[].labels': 0.7,
  'WorkloadEntry.address': 1,
  'WorkloadEntry.labels': 0.9,
  'WorkloadEntry.ports': 0.3,
  'workloadSelector.labels': 1,
  matchLabels: 1,
  'Gateway.selector': 1,
  'servers[].tls': 0.4,
  'servers[].bind': 0.15,
  'VirtualService.hosts': 1,
  'VirtualService.http': 0.8,
  'VirtualService.tls': 0.25,
  'VirtualService.tcp': 0.25,
  'VirtualService.gateways': 0.6,
  'VirtualService.exportTo': 0.2,
  'http[].route': 1,
  'http[].match': 0.7,
  'http[].delegate': 0.1,
  'http[].redirect': 0.15,
  'http[].directResponse': 0.12,
  'tls[].route': 1,
  'tcp[].route': 1,
  'tcp[].match': 0.7,
  'tls[].match': 1,
  'match[].gateways': 0.1,
  'match[].uri': 0.4,
  'match[].sourceLabels': 0.1,
  'match[].sourceNamespace': 0.1,
  exact: 0.6,
  prefix: 0.4,
  regex: 0.3,
  'DestinationRule.trafficPolicy': 0.8,
  'DestinationRule.subsets': 0.6,
  'DestinationRule.workloadSelector': 0.15,
  'DestinationRule.exportTo': 0.2,
  'subsets[].labels': 0.9,
  'portLevelSettings[].port': 1,
  portLevelSettings: 0.25,
  tunnel: 0.1,
  'distribute[].from': 1,
  'distribute[].to': 1,
  'failover[].from': 1,
  'failover[].to': 1,
  'tunnel.targetHost': 1,
  'tunnel.targetPort': 1,
  'port.number': 1,
  'egress[].port': 0.4,
  'Sidecar.egress': 0.8,
  'Sidecar.ingress': 0.4,
  'Sidecar.workloadSelector': 0.5,
  'ingress[].defaultEndpoint': 0.8,
  'ingress[].tls': 0.3,
};
export { absent, MODE_FIELDS, one, some };
