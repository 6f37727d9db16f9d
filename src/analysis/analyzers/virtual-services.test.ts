import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { codesOf, findingsOf } from '../../../test/support/findings.ts';

const object = (apiVersion: string, kind: string, name: string, namespace: string, spec: object, rest = {}): string =>
  `\n---\n${JSON.stringify({ apiVersion, kind, metadata: { name, namespace, ...rest }, spec })}\n`;
const to = (host: string, rest: object = {}) => ({ route: [{ destination: { host, ...rest } }] });
const virtualService = (name: string, namespace: string, spec: object) =>
  object('networking.istio.io/v1', 'VirtualService', name, namespace, spec);
const service = (name: string, namespace: string, ...ports: number[]) =>
  object('v1', 'Service', name, namespace, { ports: ports.map((port) => ({ port, name: `p${port}` })) });
const gateway = (name: string, namespace: string, ...hosts: string[]) =>
  object('networking.istio.io/v1', 'Gateway', name, namespace, {
    selector: { app: 'edge' },
    servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts }],
  });

describe('destinations', () => {
  const found = (spec: object, text = service('web', 'a', 80) + service('two', 'a', 80, 81)) =>
    findingsOf('virtualservice.DestinationHostAnalyzer', virtualService('v', 'a', { hosts: ['x'], ...spec }) + text);
  const start = 'VirtualService a/v: ';

  test('hosts and ports that there are', () => {
    assert.deepEqual(
      found({ http: [to('web'), to('two', { port: { number: 81 } }), to('web.a.svc.cluster.local')] }),
      [],
    );
    const entry = object('networking.istio.io/v1', 'ServiceEntry', 'e', 'b', {
      hosts: ['*.example.com'],
      ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
    });
    assert.deepEqual(found({ tls: [to('x.example.com', { port: { number: 443 } })] }, entry), []);
  });

  test('hosts and ports that there are not', () => {
    assert.deepEqual(found({ http: [to('gone')] }), [`IST0101 3 ${start}Referenced host not found: "gone"`]);
    assert.deepEqual(found({ tcp: [to('gone')] }), [`IST0101 3 ${start}Referenced host not found: "gone"`]);
    assert.deepEqual(found({ http: [{ ...to('web'), mirror: { host: 'gone' } }] }), [
      `IST0101 3 ${start}Referenced mirror host not found: "gone"`,
    ]);
    assert.equal(found({ http: [{ ...to('web'), mirrors: [{ destination: { host: 'gone' } }] }] }).length, 1);
    assert.deepEqual(found({ http: [to('web', { port: { number: 8080 } })] }), [
      `IST0101 3 ${start}Referenced host:port not found: "web:8080"`,
    ]);
    assert.deepEqual(found({ http: [to('two')] }), [
      `IST0112 3 ${start}This VirtualService routes to a service "two" that exposes multiple ports [80 81]. Specifying a port in the destination is required to disambiguate.`,
    ]);
    assert.deepEqual(found({ http: [to('web')] }, service('web', 'b', 80)).length, 1);
  });

  test('a service that is not for everyone', () => {
    const hidden = (exportTo: string) =>
      object(
        'v1',
        'Service',
        'web',
        'b',
        { ports: [{ port: 80 }] },
        { annotations: { 'networking.istio.io/exportTo': exportTo } },
      );
    const http = [to('web.b.svc.cluster.local')];
    assert.deepEqual(found({ http }, hidden('*')), []);
    assert.deepEqual(found({ http }, hidden('a')), []);
    assert.equal(found({ http }, hidden('.')).length, 1);
  });

  test('files without services say nothing about hosts, a mesh without any does', () => {
    assert.deepEqual(found({ http: [to('gone')] }, ''), []);
    const text = virtualService('v', 'a', { hosts: ['x'], http: [to('gone')] });
    assert.deepEqual(codesOf('virtualservice.DestinationHostAnalyzer', text, { complete: true }), [
      'IST0101 VirtualService a/v',
    ]);
  });

  test('gateways do not see the subsets of the mesh', () => {
    const text =
      virtualService('mesh', 'a', { hosts: ['web'], http: [to('web', { subset: 'v1' })] }) +
      virtualService('edge', 'a', { hosts: ['x.example.com'], gateways: ['g'], http: [to('web')] });
    assert.deepEqual(findingsOf('virtualservice.DestinationHostAnalyzer', text), [
      'IST0140 6 VirtualService a/edge: Subset in virtual service a/mesh has no effect on ingress gateway a/edge requests',
    ]);
  });
});

test('subsets that no rule defines', () => {
  const rule = object('networking.istio.io/v1', 'DestinationRule', 'r', 'a', {
    host: 'web.a.svc.cluster.local',
    subsets: [{ name: 'v1' }],
  });
  const found = (http: object[], namespace = 'a') =>
    findingsOf('virtualservice.DestinationRuleAnalyzer', virtualService('v', namespace, { hosts: ['x'], http }) + rule);
  assert.deepEqual(
    found([to('web', { subset: 'v1' }), to('web.a.svc.cluster.local', { subset: 'v1' }), to('other')]),
    [],
  );
  assert.deepEqual(found([to('web', { subset: 'v2' })]), [
    'IST0101 3 VirtualService a/v: Referenced host+subset in destinationrule not found: "web+v2"',
  ]);
  assert.deepEqual(found([{ ...to('web'), mirror: { host: 'web', subset: 'v2' } }]), [
    'IST0101 3 VirtualService a/v: Referenced mirror+subset in destinationrule not found: "web+v2"',
  ]);
  assert.equal(found([to('web', { subset: 'v1' })], 'b').length, 1);
});

describe('gateways', () => {
  const found = (spec: object, text: string) =>
    codesOf('virtualservice.GatewayAnalyzer', virtualService('v', 'a', { hosts: ['x.example.com'], ...spec }) + text);

  test('that there are, with the host', () => {
    assert.deepEqual(found({ gateways: ['g', 'mesh'] }, gateway('g', 'a', '*.example.com')), []);
    assert.deepEqual(found({ gateways: ['b/g'] }, gateway('g', 'b', 'a/x.example.com')), []);
    assert.deepEqual(found({ gateways: ['b/g'] }, gateway('g', 'b', '*/*')), []);
    assert.deepEqual(found({}, ''), []);
  });

  test('that there are not, or without the host', () => {
    assert.deepEqual(found({ gateways: ['g'] }, gateway('g', 'b', '*')), [
      'IST0101 VirtualService a/v',
      'IST0132 VirtualService a/v',
    ]);
    assert.deepEqual(found({ gateways: ['g'] }, gateway('g', 'a', 'y.example.com')), ['IST0132 VirtualService a/v']);
    assert.deepEqual(found({ gateways: ['b/g'] }, gateway('g', 'b', './x.example.com')), [
      'IST0132 VirtualService a/v',
    ]);
  });

  test('of the control plane itself', () => {
    assert.deepEqual(found({ gateways: ['g~istio-autogenerated-k8s-gateway~http'] }, ''), [
      'IST0165 VirtualService a/v',
    ]);
  });

  test('routes by claims that nobody verifies', () => {
    const http = [{ match: [{ headers: { '@request.auth.claims.sub': { exact: 'me' } } }], ...to('web') }];
    const edge = (namespace: string) =>
      object('v1', 'Pod', 'edge-1', namespace, { containers: [] }, { labels: { app: 'edge' } });
    const tokens = (namespace: string, spec: object = {}) =>
      object('security.istio.io/v1', 'RequestAuthentication', 't', namespace, spec);
    const text = virtualService('v', 'a', { hosts: ['x'], gateways: ['g'], http }) + gateway('g', 'a', 'x') + edge('e');
    const claims = (rest: string) => findingsOf('virtualservice.JWTClaimRouteAnalyzer', text + rest);
    assert.deepEqual(claims(''), [
      'IST0149 3 VirtualService a/v: The virtual service uses the JWT claim based routing (key: @request.auth.claims.sub) but found no request authentication for the gateway (a/g) pod (edge-1). The request authentication must first be applied for the gateway pods to validate the JWT token and make the claims available for routing.',
    ]);
    assert.deepEqual(claims(tokens('e')), []);
    assert.deepEqual(claims(tokens('istio-system', { selector: { matchLabels: { app: 'edge' } } })), []);
    assert.equal(claims(tokens('a')).length, 1);
    assert.equal(claims(tokens('e', { selector: { matchLabels: { app: 'other' } } })).length, 1);
  });
});

describe('several VirtualServices for one host', () => {
  const spec = (rest: object = {}) => ({ hosts: ['web'], http: [to('web')], ...rest });

  test('in the mesh', () => {
    const found = (text: string) => findingsOf('virtualservice.ConflictingMeshGatewayHostsAnalyzer', text);
    const text = virtualService('v', 'a', spec()) + virtualService('w', 'a', spec({ gateways: ['g', 'mesh'] }));
    const message =
      'The VirtualServices a/v,a/w associated with mesh gateway define the same host */web.a.svc.cluster.local which can lead to undefined behavior. This can be fixed by merging the conflicting VirtualServices into a single resource.';
    assert.deepEqual(found(text), [
      `IST0109 3 VirtualService a/v: ${message}`,
      `IST0109 6 VirtualService a/w: ${message}`,
    ]);
    assert.deepEqual(found(virtualService('v', 'a', spec()) + virtualService('w', 'b', spec())), []);
    assert.deepEqual(found(virtualService('v', 'a', spec()) + virtualService('w', 'a', spec({ gateways: ['g'] }))), []);
    const far = { hosts: ['x.example.com'], exportTo: ['.'] };
    assert.deepEqual(found(virtualService('v', 'a', spec(far)) + virtualService('w', 'b', spec(far))), []);
    const wide = { hosts: ['*.example.com'] };
    assert.equal(found(virtualService('v', 'a', spec(far)) + virtualService('w', 'b', spec(wide))).length, 2);
  });

  test('of a gateway, with routes that match the same', () => {
    const found = (one: object, two: object) =>
      findingsOf(
        'isthmus.ConflictingGatewayHostsAnalyzer',
        virtualService('v', 'a', { hosts: ['x'], gateways: ['g'], http: [one] }) +
          virtualService('w', 'b', { hosts: ['y', 'x'], gateways: ['a/g'], http: [two] }),
      );
    const match = (prefix: string, rest: object = {}) => ({ match: [{ uri: { prefix }, ...rest }], ...to('web') });
    assert.match(
      found(to('web'), to('web'))[0]!,
      /^ISTH0005 6 VirtualService b\/w: VirtualServices a\/v, b\/w define host x for gateway a\/g, .* only those of a\/v are used\./,
    );
    assert.equal(found(match('/a'), match('/a', { name: 'again' })).length, 1);
    assert.deepEqual(found(match('/a'), match('/b')), []);
    assert.deepEqual(found(match('/a'), to('web')), []);
  });
});

describe('the schema analyzer', () => {
  test('tells every error with its field, and warnings apart', () => {
    const text = virtualService('v', 'a', { hosts: ['x'], bogus: 1, http: [{ ...to('web'), timeout: 'soon' }] });
    assert.deepEqual(findingsOf('schema.ValidationAnalyzer.VirtualService', text), [
      'IST0106 3 VirtualService a/v: Schema validation error: spec.bogus is an unknown field',
      'IST0106 3 VirtualService a/v: Schema validation error: spec.http[0].timeout must be a duration such as 1.5s, 300ms or 1h30m, not the string "soon"',
    ]);
  });

  test('routes that are never used have messages of their own', () => {
    const match = [{ uri: { prefix: '/a' } }];
    const http = [{ name: 'one', match, ...to('web') }, { match, ...to('web') }, to('web'), to('web')];
    assert.deepEqual(
      findingsOf('schema.ValidationAnalyzer.VirtualService', virtualService('v', 'a', { hosts: ['x'], http })),
      [
        'IST0130 3 VirtualService a/v: VirtualService rule #1 not used (all matches used by prior rules).',
        'IST0130 3 VirtualService a/v: VirtualService rule #3 not used (only the last rule can have no matches).',
        'IST0131 3 VirtualService a/v: VirtualService rule #1 match #0 is not used (duplicate/overlapping match in rule "one").',
      ],
    );
  });
});

test('fields that Istio has given up', () => {
  const delay = { percent: 5, fixedDelay: '1s' };
  const text = virtualService('v', 'a', { hosts: ['x'], http: [{ ...to('web'), fault: { delay } }] });
  assert.deepEqual(findingsOf('deprecation.DeprecationAnalyzer', text), [
    'IST0002 3 VirtualService a/v: Deprecated: HTTPRoute.fault.delay.percent is deprecated; use HTTPRoute.fault.delay.percentage',
  ]);
  const sidecar = object('networking.istio.io/v1', 'Sidecar', 's', 'a', {
    outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { host: 'x.example.com' } },
  });
  assert.deepEqual(codesOf('deprecation.DeprecationAnalyzer', sidecar), ['IST0002 Sidecar a/s']);
});
