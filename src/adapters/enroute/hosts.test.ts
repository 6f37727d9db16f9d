import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { host, made, prefix, rules, to } from '../../../test/support/enroute-adapter.ts';

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
          servers: [{ port: { number: 8080, protocol: 'HTTP', name: 'http' }, hosts: ['default/a.example'] }],
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
      hosts: ['default/a.example'],
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
