import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../test/support/object-view.ts';
import { publicationOf, publishedPorts } from './publication.ts';

const gateway = { namespace: 'istio-system', labels: { istio: 'ingressgateway' } };

const ports = (spec: string) =>
  publishedPorts(
    viewOf(`
apiVersion: v1
kind: Service
metadata: {name: gw, namespace: istio-system}
spec: ${spec}
`).list('Service'),
    gateway,
    '127.0.0.1',
  );

const SELECTOR = 'selector: {istio: ingressgateway}';

test('ports of Services for the outside world are published, low ones above 8000', () => {
  const made = ports(`{type: LoadBalancer, ${SELECTOR}, ports: [
    {name: http2, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}, {name: tcp, port: 31400}]}`);
  assert.deepEqual(
    made.map((p) => [p.name, p.port, p.targetPort, `${p.address}:${p.published}`]),
    [
      ['http2', 80, 8080, '127.0.0.1:8080'],
      ['https', 443, 8443, '127.0.0.1:8443'],
      ['tcp', 31400, 31400, '127.0.0.1:31400'],
    ],
  );
});

test('a Service that stays inside, or selects other pods, publishes nothing', () => {
  const port = 'ports: [{port: 80}]';
  assert.deepEqual(ports(`{${SELECTOR}, ${port}}`), []);
  assert.deepEqual(ports(`{type: LoadBalancer, selector: {istio: other}, ${port}}`), []);
  assert.equal(ports(`{type: NodePort, ${SELECTOR}, ${port}}`).length, 1);
  assert.equal(ports(`{externalIPs: [10.0.0.1], ${SELECTOR}, ${port}}`).length, 1);
});

test('a Service may have a loopback address of its own', () => {
  assert.equal(
    ports(`{type: LoadBalancer, loadBalancerIP: 127.0.0.2, ${SELECTOR}, ports: [{port: 80}]}`)[0]!.address,
    '127.0.0.2',
  );
  assert.equal(ports(`{externalIPs: [10.0.0.1], ${SELECTOR}, ports: [{port: 80}]}`)[0]!.address, '127.0.0.1');
});

test('the agent learns which of its ports are found where, and which of the proxy stay inside', () => {
  const inner = ports(`{type: LoadBalancer, ${SELECTOR}, ports: [{port: 80, targetPort: 8080}]}`);
  const published = { address: '127.0.0.1', ports: { 8080: 8080 }, skip: [15090, 15021], shared: true };
  assert.deepEqual(publicationOf(inner, inner), published);
  assert.deepEqual(publicationOf(inner, inner, '100.64.255.254'), {
    ...published,
    inside: { address: '100.64.255.254', ports: { 8080: 80 } },
  });
  const another = inner.map((port) => ({ ...port, service: 'another' }));
  assert.deepEqual(publicationOf(inner, [...inner, ...another]), { ...published, shared: false });
  const probed = ports(`{type: LoadBalancer, ${SELECTOR}, ports: [{port: 15021}]}`);
  assert.deepEqual(publicationOf(probed, probed)?.skip, [15090]);
  assert.equal(publicationOf([], inner), undefined);
});
