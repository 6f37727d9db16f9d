import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backend, curl, gateway, meshFiles, routeTo, service, virtualService } from '../support/ingress.ts';
import { TestedMesh } from '../support/local-mesh.ts';

const HOST = 'web.example';
const MANAGER = 'envoy.filters.network.http_connection_manager';
const ROUTER = { filterChain: { filter: { name: MANAGER, subFilter: { name: 'envoy.filters.http.router' } } } };

const document = (apiVersion: string, kind: string, name: string, spec: object, namespace = 'default') =>
  `${JSON.stringify({ apiVersion, kind, metadata: { name, namespace }, spec })}\n---\n`;
const envoyFilter = (name: string, namespace: string, labels: object, configPatches: object[]) =>
  document(
    'networking.istio.io/v1alpha3',
    'EnvoyFilter',
    name,
    { workloadSelector: { labels }, configPatches },
    namespace,
  );
const rateLimit = (name: string, spec: object, namespace?: string) =>
  document('isthmus.dev/v1alpha1', 'RateLimit', name, spec, namespace);

/** A rate limit service of somebody else's: two requests of a path, and no more. It takes only what the recipe sends. */
const SERVICE = `
import { Server, ServerCredentials } from '@grpc/grpc-js';
const { HOST, PORT } = process.env;
const raw = { requestStream: false, responseStream: false, requestSerialize: (b) => b, requestDeserialize: (b) => b, responseSerialize: (b) => b, responseDeserialize: (b) => b };
const counts = new Map();
const [OK, OVER_LIMIT] = [Buffer.from([8, 1]), Buffer.from([8, 2])];
const server = new Server();
server.addService(
  { ask: { path: '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit', ...raw } },
  {
    ask: ({ request }, callback) => {
      const text = request.toString('latin1');
      const path = /PATH..(\\/[a-z]*)/s.exec(text)?.[1];
      if (!text.includes('web-ratelimit') || path === undefined) return callback({ code: 3, details: text });
      const count = (counts.get(path) ?? 0) + 1;
      counts.set(path, count);
      callback(null, path === '/counted' && count > 2 ? OVER_LIMIT : OK);
    },
  },
);
server.bindAsync(HOST + ':' + PORT, ServerCredentials.createInsecure(), () => {});
`;

const RATELIMIT_POD = `
apiVersion: v1
kind: Service
metadata: {name: ratelimit}
spec: {selector: {app: ratelimit}, ports: [{name: grpc-port, port: 8081, targetPort: 8081}]}
---
apiVersion: v1
kind: Pod
metadata: {name: ratelimit, labels: {app: ratelimit}}
spec:
  containers:
  - {name: ratelimit, command: [node, ratelimit.mjs], ports: [{containerPort: 8081}]}
---
`;

/** What Istio's task on rate limits shows for counters of all: a filter in the gateway, and what it counts by. */
const GLOBAL_RECIPE = [
  envoyFilter('filter-ratelimit', 'istio-system', { istio: 'ingressgateway' }, [
    {
      applyTo: 'HTTP_FILTER',
      match: { context: 'GATEWAY', listener: ROUTER },
      patch: {
        operation: 'INSERT_BEFORE',
        value: {
          name: 'envoy.filters.http.ratelimit',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit',
            domain: 'web-ratelimit',
            failure_mode_deny: true,
            timeout: '10s',
            rate_limit_service: {
              grpc_service: {
                envoy_grpc: {
                  cluster_name: 'outbound|8081||ratelimit.default.svc.cluster.local',
                  authority: 'ratelimit.default.svc.cluster.local',
                },
              },
              transport_api_version: 'V3',
            },
          },
        },
      },
    },
  ]),
  envoyFilter('filter-ratelimit-svc', 'istio-system', { istio: 'ingressgateway' }, [
    {
      applyTo: 'VIRTUAL_HOST',
      match: { context: 'GATEWAY', routeConfiguration: { vhost: { name: '', route: { action: 'ANY' } } } },
      patch: {
        operation: 'MERGE',
        value: { rate_limits: [{ actions: [{ request_headers: { header_name: ':path', descriptor_key: 'PATH' } }] }] },
      },
    },
  ]),
].join('');

const BUCKET = { max_tokens: 2, tokens_per_fill: 2, fill_interval: '86400s' };
const ALWAYS = { default_value: { numerator: 100, denominator: 'HUNDRED' } };

/** The same task's recipe for a counter of each pod, with its configuration in a TypedStruct. */
const LOCAL_RECIPE = envoyFilter('filter-local-ratelimit-svc', 'default', { app: 'api' }, [
  {
    applyTo: 'HTTP_FILTER',
    match: { context: 'SIDECAR_INBOUND', listener: { filterChain: { filter: { name: MANAGER } } } },
    patch: {
      operation: 'INSERT_BEFORE',
      value: {
        name: 'envoy.filters.http.local_ratelimit',
        typed_config: {
          '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
          type_url: 'type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
          value: {
            stat_prefix: 'http_local_rate_limiter',
            token_bucket: BUCKET,
            filter_enabled: { runtime_key: 'local_rate_limit_enabled', ...ALWAYS },
            filter_enforced: { runtime_key: 'local_rate_limit_enforced', ...ALWAYS },
            response_headers_to_add: [{ append: false, header: { key: 'x-local-rate-limit', value: 'true' } }],
          },
        },
      },
    },
  },
]);

/** The kind of ours: for a service, for a host of a gateway, and shared. */
const KINDS = [
  rateLimit('own', { targetRefs: [{ kind: 'Service', name: 'own' }], local: { requests: 2, unit: 'day' } }),
  rateLimit(
    'edge',
    {
      selector: { matchLabels: { istio: 'ingressgateway' } },
      hosts: ['few.example'],
      local: { requests: 1, unit: 'day' },
    },
    'istio-system',
  ),
  rateLimit('team', {
    selector: { matchLabels: { app: 'web' } },
    shared: {
      domain: 'teams',
      failureModeDeny: true,
      descriptors: [{ entries: [{ requestHeaders: { headerName: 'x-team', descriptorKey: 'team' } }] }],
      limits: [
        { key: 'team', rateLimit: { unit: 'day', requestsPerUnit: 2 } },
        { key: 'team', value: 'blue', rateLimit: { unit: 'day', requestsPerUnit: 1 } },
      ],
    },
  }),
].join('');

test("rate limits: the recipes of Istio's documentation, and the kind that says the same", async (t) => {
  const hosts = [HOST, 'api.example', 'own.example', 'few.example'];
  const mesh = await TestedMesh.start(t, {
    ...meshFiles(
      ...['web', 'api', 'own'].flatMap((name) => [backend(name, 'v1'), service(name)]),
      gateway('edge', { port: 80, protocol: 'HTTP', name: 'http', hosts }),
      virtualService('web', HOST, 'edge', routeTo('web')),
      virtualService('api', 'api.example', 'edge', routeTo('api')),
      virtualService('own', 'own.example', 'edge', routeTo('own')),
      virtualService('few', 'few.example', 'edge', routeTo('web')),
      ...[RATELIMIT_POD, GLOBAL_RECIPE, LOCAL_RECIPE, KINDS],
    ),
    'ratelimit.mjs': SERVICE,
  });
  const ask = (host: string, url: string, ...args: string[]) =>
    curl(mesh, '-H', `Host: ${host}`, ...args, `http://${mesh.gateway(80)}${url}`);
  const times = async (count: number, host: string, url: string, ...args: string[]) => {
    const statuses: number[] = [];
    for (let i = 0; i < count; i++) statuses.push((await ask(host, url, ...args)).status);
    return statuses;
  };

  await t.test('an EnvoyFilter with a service that counts for all', async () => {
    assert.deepEqual(await times(3, HOST, '/counted'), [200, 200, 429]);
    assert.deepEqual(await times(3, HOST, '/other'), [200, 200, 200]);
  });

  await t.test('an EnvoyFilter with a bucket in each sidecar', async () => {
    assert.deepEqual(await times(3, 'api.example', '/'), [200, 200, 429]);
    assert.match((await ask('api.example', '/')).headers, /^x-local-rate-limit: true\r?$/m);
  });

  await t.test('a RateLimit of a service', async () => {
    assert.deepEqual(await times(3, 'own.example', '/'), [200, 200, 429]);
  });

  await t.test('a RateLimit of a host of the gateway', async () => {
    assert.deepEqual(await times(2, 'few.example', '/'), [200, 429]);
    assert.deepEqual(await times(1, HOST, '/'), [200]);
  });

  await t.test('a RateLimit that the control plane counts', async () => {
    const team = (name: string) => ['-H', `x-team: ${name}`];
    assert.deepEqual(await times(2, HOST, '/', ...team('blue')), [200, 429]);
    assert.deepEqual(await times(3, HOST, '/', ...team('red')), [200, 200, 429]);
    const { headers } = await ask(HOST, '/', ...team('red'));
    assert.match(headers, /^x-ratelimit-limit: 2, 2;w=86400\r?$/m);
    assert.deepEqual(await times(1, HOST, '/'), [200]);
    assert.match(
      (await mesh.isthmus(['get', 'ratelimits'])).stdout,
      /^NAME +LOCAL +SHARED +AGE\nown +2\/day .*\nteam +teams /m,
    );
  });
});
