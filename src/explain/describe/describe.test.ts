import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readObjects } from '../../config/read.ts';
import { explainPod, explainService } from './index.ts';
import type { MeshObjects, Pod, ProxyFacts } from './subject.ts';

const WEB_POD = `
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web, version: v1}}
spec: {containers: [{name: main, command: [web], ports: [{name: http, containerPort: 3000}]}]}
`;
const WEB = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
`;
const RULE = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}, connectionPool: {tcp: {maxConnections: 1}}}]
  subsets: [{name: one, labels: {version: v1}}, {name: two, labels: {version: v2}}]
`;
const route = (http: string, more = '') => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], ${more} http: [${http}]}
`;
const EDGE = `
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: edges}
spec: {selector: {istio: ingressgateway}, ports: [{name: http2, port: 80}, {name: https, port: 443}]}
---
apiVersion: v1
kind: Pod
metadata: {name: edge-1, namespace: edges, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, image: proxy}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: shop, namespace: edges}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
`;
const peer = (namespace: string, spec: string) => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: p, namespace: ${namespace}}
spec: ${spec}
`;

interface Situation {
  readonly documents: readonly string[];
  readonly proxy?: Partial<Record<keyof ProxyFacts, unknown>>;
  readonly pods?: Partial<Pod>;
}

const OWN = { namespace: 'default', name: 'web' };
const READY = [
  { name: 'main', ready: true },
  { name: 'istio-proxy', ready: true },
];

function meshOf({ documents, pods = {} }: Situation): MeshObjects {
  const entries = readObjects(documents.join('---'), 'mesh.yaml').entries;
  const of = (kind: string) =>
    entries
      .filter(({ definition }) => definition?.id === kind)
      .map(({ object, errors }) => {
        assert.deepEqual(errors, []);
        return object as never;
      });
  return {
    pods: of('Pod').map((object) => ({ object, phase: 'Running', containers: READY, ...pods })),
    services: of('Service'),
    virtualServices: of('VirtualService'),
    destinationRules: of('DestinationRule'),
    gateways: of('Gateway'),
    peerAuthentications: of('PeerAuthentication'),
    rootNamespace: 'istio-system',
    urls: [
      { gateway: 'edge', port: 80, url: 'http://127.0.0.1:8080' },
      { gateway: 'edge', port: 443, url: 'https://127.0.0.1:8443' },
    ],
  };
}

function factsOf({ proxy = {} }: Situation): ProxyFacts {
  return {
    virtualService: () => proxy.virtualService as never,
    destinationRule: () => proxy.destinationRule as never,
    policies: () => (proxy.policies ?? []) as never,
  };
}

const OPTIONS = { namespace: 'default', ignoreUnmeshed: false };

function pod(situation: Situation): Promise<string[]> {
  const mesh = meshOf(situation);
  return explainPod(mesh.pods[0]!, mesh, async () => factsOf(situation), OPTIONS);
}

function service(situation: Situation): Promise<string[]> {
  const mesh = meshOf(situation);
  return explainService(mesh.services[0]!, mesh, async () => factsOf(situation), OPTIONS);
}

const NO_GATEWAY = 'Skipping Gateway information (no ingress gateway pods)';
const SERVICE_LINES = ['Service: web', '   Port: http 80/HTTP targets pod port 3000'];

describe('a pod', () => {
  test('with its service and its policies', async () => {
    const documents = [WEB_POD, WEB, peer('istio-system', '{mtls: {mode: STRICT}}')];
    assert.deepEqual(await pod({ documents, proxy: { policies: ['ns[default]-policy[a]-rule[0]'] } }), [
      'Pod: web-1',
      '   Pod Revision: default',
      '   Pod Ports: 3000 (main), 15090 (istio-proxy)',
      '--------------------',
      ...SERVICE_LINES,
      'RBAC policies: ns[default]-policy[a]-rule[0]',
      '--------------------',
      'Effective PeerAuthentication:',
      '   Workload mTLS mode: STRICT',
      'Applied PeerAuthentication:',
      '   p.istio-system',
      NO_GATEWAY,
    ]);
  });

  test('that is not as the mesh needs it', async () => {
    const bare = WEB_POD.replace(', labels: {app: web, version: v1}', '').replace('ports', 'env: [], ports');
    const starting = { containers: [{ name: 'main', ready: false }, READY[1]!] };
    const lines = await pod({ documents: [bare], pods: starting });
    assert.ok(lines.includes('WARNING: Pod web-1 Container main NOT READY'));
    assert.equal(lines.filter((line) => line.startsWith('Suggestion: add required service ')).length, 2);
    assert.ok(lines.some((line) => line.startsWith('Warning: No Kubernetes Services select pod web-1 ')));
    const alone = await pod({ documents: [WEB_POD, WEB], pods: { containers: [READY[0]!] } });
    assert.ok(alone.includes('WARNING: web-1 is not part of mesh; no Istio sidecar'));
    const pending = await pod({ documents: [WEB_POD, WEB], pods: { phase: 'Pending' } });
    assert.equal(pending[3], '   Pod is not Running (Pending)');
  });

  test('with modes of mutual TLS by port', async () => {
    const spec = '{selector: {matchLabels: {app: web}}, portLevelMtls: {3000: {mode: DISABLE}}}';
    const lines = await pod({ documents: [WEB_POD, WEB, peer('default', spec)] });
    const start = lines.indexOf('Effective PeerAuthentication:');
    assert.deepEqual(lines.slice(start + 1, start + 5), [
      '   Workload mTLS mode: PERMISSIVE',
      '   Port Level mTLS mode:',
      '      3000: DISABLE',
      'Applied PeerAuthentication:',
    ]);
  });
});

describe('a service', () => {
  const described = async (http: string, rules: readonly string[] = [RULE]) => {
    const proxy = { virtualService: OWN, ...(rules.length > 0 ? { destinationRule: OWN } : {}) };
    const lines = await service({ documents: [WEB, WEB_POD, route(http), ...rules], proxy });
    const start = lines.indexOf('VirtualService: web');
    return lines.slice(start + 1, lines.indexOf(NO_GATEWAY));
  };

  test('with a destination rule', async () => {
    const lines = await service({ documents: [WEB, WEB_POD, RULE], proxy: { destinationRule: OWN } });
    assert.deepEqual(lines, [
      ...SERVICE_LINES,
      'DestinationRule: web for "web"',
      '   Matching subsets: one',
      '      (Non-matching subsets two)',
      '   Policies: load balancer',
      '   Port Level Settings:',
      '    80:',
      '      TLS Mode: SIMPLE',
      '      Policies: connection pool',
      NO_GATEWAY,
    ]);
  });

  test('with routes that lead to its pods, and those that do not', async () => {
    const one =
      'route: [{destination: {host: web, subset: one}, weight: 90}, {destination: {host: web, subset: two}, weight: 10}]';
    assert.deepEqual(await described(`{match: [{uri: {prefix: /a}, headers: {x: {exact: "1"}}}], ${one}}`), [
      '   Route to host "web" subset "one" with weight 90%',
      '   Match: /a* when headers are x=1',
    ]);
    assert.deepEqual(
      await described('{match: [{uri: {exact: /b}}], route: [{destination: {host: web, subset: two}}]}'),
      [
        '   WARNING: No destinations match pod subsets (checked 1 HTTP routes)',
        '      Route to non-matching subset two for (Match: /b)',
      ],
    );
    assert.deepEqual(await described('{route: [{destination: {host: web}}]}'), ['   1 HTTP route(s)']);
    assert.deepEqual(
      await described(`{match: [{uri: {prefix: /c}}], route: [{destination: {host: other}}]}, {${one}}`),
      [
        '   Route to host "web" subset "one" with weight 90%',
        '   1 additional destination(s) that will not reach this pod',
      ],
    );
  });

  test('with subsets that nobody has defined', async () => {
    const three = '{route: [{destination: {host: web, subset: three}}]}';
    const none = '   WARNING: No destinations match pod subsets (checked 1 HTTP routes)';
    assert.deepEqual(await described(three), [
      none,
      '      Warning: Route to UNKNOWN subset three; check DestinationRule web',
    ]);
    assert.deepEqual(await described(three, []), [
      none,
      '      Warning: Route to subset three but NO DESTINATION RULE defining subsets!',
    ]);
  });

  test('of which the proxy has what is gone', async () => {
    const lines = await service({ documents: [WEB, WEB_POD], proxy: { virtualService: OWN, destinationRule: OWN } });
    assert.deepEqual(lines.slice(2, 4), [
      'WARNING: Proxy is stale; it references to non-existent destination rule web.default',
      'WARNING: Proxy is stale; it references to non-existent virtual service web.default',
    ]);
  });

  test('that an ingress gateway shows to the world', async () => {
    const outside = route('{route: [{destination: {host: web}}]}', 'gateways: [edges/shop],');
    const proxy = { virtualService: OWN };
    const lines = await service({ documents: [WEB, WEB_POD, EDGE, outside], proxy });
    assert.deepEqual(lines.slice(-4), [
      '--------------------',
      'Exposed on Ingress Gateway http://127.0.0.1:8080',
      'VirtualService: web',
      '   1 HTTP route(s)',
    ]);
  });

  test('without pods, or without a proxy in them', async () => {
    assert.deepEqual(await service({ documents: [WEB] }), ['Service "web" has no pods.']);
    assert.deepEqual(await service({ documents: [WEB, WEB_POD], pods: { containers: [READY[0]!] } }), [
      'Pod web-1: no container "istio-proxy" in pod',
      'Service "web" has no Istio pods.  (1 pods in service).',
      'Redeploy with Istio automatic sidecar injection.',
    ]);
  });
});
