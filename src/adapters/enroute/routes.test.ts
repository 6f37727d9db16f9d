import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { host, made, patches, prefix, rules, to } from '../../../test/support/enroute-adapter.ts';

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
