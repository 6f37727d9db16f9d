import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  host,
  httpFilter,
  made,
  patches,
  prefix,
  routeFilter,
  rules,
  to,
} from '../../../test/support/enroute-adapter.ts';

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
