import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { host, made, patches, rules, to } from '../../../test/support/enroute-adapter.ts';
import { isUnlimited } from './upstreams.ts';

/** The policy of the only subset of the service `web`, where it is reached in a way of its own. */
function policyOf(service: object, route: object = {}) {
  const result = made(['GatewayHost web', host([{ ...to('web', service), ...route }])]);
  const rule = result.list('DestinationRule').find(({ at }) => at.includes('web'));
  const [subset] = (rule?.spec.subsets ?? []) as { name: string; trafficPolicy: Record<string, object> }[];
  return { result, subset, policy: subset?.trafficPolicy };
}

test('timeouts that are none', () => {
  const none = ['infinity', 'infinite', '0', '0s', '0ms', '0µs'];
  const some = ['1s', '0.5s', '10', '01', '0 s', ''];
  for (const text of none) assert.equal(isUnlimited(text), true, text);
  for (const text of some) assert.equal(isUnlimited(text), false, text);
});

test('a service that is reached as any other has no subset', () => {
  const { result, subset } = policyOf({});
  assert.equal(subset, undefined);
  assert.deepEqual(rules(result), ['/ -> web*1']);
});

test('two routes that reach a service in the same way share a subset, others have their own', () => {
  const random = { ...to('web', { strategy: 'Random' }) };
  const cookie = { ...to('web', { strategy: 'Cookie' }) };
  const at = (path: string) => ({ conditions: [{ prefix: path }] });
  const result = made([
    'GatewayHost web',
    host([
      { ...random, ...at('/a') },
      { ...random, ...at('/b') },
      { ...cookie, ...at('/c') },
    ]),
  ]);
  const [rule] = result.list('DestinationRule');
  const subsets = rule?.spec.subsets as { name: string; trafficPolicy: { loadBalancer: object } }[];
  assert.deepEqual(
    subsets.map(({ trafficPolicy }) => trafficPolicy.loadBalancer),
    [
      { simple: 'RANDOM' },
      { consistentHash: { httpCookie: { name: 'X-Contour-Session-Affinity', path: '/', ttl: '0s' } } },
    ],
  );
});

describe('TLS to a service', () => {
  const validation = { caSecret: 'authority', subjectName: 'web.example' };
  const table: [string, object, object | undefined, RegExp?][] = [
    ['none', {}, undefined],
    ['HTTP/2 in clear', { protocol: 'h2c' }, undefined],
    [
      'unchecked',
      { protocol: 'tls' },
      { mode: 'SIMPLE', insecureSkipVerify: true },
      /without looking at its certificate/,
    ],
    [
      'checked',
      { protocol: 'tls', validation },
      {
        mode: 'SIMPLE',
        credentialName: 'enroute-roots-default-authority',
        sni: 'web.example',
        subjectAltNames: ['web.example'],
      },
    ],
    ['validation of nothing', { validation }, undefined, /has validation, which needs the protocol tls or h2/],
    [
      'a certificate for somebody who is not checked',
      { protocol: 'h2', clientvalidation: { caSecret: 'cert', subjectName: 'x' } },
      undefined,
      /has clientvalidation, which needs validation beside it/,
    ],
  ];
  for (const [name, service, tls, warning] of table) {
    test(name, () => {
      const { result, policy } = policyOf(service);
      if (tls === undefined) assert.ok(policy === undefined || (policy.tls as { mode: string }).mode === 'DISABLE');
      else assert.deepEqual(policy?.tls, tls);
      if (warning) assert.match(result.warnings.join('\n'), warning);
      else assert.deepEqual(result.warnings, []);
    });
  }
});

test('a health check is a patch of the cluster, which keeps its default host', () => {
  const healthCheck = {
    path: '/health',
    timeoutSeconds: 1,
    intervalSeconds: 2,
    unhealthyThresholdCount: 3,
    healthyThresholdCount: 4,
  };
  const { result, subset } = policyOf({ healthCheck });
  const [{ value, match }] = patches(result, 'CLUSTER') as unknown as {
    value: { health_checks: object[] };
    match: { cluster: { name: string } };
  }[];
  assert.deepEqual(value.health_checks, [
    {
      timeout: '1s',
      interval: '2s',
      unhealthy_threshold: 3,
      healthy_threshold: 4,
      http_health_check: { path: '/health', host: 'contour-envoy-healthcheck' },
    },
  ]);
  assert.equal(match.cluster.name, `outbound|80|${subset?.name}|web.default.svc.cluster.local`);
});

test('a service or a port that is not there is told of, and its route answers 503', () => {
  const gone = made(['GatewayHost web', host([to('gone')])]);
  assert.match(gone.warnings.join('\n'), /names no service: default\/gone/);
  assert.match(rules(gone).join('\n'), /^\/ -> 503/);
  const closed = made(['GatewayHost web', host([to('web', { port: 81 })])]);
  assert.match(closed.warnings.join('\n'), /names port 81, which service default\/web does not have/);
});
