import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatMessage } from '../../config/message.ts';
import { readObjects } from '../../config/read.ts';
import { ObjectsSnapshot } from '../../config/store/objects.ts';
import { Adapters } from '../adapters.ts';

const AROUND = `
{apiVersion: apps/v1, kind: Deployment, metadata: {name: enroute, namespace: gw}, spec: {selector: {matchLabels: {app: enroute}}, template: {metadata: {labels: {app: enroute}}, spec: {containers: [{name: enroute, image: 'saarasio/enroute-gwi:v0.12'}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: https, port: 443}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: api}, spec: {selector: {app: api}, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Secret, metadata: {name: cert}, type: kubernetes.io/tls, stringData: {tls.crt: C, tls.key: K}}
---
{apiVersion: v1, kind: Secret, metadata: {name: theirs, namespace: other}, type: kubernetes.io/tls, stringData: {tls.crt: C, tls.key: K}}
---
{apiVersion: v1, kind: Secret, metadata: {name: authority}, stringData: {ca.crt: A}}
---
`;

interface Made {
  readonly list: (
    kind: 'Gateway' | 'VirtualService' | 'DestinationRule' | 'EnvoyFilter' | 'Secret' | 'AuthorizationPolicy',
  ) => {
    readonly at: string;
    readonly spec: Record<string, unknown>;
  }[];
  readonly warnings: readonly string[];
}

/** What is made of these objects of EnRoute's. Each is `KIND NAME [NAMESPACE]` and its spec. */
function made(...objects: readonly (readonly [string, object])[]): Made {
  const documents = objects.map(([id, spec]) => {
    const [kind = '', name = '', namespace = 'default'] = id.split(' ');
    return JSON.stringify({ apiVersion: 'enroute.saaras.io/v1', kind, metadata: { name, namespace }, spec });
  });
  const { entries, problems } = readObjects(`${AROUND}${documents.join('\n---\n')}`, 'f.yaml');
  assert.deepEqual([...problems, ...entries.flatMap((e) => e.errors)].map(formatMessage), []);
  const written = ObjectsSnapshot.empty.next(new Map(entries.map((e) => [e.key!, e.object!])), [], []);
  const config = new Adapters().adapt(written, {});
  return {
    list: (kind) =>
      config
        .list(kind)
        .filter(({ metadata }) => metadata.name.includes('enroute'))
        .map(({ metadata, raw, spec }) => ({
          at: `${metadata.namespace}/${metadata.name}`,
          spec: (raw.spec ?? spec) as Record<string, unknown>,
        })),
    warnings: config.warnings.map(({ key, field, message }) => `${key} ${field} ${message}`),
  };
}

const host = (routes: readonly object[], more: object = {}) => ({
  virtualhost: { fqdn: 'a.example', ...more },
  routes,
});
const to = (name = 'web', more: object = {}) => ({ services: [{ name, port: 80, ...more }] });
const httpFilter = (type: string, config: unknown) => ({
  name: 'f',
  type,
  httpFilterConfig: { config: textOf(config) },
});
const routeFilter = (type: string, config: unknown) => ({
  name: 'f',
  type,
  routeFilterConfig: { config: textOf(config) },
});
const textOf = (config: unknown) => (typeof config === 'string' ? config : JSON.stringify(config));
const prefix = (text: string) => ({ conditions: [{ prefix: text }] });

/** `PREFIX -> WHERE` for each rule of the only VirtualService. */
function rules({ list }: Made): string[] {
  const [service] = list('VirtualService');
  const http = (service?.spec.http ?? []) as {
    match: { port?: number; uri: { prefix: string } }[];
    route?: { destination: { host: string; subset?: string }; weight: number }[];
    redirect?: object;
    directResponse?: { status: number; body?: { string: string } };
  }[];
  return http.map(({ match: [match], route, redirect, directResponse }) => {
    const port = match?.port === undefined ? '' : `:${match.port} `;
    const where =
      route?.map(({ destination, weight }) => `${destination.host.split('.')[0]}*${weight}`).join(' ') ??
      (redirect
        ? JSON.stringify(redirect)
        : `${directResponse?.status} ${directResponse?.body?.string.trim() ?? ''}`.trim());
    return `${port}${match?.uri.prefix} -> ${where}`;
  });
}

/** The values of the patches of the only EnvoyFilter that apply to something. */
function patches({ list }: Made, applyTo: string): { match: Record<string, never>; value: Record<string, never> }[] {
  const all = (list('EnvoyFilter')[0]?.spec.configPatches ?? []) as {
    applyTo: string;
    match: Record<string, never>;
    patch: { value: Record<string, never> };
  }[];
  return all.filter((patch) => patch.applyTo === applyTo).map(({ match, patch }) => ({ match, value: patch.value }));
}

describe('a GatewayHost', () => {
  test('becomes a Gateway of each EnRoute gateway and a VirtualService, longest prefix first', () => {
    const result = made(
      [
        'GatewayHost web',
        host([
          { ...prefix('/'), ...to() },
          { ...prefix('/api'), ...to('api') },
        ]),
      ],
      ['ServiceRoute more', { fqdn: 'a.example', route: { ...prefix('/api/v2'), ...to('web') } }],
    );
    assert.deepEqual(result.warnings, []);
    assert.deepEqual(result.list('Gateway'), [
      {
        at: 'gw/web-default-enroute-enroute',
        spec: {
          selector: { app: 'enroute' },
          servers: [{ port: { number: 8080, protocol: 'HTTP', name: 'http' }, hosts: ['a.example'] }],
        },
      },
    ]);
    const [service] = result.list('VirtualService');
    assert.deepEqual(service?.spec.gateways, ['gw/web-default-enroute-enroute']);
    assert.deepEqual(rules(result), ['/api/v2 -> web*1', '/api -> api*1', '/ -> web*1']);
    const destinations = result.list('DestinationRule');
    assert.deepEqual(destinations.map(({ at }) => at).sort(), [
      'gw/enroute-enroute-api.default.svc.cluster.local',
      'gw/enroute-enroute-web.default.svc.cluster.local',
    ]);
    assert.deepEqual(destinations[0]?.spec.trafficPolicy, {
      loadBalancer: { simple: 'ROUND_ROBIN' },
      tls: { mode: 'DISABLE' },
    });
  });

  test('leaves mutual TLS to the mesh once GlobalConfig says so', () => {
    const globals = { type: 'globalconfig_globals', config: '{"istio_enabled": true}' };
    const result = made(['GatewayHost web', host([to()])], ['GlobalConfig g', globals]);
    const [rule] = result.list('DestinationRule');
    assert.deepEqual(rule?.spec.trafficPolicy, { loadBalancer: { simple: 'ROUND_ROBIN' } });
  });

  test('with a certificate sends plain requests to https, but for routes that permit them', () => {
    const secure = { tls: { secretName: 'cert', minimumProtocolVersion: '1.3' } };
    const result = made([
      'GatewayHost web',
      host([to(), { ...prefix('/open'), ...to('api'), permitInsecure: true }], secure),
    ]);
    assert.deepEqual(result.warnings, []);
    assert.deepEqual(rules(result), ['/open -> api*1', ':8080 / -> {"scheme":"https"}', ':8443 / -> web*1']);
    assert.deepEqual(
      result.list('Secret').map(({ at }) => at),
      ['gw/enroute-certificate-default-cert'],
    );
    const [gateway] = result.list('Gateway');
    assert.deepEqual((gateway!.spec.servers as object[])[1], {
      port: { number: 8443, protocol: 'HTTPS', name: 'https' },
      hosts: ['a.example'],
      tls: { mode: 'SIMPLE', credentialName: 'enroute-certificate-default-cert', minProtocolVersion: 'TLSV1_3' },
    });
  });

  test('has a secret of another namespace only if it is delegated', () => {
    const secure = host([to()], { tls: { secretName: 'other/theirs' } });
    const delegate = (namespace: string) =>
      [
        'TLSCertificateDelegation d other',
        { delegations: [{ secretName: 'theirs', targetNamespaces: [namespace] }] },
      ] as const;
    const refused = made(['GatewayHost web', secure], delegate('nobody'));
    assert.deepEqual(refused.list('Secret'), []);
    assert.match(
      refused.warnings[0]!,
      /tls\.secretName names secret other\/theirs, which no TLSCertificateDelegation gives/,
    );
    assert.equal((refused.list('Gateway')[0]!.spec.servers as object[]).length, 1);
    for (const namespace of ['default', '*']) {
      const given = made(['GatewayHost web', secure], delegate(namespace));
      assert.deepEqual(
        given.list('Secret').map(({ at }) => at),
        ['gw/enroute-certificate-other-theirs'],
      );
      assert.deepEqual(given.warnings, []);
    }
  });

  test('passes TLS on, or ends it, for a tcpproxy', () => {
    const passed = {
      virtualhost: { fqdn: 'a.example', tls: { passthrough: true } },
      tcpproxy: { services: [{ name: 'web', port: 443 }] },
    };
    const [through] = made(['GatewayHost web', passed]).list('VirtualService');
    const route = [{ destination: { host: 'web.default.svc.cluster.local', port: { number: 443 } }, weight: 1 }];
    assert.deepEqual(through?.spec.tls, [{ match: [{ sniHosts: ['a.example'] }], route }]);
    const ended = {
      virtualhost: { fqdn: 'a.example', tls: { secretName: 'cert' } },
      tcpproxy: { delegate: { name: 'tcp' } },
    };
    const [tcp] = made(['GatewayHost web', ended], ['GatewayHost tcp', { tcpproxy: passed.tcpproxy }]).list(
      'VirtualService',
    );
    assert.deepEqual(tcp?.spec.tcp, [{ route }]);
  });

  test('delegates behind its prefix, and never in a circle', () => {
    const delegates = (name: string, at = '/team') => ({ ...prefix(at), delegate: { name } });
    const result = made(
      ['GatewayHost web', host([delegates('team'), delegates('gone', '/gone')])],
      [
        'GatewayHost team',
        { routes: [{ ...prefix('/team/a'), ...to('api') }, { ...prefix('/other'), ...to() }, delegates('team')] },
      ],
    );
    assert.deepEqual(rules(result), [
      '/team/a -> api*1',
      '/team -> 503 enroute: comes back to default/team',
      '/gone -> 503 enroute: names no GatewayHost: default/gone',
    ]);
    assert.equal(result.warnings.length, 3);
  });

  test('of two for one host the older counts; a host that nobody serves is told of', () => {
    const result = made(
      ['GatewayHost a', host([to()])],
      ['GatewayHost b', host([to('api')])],
      ['ServiceRoute lost', { fqdn: 'b.example', route: to() }],
    );
    assert.deepEqual(rules(result), ['/ -> web*1']);
    assert.deepEqual(result.warnings, [
      'GatewayHost/default/b spec.virtualhost.fqdn has no effect: GatewayHost default/a has this host, and is older',
      'ServiceRoute/default/lost spec.fqdn has no effect: no GatewayHost has this host',
    ]);
  });
});

describe('a route', () => {
  const only = (route: object): Record<string, unknown> => {
    const result = made(['GatewayHost web', host([route])]);
    assert.deepEqual(result.warnings, []);
    return (result.list('VirtualService')[0]!.spec.http as Record<string, unknown>[])[0]!;
  };

  test('matches headers', () => {
    const header = (more: object) => ({ header: { name: 'X-A', ...more } });
    const conditions = [{ prefix: '/x' }, header({ contains: 'a.b' }), header({ notexact: 'z' })];
    assert.deepEqual(only({ conditions, ...to() }).match, [
      { uri: { prefix: '/x' }, headers: { 'x-a': { regex: '.*a\\.b.*' } }, withoutHeaders: { 'x-a': { exact: 'z' } } },
    ]);
  });

  test('has timeouts, retries and rewrites', () => {
    const route = only({
      ...prefix('/old'),
      ...to(),
      prefixRewrite: '/new',
      timeoutPolicy: { request: '2s' },
      retryPolicy: { count: 3, perTryTimeout: '1s', retriableStatusCodes: [418] },
    });
    assert.equal(route.timeout, '2s');
    assert.deepEqual(route.retries, { attempts: 3, retryOn: '5xx,418', perTryTimeout: '1s' });
    assert.deepEqual(route.rewrite, { uri: '/new' });
    assert.deepEqual(only(to()).retries, { attempts: 0 });
  });

  test('weighs its services, and is told of one that is not there', () => {
    const services = [
      { name: 'web', port: 80, weight: 90 },
      { name: 'api', port: 80, weight: 10 },
    ];
    assert.deepEqual(rules(made(['GatewayHost web', host([{ services }])])), ['/ -> web*90 api*10']);
    const missing = made(['GatewayHost web', host([to('gone')])]);
    assert.deepEqual(rules(missing), ['/ -> 503 enroute: names no service: default/gone']);
    const port = made(['GatewayHost web', host([{ services: [{ name: 'web', port: 81 }] }])]);
    assert.match(port.warnings[0]!, /services\[0\] names port 81, which service default\/web does not have/);
  });

  test('reaches a service in its own way', () => {
    const result = made([
      'GatewayHost web',
      host([
        {
          ...prefix('/a'),
          ...to('web', {
            strategy: 'Random',
            healthCheck: {
              path: '/h',
              intervalSeconds: 5,
              timeoutSeconds: 2,
              unhealthyThresholdCount: 3,
              healthyThresholdCount: 1,
            },
          }),
        },
        {
          ...prefix('/b'),
          ...to('web', { protocol: 'tls', validation: { caSecret: 'authority', subjectName: 'web.example' } }),
        },
        {
          ...prefix('/c'),
          ...to('web', { protocol: 'h2c' }),
          timeoutPolicy: { request: 'infinity', cluster_connect: '1s' },
        },
      ]),
    ]);
    assert.deepEqual(result.warnings, []);
    const subsets = result.list('DestinationRule')[0]?.spec.subsets as { trafficPolicy: Record<string, unknown> }[];
    const [a, b, c] = subsets.map(({ trafficPolicy }) => trafficPolicy);
    assert.deepEqual(a?.loadBalancer, { simple: 'RANDOM' });
    assert.deepEqual(b?.tls, {
      mode: 'SIMPLE',
      credentialName: 'enroute-roots-default-authority',
      sni: 'web.example',
      subjectAltNames: ['web.example'],
    });
    assert.deepEqual(c?.connectionPool, { tcp: { connectTimeout: '1s' }, http: { h2UpgradePolicy: 'UPGRADE' } });
    assert.equal(patches(result, 'CLUSTER').length, 1);
  });
});

describe('a filter that cannot be honoured', () => {
  const named = (type: string) => host([to()], { filters: [{ name: 'f', type }] });
  const onRoute = (type: string) =>
    host([
      { ...to(), filters: [{ name: 'f', type }] },
      { ...prefix('/free'), ...to('api') },
    ]);
  const table: readonly (readonly [string, readonly (readonly [string, object])[], RegExp, RegExp])[] = [
    [
      'lua of a host',
      [
        ['GatewayHost web', named('vh_filter_lua')],
        ['HttpFilter f', httpFilter('vh_filter_lua', '')],
      ],
      /^\/ -> 503 enroute: HttpFilter default\/f: type: vh_filter_lua is not supported: Lua/,
      /GatewayHost.*filters\[0\]\.name names a filter that cannot be honoured/,
    ],
    [
      'lua of all hosts',
      [
        ['GatewayHost web', host([to()])],
        ['HttpFilter f', httpFilter('http_filter_lua', '')],
      ],
      /^\/ -> 503 .*http_filter_lua is not supported/,
      /HttpFilter\/default\/f spec\.type cannot be honoured/,
    ],
    [
      'one that is not there',
      [['GatewayHost web', named('vh_filter_cors')]],
      /^\/ -> 503 .*there is no HttpFilter default\/f/,
      /names no HttpFilter: default\/f/,
    ],
    [
      'one of another type',
      [
        ['GatewayHost web', named('vh_filter_cors')],
        ['HttpFilter f', httpFilter('vh_filter_rbac', { rules: [] })],
      ],
      /^\/ -> 503 .*is vh_filter_cors, and HttpFilter default\/f is vh_filter_rbac/,
      /filters\[0\]\.type/,
    ],
    [
      'a type that nobody knows',
      [
        ['GatewayHost web', host([to()])],
        ['PolicyOverlay f', { type: 'magic', policyOverlayConfig: { config: '{}' } }],
      ],
      /^\/ -> 503 .*magic is no type of filter/,
      /PolicyOverlay/,
    ],
    [
      'a service that is not there',
      [
        ['GatewayHost web', host([to()])],
        ['HttpFilter f', httpFilter('http_filter_extauthz', { url: 'http://default.gone:80' })],
      ],
      /^\/ -> 503 .*names no service: default\/gone/,
      /HttpFilter\/default\/f spec names no service/,
    ],
    [
      'counters without limits',
      [
        ['GatewayHost web', onRoute('route_filter_ratelimit')],
        ['RouteFilter f', routeFilter('route_filter_ratelimit', { descriptors: [{ remote_address: 'x' }] })],
      ],
      /^\/ -> 503 .*a GlobalConfig globalconfig_ratelimit is needed/,
      /routes\[0\]\.filters/,
    ],
  ];
  for (const [name, objects, rule, warning] of table) {
    test(name, () => {
      const result = made(...objects);
      assert.match(rules(result).find((text) => text.startsWith('/ ->'))!, rule);
      assert.ok(
        result.warnings.some((text) => warning.test(text)),
        result.warnings.join('\n'),
      );
    });
  }

  test('a route beside it is not touched', () => {
    assert.deepEqual(rules(made(['GatewayHost web', onRoute('route_filter_magic')])), [
      '/free -> api*1',
      '/ -> 503 enroute: filter f: there is no RouteFilter default/f',
    ]);
  });
});

describe('filters', () => {
  const withRoute = (type: string, config: unknown) =>
    made(
      ['GatewayHost web', host([{ ...to(), filters: [{ name: 'f', type }] }])],
      ['RouteFilter f', routeFilter(type, config)],
    );

  test('route_filter_directresponse in both spellings', () => {
    for (const type of ['route_filter_directresponse', 'route_filter_directreponse']) {
      assert.deepEqual(rules(withRoute(type, { response_code: 418 })), ['/ -> 418']);
    }
  });

  test('route_filter_redirect', () => {
    const result = withRoute('route_filter_redirect', {
      host: 'b.example',
      response_code: 'FOUND',
      regex_redirect: { pattern_regex: '^/a', substitution: '/b' },
      strip_query: true,
    });
    assert.deepEqual(rules(result), ['/ -> {"redirectCode":302,"authority":"b.example"}']);
    assert.deepEqual(
      patches(result, 'HTTP_ROUTE').map(({ value }) => value),
      [{ redirect: { regex_rewrite: { pattern: { regex: '^/a' }, substitution: '/b' }, strip_query: true } }],
    );
  });

  test('route_filter_circuitbreakers and route_filter_outlierdetection, for this route alone', () => {
    const result = made(
      [
        'GatewayHost web',
        host([
          {
            ...to(),
            filters: [
              { name: 'c', type: 'route_filter_circuitbreakers' },
              { name: 'o', type: 'route_filter_outlierdetection' },
            ],
          },
          { ...prefix('/free'), ...to() },
        ]),
      ],
      ['RouteFilter c', routeFilter('route_filter_circuitbreakers', { max_connections: 1, max_requests: 2 })],
      [
        'RouteFilter o',
        routeFilter('route_filter_outlierdetection', { consecutive_5xx: 2, enforcing_consecutive_5xx: 50 }),
      ],
    );
    const subsets = result.list('DestinationRule')[0]?.spec.subsets as { trafficPolicy: object }[];
    assert.deepEqual(
      subsets.map(({ trafficPolicy }) => trafficPolicy),
      [
        {
          loadBalancer: { simple: 'ROUND_ROBIN' },
          tls: { mode: 'DISABLE' },
          connectionPool: { tcp: { maxConnections: 1 }, http: { http2MaxRequests: 2 } },
          outlierDetection: { consecutive5xxErrors: 2 },
        },
      ],
    );
    assert.deepEqual(
      patches(result, 'CLUSTER').map(({ value }) => value),
      [{ outlier_detection: { always_eject_one_host: true, enforcing_consecutive_5xx: 50 } }],
    );
  });

  test('vh_filter_rbac: one policy for all hosts, in which those without it are free', () => {
    const rules = [{ from: [{ source: { ipBlocks: ['10.0.0.0/8'] } }] }];
    const other = { virtualhost: { fqdn: 'b.example' }, routes: [to('api')] };
    const result = made(
      ['GatewayHost web', host([to()], { filters: [{ name: 'f', type: 'vh_filter_rbac' }] })],
      ['GatewayHost other', other],
      ['HttpFilter f', httpFilter('vh_filter_rbac', { rules })],
    );
    assert.deepEqual(
      result.list('AuthorizationPolicy').map(({ spec }) => spec),
      [
        {
          selector: { matchLabels: { app: 'enroute' } },
          action: 'ALLOW',
          rules: [
            { ...rules[0], to: [{ operation: { hosts: ['a.example', 'a.example:*'] } }] },
            { to: [{ operation: { hosts: ['b.example', 'b.example:*'] } }] },
          ],
        },
      ],
    );
  });
});
