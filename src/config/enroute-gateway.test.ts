import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { enroutePorts, enrouteRole, isEnrouteGateway } from './enroute-gateway.ts';

const enroute = (...args: string[]) => ({ name: 'enroute', image: 'saarasio/enroute-gwi:v0.12.0', args });
const envoy = { name: 'envoy', image: 'envoyproxy/envoy:v1.24.0' };

describe('a gateway of EnRoute', () => {
  const table: readonly (readonly [string, object, boolean])[] = [
    ['by the image', { containers: [enroute()] }, true],
    [
      'by an image of another registry',
      { containers: [{ name: 'x', image: 'local:5000/enroute-gw@sha256:00' }] },
      true,
    ],
    ['by the labels and containers of its chart', { containers: [envoy] }, true],
    ['not by the labels alone', { containers: [{ name: 'web', command: ['node'] }] }, false],
    ['not if its Envoy is a program of this machine', { containers: [{ name: 'envoy', command: ['envoy'] }] }, false],
    ['not by an image that only begins like it', { containers: [{ name: 'x', image: 'enroute-gwish:1' }] }, false],
  ];
  for (const [name, spec, expected] of table) {
    test(name, () => assert.equal(isEnrouteGateway(spec as never, { app: 'enroute' }), expected));
  }

  test('what its containers are for', () => {
    const roles = [enroute(), envoy, { name: 'redis' }, { name: 'cert-server' }, { name: 'logger' }].map(enrouteRole);
    assert.deepEqual(roles, ['control-plane', 'envoy', 'counters', 'cert-server', undefined]);
  });

  test('its ports', () => {
    const ports = (...args: string[]) => Object.values(enroutePorts({ containers: [enroute(...args)] }));
    assert.deepEqual(ports('serve'), [8080, 8443]);
    assert.deepEqual(ports('--envoy-service-http-port', '9080', '--envoy-service-https-port=9443'), [9080, 9443]);
    assert.deepEqual(ports('--envoy-service-http-port', 'x'), [8080, 8443]);
  });
});
