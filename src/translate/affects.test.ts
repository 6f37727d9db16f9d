import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { readTexts, snapshotOf } from '../../test/interop/translation/snapshot.ts';
import { NodeSchema } from '../api/gen/envoy/config/core/v3/base_pb.ts';
import { DEFAULT_REGISTRY_OPTIONS } from '../registry/options.ts';
import { RegistryBuilder } from '../registry/registry.ts';
import { type Cell, TypeUrl } from './cell.ts';
import { featuresFromEnv } from './features.ts';
import type { MeshSnapshot } from './mesh.ts';
import { type ProxyNode, parseNode } from './node.ts';
import { MeshTranslator } from './translator.ts';

const service = (name: string, namespace: string, more = '') => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  hosts: [${name}.${namespace}.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: ${name}}}
  ${more}`;

const workload = (name: string, namespace: string, address: string) => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ${name}-${address.replaceAll('.', '-')}, namespace: ${namespace}}
spec: {address: ${address}, labels: {app: ${name}}}`;

const MESH = [
  service('web', 'shop'),
  service('cart', 'shop'),
  service('mail', 'office'),
  service('safe', 'office', 'exportTo: ["."]'),
  workload('web', 'shop', '10.0.0.1'),
  workload('cart', 'shop', '10.0.0.2'),
  workload('mail', 'office', '10.0.1.1'),
  `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec: {egress: [{hosts: ["./*"]}]}`,
  `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}`,
];

function nodeOf(id: string, namespace: string, labels: JsonObject): ProxyNode {
  const parsed = parseNode(fromJson(NodeSchema, { id, metadata: { NAMESPACE: namespace, LABELS: labels } }));
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed;
}

/** One proxy in a namespace with a Sidecar, one in another, and a gateway. */
const NODES = {
  web: nodeOf('sidecar~10.0.0.1~web.shop~shop.svc.cluster.local', 'shop', { app: 'web' }),
  mail: nodeOf('sidecar~10.0.1.1~mail.office~office.svc.cluster.local', 'office', { app: 'mail' }),
  edge: nodeOf('router~10.0.2.1~edge.istio-system~istio-system.svc.cluster.local', 'istio-system', {
    istio: 'ingressgateway',
  }),
};

class Control {
  readonly translator = new MeshTranslator({ features: featuresFromEnv(), domain: 'cluster.local' });
  readonly #registry = new RegistryBuilder({ ...DEFAULT_REGISTRY_OPTIONS, allocateAddresses: false });
  readonly #mesh = {};
  readonly #objects = new Map<string, ReturnType<typeof readTexts>>();
  #number = 0;

  snapshot(texts: readonly string[]): MeshSnapshot {
    const objects = texts.flatMap((text) => {
      // A file that did not change keeps its objects, as in the store.
      if (!this.#objects.has(text)) this.#objects.set(text, readTexts({ 'mesh.yaml': text }));
      return this.#objects.get(text)!;
    });
    const config = snapshotOf(objects, ++this.#number);
    return { number: this.#number, config, registry: this.#registry.build(config), mesh: this.#mesh };
  }

  affected(before: readonly string[], after: readonly string[]): string[] {
    const old = this.snapshot(before);
    for (const node of Object.values(NODES)) this.translator.translate(old, node);
    const now = this.snapshot(after);
    return Object.entries(NODES).flatMap(([name, node]) => (this.translator.affects(old, now, node) ? [name] : []));
  }
}

const CHANGES: readonly (readonly [what: string, added: string, affected: readonly string[]])[] = [
  ['a workload of a service that everyone sees', workload('mail', 'office', '10.0.1.9'), ['mail', 'edge']],
  ['a workload within the namespace of a Sidecar', workload('cart', 'shop', '10.0.0.9'), ['web', 'mail', 'edge']],
  ['a workload of a service that only its namespace sees', workload('safe', 'office', '10.0.1.8'), ['mail']],
  ['a service that only its namespace sees', service('vault', 'office', 'exportTo: ["."]'), ['mail']],
  ['a service elsewhere', service('news', 'press'), ['mail', 'edge']],
  [
    'a DestinationRule of a namespace for a service that no other sees through it',
    `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: own, namespace: office}
spec: {host: cart.shop.svc.cluster.local, trafficPolicy: {loadBalancer: {simple: RANDOM}}, exportTo: ["."]}`,
    ['mail'],
  ],
  [
    'a VirtualService of a gateway',
    `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: shop}
spec:
  hosts: [web.example.com]
  gateways: [istio-system/edge]
  http: [{route: [{destination: {host: web.shop.svc.cluster.local}}]}]`,
    ['edge'],
  ],
  [
    'an AuthorizationPolicy of one workload',
    `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, rules: [{}]}`,
    ['web'],
  ],
  [
    'a Telemetry of another workload',
    `
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: cart, namespace: shop}
spec: {selector: {matchLabels: {app: cart}}, accessLogging: [{providers: [{name: envoy}]}]}`,
    [],
  ],
  [
    'an EnvoyFilter of a namespace',
    `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: patch, namespace: office}
spec: {configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 3s}}}]}`,
    ['mail'],
  ],
  [
    'a Sidecar of one workload',
    `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: mail, namespace: office}
spec: {workloadSelector: {labels: {app: mail}}, egress: [{hosts: ["shop/*"]}]}`,
    ['mail'],
  ],
  [
    'a PeerAuthentication that asks for what callers do already',
    `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}`,
    ['web'],
  ],
  [
    'a PeerAuthentication that turns mutual TLS off, which shows at every caller',
    `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: plain, namespace: shop}
spec: {mtls: {mode: DISABLE}}`,
    ['web', 'mail', 'edge'],
  ],
  [
    'a PeerAuthentication that turns it off at a port of one workload',
    `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: port, namespace: office}
spec: {selector: {matchLabels: {app: mail}}, portLevelMtls: {80: {mode: DISABLE}}}`,
    ['mail', 'edge'],
  ],
  [
    'a PeerAuthentication of a port that nobody calls',
    `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: port, namespace: office}
spec: {selector: {matchLabels: {app: mail}}, portLevelMtls: {9999: {mode: DISABLE}}}`,
    ['mail'],
  ],
];

for (const [what, added, affected] of CHANGES) {
  test(`${what} is pushed to ${affected.join(', ') || 'nobody'}`, () => {
    const control = new Control();
    assert.deepEqual(control.affected(MESH, [...MESH, added]), affected);
    assert.deepEqual(control.affected([...MESH, added], MESH), affected);
  });
}

test('whoever is not affected would get the same again', () => {
  for (const [what, added] of CHANGES) {
    const control = new Control();
    const before = control.snapshot(MESH);
    const cells = new Map(Object.values(NODES).map((node) => [node, resources(control, before, node)]));
    const after = control.snapshot([...MESH, added]);
    for (const node of Object.values(NODES)) {
      if (control.translator.affects(before, after, node)) continue;
      assert.deepEqual(resources(new Control(), after, node), cells.get(node), `${what}: ${node.name}`);
    }
  }
});

function resources({ translator }: Control, snapshot: MeshSnapshot, node: ProxyNode): Map<string, string> {
  const translation = translator.translate(snapshot, node);
  const cells = [...translation.all(TypeUrl.Listener), ...translation.all(TypeUrl.Cluster)];
  const named = (type: TypeUrl, name: string): Cell[] => {
    const cell = translation.get(type, name);
    return cell === undefined ? [] : [cell];
  };
  for (const { name, type } of [...cells]) {
    if (type === TypeUrl.Cluster) cells.push(...named(TypeUrl.Endpoint, name));
  }
  for (const name of ['80', 'http.80']) cells.push(...named(TypeUrl.Route, name));
  return new Map(cells.map(({ name, type, version }) => [`${type} ${name}`, version]));
}

test('an endpoint that moves leaves the listeners of its callers as they are', () => {
  const control = new Control();
  const before = control.snapshot(MESH);
  const listeners = control.translator.translate(before, NODES.mail).all(TypeUrl.Listener);
  const after = control.snapshot([...MESH, workload('cart', 'shop', '10.0.0.9')]);
  assert.equal(control.translator.affects(before, after, NODES.mail), true);
  assert.equal(control.translator.translate(after, NODES.mail).all(TypeUrl.Listener), listeners);
});
