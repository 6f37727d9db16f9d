import { EDGE_HOSTS, labels, NAMESPACES } from './pools.ts';
import { one, some } from './rules-networking.ts';
import type { Rules } from './walk.ts';

type Fields = Record<string, unknown>;

const IP_BLOCKS = ['10.0.0.0/8', '1.2.3.4', '2001:db8::/32', '192.168.0.1/32', '0.0.0.0/0'];
const PRINCIPALS = [
  '*',
  'cluster.local/ns/default/sa/a',
  '*/sa/sa1',
  'cluster.local/ns/other/*',
  'td.example/ns/x/sa/y',
  'old.example/ns/x/sa/y',
];
const REQUEST_PRINCIPALS = ['*', 'iss0/sub', 'iss0/*', '*/sub', 'https://iss/x/y'];
const SERVICE_ACCOUNTS = ['sa1', 'other/sa2', 'default/default'];
const VALUES = ['v', 'v*', '*v', '*'];

/** Conditions: each attribute with values that make sense for it. */
const CONDITIONS: Readonly<Record<string, readonly string[]>> = {
  'request.headers[x-a]': VALUES,
  'request.auth.principal': REQUEST_PRINCIPALS,
  'request.auth.audiences': VALUES,
  'request.auth.presenter': VALUES,
  'request.auth.claims[sub]': VALUES,
  'request.auth.claims[a][b]': VALUES,
  'source.ip': IP_BLOCKS,
  'remote.ip': IP_BLOCKS,
  'source.namespace': [...NAMESPACES, 'o*', '*'],
  'source.principal': PRINCIPALS,
  'source.serviceAccount': SERVICE_ACCOUNTS,
  'source.trustDomain': ['cluster.local', 'td*', '*'],
  'destination.ip': IP_BLOCKS,
  'destination.port': ['80', '9000'],
  'connection.sni': ['a.example.com', '*.example.com'],
  'experimental.envoy.filters.network.mysql_proxy[db.t]': ['[update]', 'select'],
  'experimental.envoy.filters.http.x[k]': VALUES,
};

const AUTHORIZATION: Rules = {
  AuthorizationPolicy: (random, walk) => {
    const spec = walk() as Fields;
    if (spec.action === 'CUSTOM') spec.provider = { name: random.pick(['authz-http', 'authz-grpc', 'absent']) };
    else delete spec.provider;
    return spec;
  },
  'AuthorizationPolicy.action': one('ALLOW', 'DENY', 'ALLOW', 'DENY', 'AUDIT', 'CUSTOM'),
  principals: some(PRINCIPALS),
  notPrincipals: some(PRINCIPALS),
  requestPrincipals: some(REQUEST_PRINCIPALS),
  notRequestPrincipals: some(REQUEST_PRINCIPALS),
  'source.namespaces': some([...NAMESPACES, 'o*', '*']),
  'source.notNamespaces': some([...NAMESPACES, '*x']),
  serviceAccounts: some(SERVICE_ACCOUNTS),
  notServiceAccounts: some(SERVICE_ACCOUNTS),
  ipBlocks: some(IP_BLOCKS),
  notIpBlocks: some(IP_BLOCKS),
  remoteIpBlocks: some(IP_BLOCKS),
  notRemoteIpBlocks: some(IP_BLOCKS),
  trustDomains: some(['cluster.local', 'td*', '*', '*.example']),
  notTrustDomains: some(['cluster.local', '*.example']),
  'operation.hosts': some([...EDGE_HOSTS, 'a.*', '*:8080']),
  'operation.notHosts': some(EDGE_HOSTS),
  'operation.ports': some(['80', '8080', '9000']),
  'operation.notPorts': some(['80', '9000']),
  'operation.methods': some(['GET', 'POST', 'P*', '*']),
  'operation.notMethods': some(['GET', '*T']),
  'operation.paths': some(['/a', '/a/*', '*/z', '*', '/a/{*}/b', '/a/{**}', '/x?y']),
  'operation.notPaths': some(['/a', '/{**}', '*.html']),
  'when[]': (random, walk) => {
    const { values } = walk() as Fields;
    const key = random.pick(Object.keys(CONDITIONS));
    const chosen = random.sample(CONDITIONS[key]!, random.int(1, 2));
    return {
      key,
      ...(values === undefined || random.chance(0.2) ? { notValues: random.sample(CONDITIONS[key]!, 1) } : {}),
      ...(values === undefined ? {} : { values: chosen }),
    };
  },
};

const AUTHENTICATION: Rules = {
  'portLevelMtls{key}': one('80', '8080', '9000', '7070', '443'),
  issuer: one('iss0', 'iss1', 'https://iss.example.com', 'me@example.com'),
  jwks: one('{"keys":[]}', '{"keys":[{"kty":"oct","k":"AA"}]}'),
  audiences: some(['aud1', 'aud2']),
  'fromHeaders[].name': one('x-jwt', 'Authorization'),
  'fromHeaders[].prefix': one('Bearer ', 'B '),
  fromParams: some(['t', 'access_token']),
  fromCookies: some(['ck', 'ck2']),
  outputPayloadToHeader: one('x-payload'),
  'outputClaimToHeaders[].header': one('x-claim', 'x-other'),
  'outputClaimToHeaders[].claim': one('sub', 'a.b'),
  spaceDelimitedClaims: some(['scp', 'perm']),
  'jwtRules[]': (_, walk) => {
    const rule = walk() as Fields;
    // istiod would fetch the keys of an issuer from the network.
    if (rule.jwksUri !== undefined) delete rule.jwks;
    else rule.jwks ??= '{"keys":[]}';
    return rule;
  },
  jwksUri: one('http://a.default.svc.cluster.local:80/jwks', 'https://127.0.0.1:1/jwks'),
};

const PROVIDERS = ['zipkin', 'otel-grpc', 'otel-http', 'datadog', 'skywalking', 'absent'];
const LOG_PROVIDERS = ['envoy', 'file-json', 'file-text', 'als-http', 'als-tcp', 'als-otel', 'absent', 'stackdriver'];

const TELEMETRY: Rules = {
  'tracing[].providers': (random) => [{ name: random.pick(PROVIDERS) }],
  'metrics[].providers': (random) =>
    random.sample([{ name: 'prometheus' }, { name: 'stackdriver' }, { name: 'absent' }], random.int(1, 2)),
  'accessLogging[].providers': (random) => random.sample(LOG_PROVIDERS, random.int(1, 3)).map((name) => ({ name })),
  'customTags{key}': one('tag', 'http.url', 'tag2'),
  'environment.name': one('SOME_ENV'),
  'environment.defaultValue': one('none', ''),
  'header.name': one('x-a', 'x-b'),
  'formatter.value': one('%REQ(x-a)%', '%PROTOCOL%'),
  'tagOverrides{key}': one('source_app', 'destination_port', 'own', 'request_protocol'),
  'tagOverrides{}.value': one('request.method', '"x"', 'node.metadata["A"]'),
  'tagOverrides{}': (_, walk) => {
    const tag = walk() as Fields;
    if (tag.operation === 'REMOVE') delete tag.value;
    else tag.value ??= 'request.host';
    return tag;
  },
  customMetric: one('my_metric', 'istio_requests_total'),
  'filter.expression': one(
    'response.code >= 400',
    'connection.mtls',
    "request.path.startsWith('/a')",
    'has(request.headers["x"])',
  ),
};

const EXTENSIONS: Rules = {
  url: one(
    'oci://registry.example.com/plugin:v1',
    'https://example.com/p.wasm',
    'file:///opt/p.wasm',
    'registry.example.com/p',
  ),
  sha256: one('0000000000000000000000000000000000000000000000000000000000000001'),
  imagePullSecret: one('pull-secret'),
  'env[]': (random, walk) => {
    const variable = { ...(walk() as Fields), name: random.pick(['A', 'B', 'C']) } as Fields;
    if (variable.valueFrom === 'HOST') delete variable.value;
    return variable;
  },
  inlineCode: one('function envoy_on_request(h) end', '-- nothing'),
  'ports[].number': one(80, 8080, 9000, 7070),
  priority: one(-10, 0, 1, 10, 1000),
};

/** Which proxies a policy is for: some, or the gateways of a name. */
const TARGETS: Rules = {
  targetRef: (random) => ({
    group: 'gateway.networking.k8s.io',
    kind: 'Gateway',
    name: random.pick(['web', 'absent']),
  }),
  'targetRefs[]': (random, walk) => {
    const { namespace } = walk() as Fields;
    const target = random.pick([
      { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'web' },
      { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'absent' },
      { group: '', kind: 'Service', name: 'a' },
      { group: 'networking.istio.io', kind: 'ServiceEntry', name: 'se0' },
    ]);
    return namespace === undefined ? target : { ...target, namespace: 'default' };
  },
  'selector.matchLabels': (random) => (random.chance(0.2) ? { istio: 'ingressgateway' } : labels(random)),
};

export const POLICY_RULES: Rules = { ...AUTHORIZATION, ...AUTHENTICATION, ...TELEMETRY, ...EXTENSIONS, ...TARGETS };

export const POLICY_RATES: Readonly<Record<string, number>> = {
  selector: 0.35,
  targetRef: 0.04,
  targetRefs: 0.06,
  'AuthorizationPolicy.rules': 0.9,
  'AuthorizationPolicy.action': 0.8,
  'from[].source': 1,
  'to[].operation': 1,
  'rules[].from': 0.4,
  'rules[].to': 0.5,
  'rules[].when': 0.3,
  'PeerAuthentication.mtls': 0.8,
  'PeerAuthentication.portLevelMtls': 0.4,
  'portLevelMtls{}.mode': 1,
  'RequestAuthentication.jwtRules': 0.95,
  'jwtRules[].issuer': 1,
  'jwtRules[].jwksUri': 0.05,
  'fromHeaders[].name': 1,
  'outputClaimToHeaders[].header': 1,
  'outputClaimToHeaders[].claim': 1,
  'Telemetry.tracing': 0.5,
  'Telemetry.metrics': 0.5,
  'Telemetry.accessLogging': 0.5,
  'literal.value': 1,
  'environment.name': 1,
  'header.name': 1,
  'header.defaultValue': 0.5,
  'environment.defaultValue': 0.5,
  'overrides[].match': 0.6,
  'match.mode': 0.5,
  'formatter.value': 1,
  'filter.expression': 1,
  'vmConfig.env': 1,
  'env[].value': 0.8,
  url: 1,
  'ports[].number': 1,
  'lua.inlineCode': 1,
  'TrafficExtension.wasm': 0.7,
  'TrafficExtension.lua': 0.7,
};
