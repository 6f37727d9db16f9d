import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { enroute, gatewayHost, globalConfig, httpFilter, routeFilter } from '../support/enroute.ts';
import { cluster, HTTP2 } from '../support/envoy-config.ts';
import { rsaKey, token } from '../support/jwt.ts';
import { isthmusProgram } from '../support/local-mesh.ts';
import { nodeJson, startEnvoy, startIsthmus, type TestedEnvoy } from '../support/mesh.ts';
import { freePorts, until, withoutReference } from '../support/reference.ts';

const key = rsaKey('k');
const ISSUER = 'https://issuer.example';

/** Filters of ours that Envoy does not have. */
const VANILLA = ['istio.alpn', 'istio.stats'].map((name) => ({
  applyTo: 'HTTP_FILTER',
  match: {
    listener: {
      filterChain: { filter: { name: 'envoy.filters.network.http_connection_manager', subFilter: { name } } },
    },
  },
  patch: { operation: 'REMOVE' },
}));

/** A gateway of EnRoute's with ports of its own. */
const gateway = (name: string, port: number) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: 'gw' },
  spec: {
    selector: { matchLabels: { gw: name } },
    template: {
      metadata: { labels: { gw: name } },
      spec: {
        containers: [
          { name: 'enroute', image: 'saarasio/enroute-gwi', args: ['--envoy-service-http-port', String(port)] },
        ],
      },
    },
  },
});

const service = (name: string, port: number) => [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { ports: [{ name: 'http', port: 80, targetPort: port }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name, namespace: 'default' },
    subsets: [{ addresses: [{ ip: '127.0.0.1' }], ports: [{ name: 'http', port }] }],
  },
];

const CONFIGURATION = [
  globalConfig('limits', 'globalconfig_ratelimit', {
    domain: 'enroute',
    descriptors: [{ key: 'generic_key', value: 'v', rate_limit: { unit: 'second', requests_per_unit: 1 } }],
  }),
  httpFilter('health', 'http_filter_healthcheck', { path: '/healthz' }),
  httpFilter('log', 'http_filter_accesslog', { path: '/dev/null', text_format: '%REQ(:PATH)%\n' }),
  httpFilter('tokens', 'http_filter_jwt', {
    name: 'issuer',
    jwks_uri: 'http://web.default/keys',
    issuer: ISSUER,
    route: [{ prefix: '/token' }],
    jwt_service_name: 'web',
    jwt_service_port: 80,
  }),
  httpFilter('authorize', 'http_filter_extauthz', {
    url: 'http://default.web:80',
    path_prefix: '/auth',
    body_max_bytes: 1000,
    body_allow_partial: true,
    allowed_request_headers: ['x-stamp'],
    allowed_authorization_headers: ['x-auth-user'],
  }),
  httpFilter('overrides', 'custom_response', {
    custom_response_override: [
      { match_status_code: 418, update_status_code: 451, update_response_body: { json_format: { error: 'teapot' } } },
    ],
  }),
  httpFilter('origins', 'vh_filter_cors', {
    match_condition: { regex: 'https?://.*\\.friends\\.example' },
    access_control_allow_methods: 'GET',
    access_control_expose_headers: 'x-shown',
  }),
  httpFilter('admins', 'vh_filter_rbac', { action: 'DENY', rules: [{ to: [{ operation: { paths: ['/admin*'] } }] }] }),
  routeFilter('few', 'route_filter_circuitbreakers', { max_connections: 10, max_requests: 10 }),
  routeFilter('outliers', 'route_filter_outlierdetection', { consecutive_5xx: 2, enforcing_consecutive_5xx: 100 }),
  routeFilter('tenant', 'route_filter_host_rewrite', {
    pattern_regex: '^/tenant/([a-z]+)/.*$',
    substitution: '\\1.tenants.example',
  }),
  routeFilter('elsewhere', 'route_filter_redirect', { path_redirect: '/new', response_code: 'FOUND' }),
  routeFilter('shifted', 'route_filter_redirect', { prefix_rewrite: '/after', port: 8443, scheme: 'https' }),
  routeFilter('gone', 'route_filter_directresponse', { response_code: 410 }),
  routeFilter('teapot', 'route_filter_directreponse', { response_code: 418 }),
  routeFilter('counted', 'route_filter_ratelimit', { descriptors: [{ generic_key: { descriptor_value: 'v' } }] }),
  gatewayHost(
    'web',
    'a.example',
    [
      { prefix: '/' },
      { prefix: '/token' },
      { prefix: '/open/', disableExtauth: true },
      { prefix: '/old', prefixRewrite: '/new' },
      { prefix: '/quick', timeoutPolicy: { request: '5s', idle: '10s', cluster_connect: '2s' } },
      { prefix: '/socket', enableWebsockets: true },
      { prefix: '/retried', retryPolicy: { count: 2, retriableStatusCodes: [500] }, prefixRewrite: '/fail' },
      { prefix: '/few', filters: ['route_filter_circuitbreakers few'] },
      { prefix: '/flaky', prefixRewrite: '/fail', filters: ['route_filter_outlierdetection outliers'] },
      { prefix: '/tenant/', filters: ['route_filter_host_rewrite tenant'] },
      { prefix: '/away', filters: ['route_filter_redirect elsewhere'] },
      { prefix: '/before', filters: ['route_filter_redirect shifted'] },
      { prefix: '/gone', filters: ['route_filter_directresponse gone'] },
      { prefix: '/teapot', filters: ['route_filter_directresponse teapot'] },
      { prefix: '/counted', filters: ['route_filter_ratelimit counted'] },
      { prefix: '/script', filters: ['route_filter_lua script'] },
    ],
    { filters: ['vh_filter_cors origins', 'vh_filter_rbac admins'] },
  ),
  gatewayHost('other', '*', [{ prefix: '/' }]),
  enroute('ServiceRoute', 'blue', {
    fqdn: 'a.example',
    route: {
      conditions: [{ prefix: '/' }, { header: { name: 'x-colour', contains: 'blu' } }],
      services: [{ name: 'web', port: 80, strategy: 'Cookie' }],
      prefixRewrite: '/blue/',
    },
  }),
];

interface Request {
  readonly path: string;
  readonly host?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** How often, one after the other. */
  readonly times?: number;
}

const bearer = { authorization: `Bearer ${token(key, { iss: ISSUER, exp: 4_000_000_000 })}` };

const REQUESTS: readonly Request[] = [
  { path: '/' },
  { path: '/x?y=z', headers: { 'x-colour': 'blue' } },
  { path: '/', host: 'nobody.example' },
  { path: '/healthz' },
  { path: '/forbidden' },
  { path: '/open/forbidden' },
  { path: '/token' },
  { path: '/token', headers: bearer },
  { path: '/token', headers: { authorization: 'Bearer x.y.z' } },
  { path: '/admin/x' },
  { path: '/admin/x', host: 'a.example:8080' },
  { path: '/admin/x', host: 'nobody.example' },
  { path: '/', headers: { origin: 'https://x.friends.example' } },
  { path: '/', headers: { origin: 'https://x.enemies.example' } },
  {
    path: '/',
    method: 'OPTIONS',
    headers: { origin: 'http://x.friends.example', 'access-control-request-method': 'GET' },
  },
  { path: '/old/x' },
  { path: '/quick' },
  { path: '/retried' },
  { path: '/few' },
  { path: '/flaky', times: 3 },
  { path: '/tenant/blue/x' },
  { path: '/away' },
  { path: '/before/x?y=z' },
  { path: '/gone' },
  { path: '/teapot' },
  { path: '/counted' },
  { path: '/script' },
];

/** Answers as a program behind the gateway, as an authorizer, and with the keys of tokens. */
async function backend(t: TestContext): Promise<number> {
  const server = http.createServer(({ url = '', headers, method }, response) => {
    if (url === '/keys') return response.end(JSON.stringify({ keys: [key.jwk()] }));
    if (url === '/fail') return response.writeHead(500).end('failed');
    if (url.startsWith('/auth/')) {
      return response.writeHead(url.includes('forbidden') ? 403 : 200, { 'x-auth-user': 'ann' }).end();
    }
    return response.end(JSON.stringify({ url, method, host: headers.host, user: headers['x-auth-user'] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

const SHOWN = [
  'location',
  'content-type',
  'access-control-allow-origin',
  'access-control-expose-headers',
  'www-authenticate',
];

/** Status, the headers that filters make, and body. */
function ask(port: number, { path, host = 'a.example', method = 'GET', headers = {} }: Request): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: '127.0.0.1', port, path, method, headers: { host, ...headers } },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        const shown = SHOWN.map((name) => `${name}=${response.headers[name] ?? ''}`).join(' ');
        response.on('end', () => resolve(`${response.statusCode} ${shown} ${body}`));
      },
    );
    request.on('error', reject);
    request.end();
  });
}

describe("what EnRoute's kinds become", { skip: withoutReference }, () => {
  test('is the same to Envoy and to our proxy', async (t) => {
    const [port, envoyPort, ourPort, nobody] = [await backend(t), ...(await freePorts(3))];
    const patches = {
      apiVersion: 'networking.istio.io/v1alpha3',
      kind: 'EnvoyFilter',
      metadata: { name: 'vanilla', namespace: 'istio-system' },
      spec: { configPatches: VANILLA },
    };
    const around = [patches, gateway('envoy', envoyPort!), gateway('ours', ourPort!), ...service('web', port)];
    const lines: string[] = [];
    const server = await startIsthmus(
      t,
      { 'mesh.yaml': [...around.map((object) => `${JSON.stringify(object)}\n---\n`), ...CONFIGURATION].join('') },
      { lines },
    );
    const options = (name: string) => {
      const node = nodeJson('router', name, 'gw');
      return {
        delta: true,
        node: { ...node, metadata: { ...node.metadata, LABELS: { gw: name } } },
        // Nobody hands out certificates here, so that nobody can be asked about limits either.
        clusters: [cluster('sds-grpc', nobody!, HTTP2)],
      };
    };
    const envoy = await startEnvoy(t, server.grpc, options('envoy'));
    await startEnvoy(t, server.grpc, { ...options('ours'), command: [...isthmusProgram(), 'proxy'] });
    for (const at of [envoyPort!, ourPort!]) {
      await until(
        'the first answer',
        async () => (await ask(at, { path: '/gone' }).catch(() => ''))?.startsWith('410') || undefined,
      );
      await until(
        'the keys',
        async () => (await ask(at, { path: '/token', headers: bearer })).startsWith('200') || undefined,
      );
    }
    const { proxies } = server.running.controlPlane;
    assert.deepEqual(
      [...proxies].flatMap(({ progress }) => [...progress.nacks.values()]),
      [],
    );
    await assertAccepted(envoy);
    for (const request of REQUESTS) {
      await t.test(JSON.stringify(request), async () => {
        for (let i = 0; i < (request.times ?? 1); i++) {
          assert.equal(await ask(ourPort!, request), await ask(envoyPort!, request));
        }
      });
    }
  });
});

async function assertAccepted(envoy: TestedEnvoy): Promise<void> {
  const stats = await envoy.get('/stats?filter=update_rejected');
  assert.doesNotMatch(stats, /update_rejected: [1-9]/);
}
