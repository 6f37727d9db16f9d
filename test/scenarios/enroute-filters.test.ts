import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import {
  enroute,
  enrouteMesh,
  gatewayHost,
  globalConfig,
  HELPER,
  helper,
  httpFilter,
  plainEnrouteGateway,
  routeFilter,
} from '../support/enroute.ts';
import { type Answer, apply, curl } from '../support/ingress.ts';
import { rsaKey, token } from '../support/jwt.ts';
import { ownAddress, TestedMesh } from '../support/local-mesh.ts';
import { until } from '../support/reference.ts';

const HOST = 'a.example';
const ISSUER = 'https://issuer.example';
const key = rsaKey('k');

/** Everything that one mesh can have at once: filters of all hosts are for some paths only, or for what others answer. */
const CONFIGURATION = [
  globalConfig('globals', 'globalconfig_globals', { istio_enabled: true }),
  globalConfig('limits', 'globalconfig_ratelimit', {
    domain: 'enroute',
    descriptors: [
      {
        key: 'user',
        descriptors: [{ key: 'generic_key', value: 'counted', rate_limit: { unit: 'day', requests_per_unit: 2 } }],
      },
    ],
  }),
  globalConfig('log', 'globalconfig_accesslog', {
    path: './requests.log',
    json_format: { path: '%REQ(:PATH)%', status: '%RESPONSE_CODE%' },
  }),
  httpFilter('health', 'http_filter_healthcheck', { path: '/healthz' }),
  httpFilter('tokens', 'http_filter_jwt', {
    name: 'issuer',
    jwks_uri: 'http://helper.default/keys',
    issuer: ISSUER,
    audience: 'api',
    route: [{ prefix: '/token' }],
    jwt_service_name: 'helper',
    jwt_service_port: '80',
    jwt_forward_header_name: 'x-jwt-payload',
  }),
  httpFilter('authorize', 'http_filter_extauthz', {
    url: 'http://default.helper:80',
    path_prefix: '/auth',
    timeout: 5,
    status_on_error: 503,
    failure_mode_allow: false,
    allowed_authorization_headers: ['x-auth-user'],
  }),
  enroute('PolicyOverlay', 'teapots', {
    name: 'teapots',
    type: 'custom_response',
    policyOverlayConfig: {
      config: JSON.stringify({
        custom_response_override: [
          {
            match_status_code: 418,
            update_status_code: 451,
            update_response_body: { text_format: 'no teapots: %RESPONSE_CODE%', content_type: 'text/x-teapot' },
          },
        ],
      }),
    },
  }),
  httpFilter('origins', 'vh_filter_cors', {
    match_condition: { suffix: '.friends.example' },
    access_control_allow_methods: 'GET, PUT',
    access_control_allow_headers: 'x-custom',
    access_control_max_age: '60s',
  }),
  httpFilter('admins', 'vh_filter_rbac', { action: 'DENY', rules: [{ to: [{ operation: { paths: ['/admin*'] } }] }] }),
  routeFilter('counted', 'route_filter_ratelimit', {
    descriptors: [
      { request_headers: { header_name: 'x-user', descriptor_key: 'user' } },
      { generic_key: { descriptor_value: 'counted' } },
    ],
  }),
  routeFilter('few', 'route_filter_circuitbreakers', { max_connections: 1, max_pending_requests: 1 }),
  routeFilter('outliers', 'route_filter_outlierdetection', { consecutive_5xx: 2, enforcing_consecutive_5xx: 100 }),
  routeFilter('tenant', 'route_filter_host_rewrite', {
    pattern_regex: '^/tenant/([a-z]+)/.*$',
    substitution: '\\1.tenants.example',
  }),
  routeFilter('elsewhere', 'route_filter_redirect', {
    host: 'b.example',
    scheme: 'https',
    response_code: 308,
    regex_redirect: { pattern_regex: '^/moved/(.*)$', substitution: '/now/\\1' },
    strip_query: true,
  }),
  routeFilter('gone', 'route_filter_directresponse', { response_code: 410 }),
  routeFilter('teapot', 'route_filter_directreponse', { response_code: 418 }),
  gatewayHost(
    'web',
    HOST,
    [
      { prefix: '/' },
      { prefix: '/token' },
      { prefix: '/open/', disableExtauth: true },
      { prefix: '/counted', filters: ['route_filter_ratelimit counted'] },
      { prefix: '/few', service: 'helper', prefixRewrite: '/hold', filters: ['route_filter_circuitbreakers few'] },
      { prefix: '/free', service: 'helper', prefixRewrite: '/hold' },
      { prefix: '/release', service: 'helper' },
      { prefix: '/held', service: 'helper' },
      {
        prefix: '/flaky',
        service: 'helper',
        prefixRewrite: '/fail',
        filters: ['route_filter_outlierdetection outliers'],
      },
      { prefix: '/fail', service: 'helper' },
      {
        prefix: '/sick',
        services: [
          {
            name: 'helper',
            port: 80,
            healthCheck: {
              path: '/fail',
              intervalSeconds: 1,
              timeoutSeconds: 1,
              unhealthyThresholdCount: 1,
              healthyThresholdCount: 1,
            },
          },
        ],
      },
      { prefix: '/tenant/', filters: ['route_filter_host_rewrite tenant'] },
      { prefix: '/moved/', filters: ['route_filter_redirect elsewhere'] },
      { prefix: '/gone', filters: ['route_filter_directresponse gone'] },
      { prefix: '/teapot', filters: ['route_filter_directresponse teapot'] },
      { prefix: '/script', filters: ['route_filter_lua script'] },
    ],
    { filters: ['vh_filter_cors origins', 'vh_filter_rbac admins'] },
  ),
  gatewayHost('other', 'other.example', [{ prefix: '/' }]),
  enroute('ServiceRoute', 'api', {
    fqdn: HOST,
    route: {
      conditions: [{ prefix: '/' }, { header: { name: 'x-api', present: true } }],
      services: [{ name: 'api', port: 80 }],
    },
  }),
];

test('every filter of EnRoute changes the answer', async (t) => {
  const second = ownAddress();
  const files = {
    ...enrouteMesh(plainEnrouteGateway('edge', second), helper({ keys: [key.jwk()] }), ...CONFIGURATION),
    'helper.mjs': HELPER,
  };
  const mesh = await TestedMesh.start(t, files);
  const askOf = (host: string, url: string, ...args: string[]): Promise<Answer> =>
    curl(mesh, '-H', `Host: ${host}`, ...args, `http://${mesh.gateway(80)}${url}`);
  const ask = (url: string, ...args: string[]) => askOf(HOST, url, ...args);
  const status = async (url: string, ...args: string[]) => (await ask(url, ...args)).status;
  const sent = async (url: string, ...args: string[]): Promise<{ headers: Record<string, string> }> =>
    JSON.parse((await ask(url, ...args)).body);
  const header = ({ headers }: Answer, name: string) => new RegExp(`^${name}: (.*?)\r?$`, 'mi').exec(headers)?.[1];

  await t.test('the pod has the containers of the chart', async () => {
    const { stdout } = await mesh.isthmus(['status']);
    assert.match(
      stdout,
      /^enroute-system +enroute-\S+ +5\/5 +Running .* enroute,redis,envoy,cert-server,istio-proxy$/m,
    );
    assert.match(stdout, /^default +edge-\S+ +2\/2 +Running .* enroute,envoy$/m);
  });

  await t.test('GatewayHost and ServiceRoute', async () => {
    assert.equal(await status('/'), 200);
    assert.equal((await sent('/')).headers.host, HOST);
    assert.match((await ask('/', '-H', 'x-api: 1')).headers, /x-version: v1/);
    assert.equal((await askOf('nobody.example', '/')).status, 404);
  });

  await t.test('http_filter_healthcheck', async () => {
    assert.deepEqual([await status('/healthz'), (await ask('/healthz')).body], [200, '']);
  });

  await t.test('http_filter_jwt', async () => {
    const claims = { iss: ISSUER, aud: 'api', exp: Math.floor(Date.now() / 1000) + 600 };
    const bearer = (payload: object) => ['-H', `Authorization: Bearer ${token(key, payload)}`];
    assert.equal(await status('/token'), 401);
    assert.equal(await status('/token', ...bearer({ ...claims, aud: 'else' })), 403);
    const { headers } = await sent('/token', ...bearer(claims));
    assert.equal(JSON.parse(Buffer.from(headers['x-jwt-payload']!, 'base64url').toString()).aud, 'api');
  });

  await t.test('http_filter_extauthz, and disableExtauth', async () => {
    assert.equal((await sent('/')).headers['x-auth-user'], 'ann');
    assert.equal(await status('/forbidden'), 403);
    assert.equal(await status('/open/forbidden'), 200);
  });

  await t.test('vh_filter_cors', async () => {
    const from = (origin: string) => ['-H', `Origin: http://${origin}`];
    const answer = await ask('/', ...from('x.friends.example'));
    assert.equal(header(answer, 'access-control-allow-origin'), 'http://x.friends.example');
    assert.equal(header(await ask('/', ...from('x.enemies.example')), 'access-control-allow-origin'), undefined);
    const preflight = await ask(
      '/',
      '-X',
      'OPTIONS',
      ...from('x.friends.example'),
      '-H',
      'Access-Control-Request-Method: PUT',
    );
    assert.equal(preflight.status, 200);
    assert.deepEqual(
      ['methods', 'headers'].map((what) => header(preflight, `access-control-allow-${what}`)),
      ['GET,PUT', 'x-custom'],
    );
    assert.equal(header(preflight, 'access-control-max-age'), '60');
  });

  await t.test('vh_filter_rbac, of its host alone', async () => {
    assert.equal(await status('/admin/x'), 403);
    assert.equal((await askOf(`${HOST}:8080`, '/admin/x')).status, 403);
    assert.equal((await askOf(HOST.toUpperCase(), '/admin/x')).status, 403);
    assert.equal((await askOf('other.example', '/admin/x')).status, 200);
  });

  await t.test('custom_response, by a PolicyOverlay', async () => {
    const answer = await ask('/teapot');
    assert.equal(answer.status, 451);
    assert.equal(header(answer, 'content-type'), 'text/x-teapot');
    assert.match(answer.body, /^no teapots: 4/);
  });

  await t.test('route_filter_directresponse', async () => {
    assert.equal(await status('/gone'), 410);
  });

  await t.test('route_filter_redirect', async () => {
    const answer = await ask('/moved/x?y=z');
    assert.equal(answer.status, 308);
    assert.equal(header(answer, 'location'), 'https://b.example/now/x');
  });

  await t.test('route_filter_host_rewrite', async () => {
    assert.equal((await sent('/tenant/blue/x')).headers.host, 'blue.tenants.example');
  });

  await t.test('route_filter_ratelimit, counted for all gateways together', async () => {
    const bob = ['-H', 'x-user: bob'];
    const atSecond = (...args: string[]) => curl(mesh, '-H', `Host: ${HOST}`, ...args, `http://${second}:8080/counted`);
    assert.equal(await status('/counted', ...bob), 200);
    assert.equal((await atSecond(...bob)).status, 200);
    assert.deepEqual([await status('/counted', ...bob), (await atSecond(...bob)).status], [429, 429]);
    assert.equal(await status('/counted', '-H', 'x-user: ann'), 200);
    assert.equal(await status('/counted'), 200, 'without the header there is nothing to count by');
  });

  await t.test('route_filter_circuitbreakers, for its route alone', async () => {
    const few = [ask('/few'), ask('/few'), ask('/few')];
    const first = await Promise.race(few);
    assert.equal(first.status, 503);
    const free = [ask('/free'), ask('/free'), ask('/free')];
    await until('requests that are held', async () => Number((await ask('/held')).body) >= 4 || undefined);
    assert.equal(await status('/release'), 200);
    const count = (answers: readonly Answer[]) => answers.filter((answer) => answer.status === 200).length;
    assert.equal(count(await Promise.all(few)), 2);
    assert.equal(count(await Promise.all(free)), 3);
  });

  await t.test('route_filter_outlierdetection, for its route alone', async () => {
    assert.deepEqual([await status('/flaky'), await status('/flaky')], [500, 500]);
    assert.equal(await status('/flaky'), 503, 'nobody is left to ask');
    assert.deepEqual([await status('/fail'), await status('/fail'), await status('/fail')], [500, 500, 500]);
  });

  await t.test('healthCheck of a service', async () => {
    await until('a service that is not well', async () => (await status('/sick')) === 503 || undefined);
    assert.equal(await status('/release'), 200);
  });

  await t.test('globalconfig_accesslog', async () => {
    const pods = path.join(mesh.home, 'meshes');
    const [log] = fs
      .readdirSync(pods, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.includes('enroute-system.') && name.endsWith('requests.log'));
    const line = () =>
      fs
        .readFileSync(path.join(pods, log!), 'utf8')
        .split('\n')
        .find((text) => text.includes('/gone'));
    assert.deepEqual(JSON.parse((await until('a line of the log', line))!), { path: '/gone', status: 410 });
  });

  await t.test('one that is not there: its route answers 503 and says why, and so do get and analyze', async () => {
    const { status: code, body } = await ask('/script');
    assert.deepEqual([code, body], [503, 'enroute: filter script: there is no RouteFilter default/script\n']);
    const said = 'names no RouteFilter: default/script';
    assert.match(
      (await mesh.isthmus(['get', 'gwhost', 'web'])).stdout,
      new RegExp(`^NAME +FQDN .*\nweb +${HOST} +invalid +.*${said}`),
    );
    assert.match((await mesh.isthmus(['get', 'gatewayhosts', 'other'])).stdout, /^other +other\.example +valid /m);
    assert.match((await mesh.isthmus(['analyze'])).stdout, new RegExp(said));
    assert.match(
      mesh.stdout + mesh.stderr,
      new RegExp(`mesh\\.yaml:\\d+:\\d+: GatewayHost/default/web: spec\\.routes\\[\\d+\\].*${said}`),
    );
  });

  await t.test('http_filter_lua closes every host, until it is gone', async () => {
    await apply(mesh, httpFilter('script', 'http_filter_lua', 'function envoy_on_request(handle) end'));
    for (const host of [HOST, 'other.example']) {
      const { status: code, body } = await askOf(host, '/');
      assert.equal(code, 503);
      assert.match(
        body,
        /^enroute: HttpFilter default\/script: type: http_filter_lua is not supported: Lua is not run here/,
      );
    }
    assert.equal((await mesh.isthmus(['delete', '--wait', 'httpfilter', 'script'])).code, 0);
    await until('an open gateway', async () => (await status('/')) === 200 || undefined);
  });

  await t.test('http_filter_ratelimit counts for each gateway alone', async () => {
    await apply(mesh, httpFilter('all', 'http_filter_ratelimit', { unit: 'day', requests_per_unit: 2 }));
    assert.deepEqual([await status('/'), await status('/'), await status('/')], [200, 200, 429]);
  });
});
