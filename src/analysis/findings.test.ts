import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectState } from '../config/control/api.ts';
import { objectKey } from '../config/object.ts';
import { readObjects } from '../config/read.ts';
import { describeFinding, findingsIn } from './findings.ts';
import { MESSAGE_TYPES } from './message-types.ts';
import { REMEDIES } from './remedies.ts';

const FILE = 'mesh.yaml';

const EDGE = `
apiVersion: v1
kind: Service
metadata: {name: edge}
spec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: edge, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, image: proxy}]}
`;
const gateway = (name: string, protocol: string, host: string) => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: ${protocol.toLowerCase()}, protocol: ${protocol}}
    hosts: [${host}]
`;
const virtualService = (name: string, spec: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec: ${spec}
`;
const SERVICE = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: 80}]}
`;
const ROUTE = 'http: [{route: [{destination: {host: web}}]}]';

/** What is said about a running mesh of these documents, without those that are about Services and pods. */
function found(...documents: readonly string[]): string[] {
  const text = documents.join('---');
  const objects = readObjects(text, FILE).entries.map(({ key, object, errors }): ObjectState => {
    assert.deepEqual(errors, []);
    const { raw, metadata } = object!;
    const at = object!.locate([]);
    assert.equal(key, objectKey(key!.split('/')[0]!, metadata.namespace, metadata.name));
    return { key: key!, kind: key!.split('/')[0]!, raw, creationTimestamp: 1, generation: 1, at };
  });
  const kinds = ['AuthorizationPolicy', 'Gateway', 'Secret', 'VirtualService'];
  const isOfIstio = ({ id }: { id: string }) => kinds.includes(id);
  return findingsIn(objects, (file) => (file === FILE ? text : undefined), isOfIstio).map(describeFinding);
}

test('a finding has the place, the object, the field and what to do', () => {
  assert.deepEqual(
    found(SERVICE, virtualService('v', '{hosts: [web], http: [{route: [{destination: {host: gone}}]}]}')),
    [
      'mesh.yaml:10:53: VirtualService/default/v: spec.http[0].route[0].destination.host: [IST0101] Referenced host not found: "gone". Create it, or correct the name.',
    ],
  );
});

test('what follows from another finding is not told', () => {
  const [finding, ...more] = found(SERVICE, virtualService('v', `{hosts: [web], gateways: [gone], ${ROUTE}}`));
  assert.match(finding!, /: spec\.gateways\[0\]: \[IST0101\] Referenced gateway not found: "gone"\. /);
  assert.deepEqual(more, []);
});

test("of objects that are in each other's way the youngest is told of", () => {
  const same = `{hosts: [web], ${ROUTE}}`;
  const [finding, ...more] = found(SERVICE, virtualService('z-first', same), virtualService('a-second', same));
  assert.match(
    finding!,
    /^mesh\.yaml:\d+:\d+: VirtualService\/default\/a-second: .*\[IST0109\] .*This can be fixed by /,
  );
  assert.deepEqual(more, []);
});

test('gateways in conflict: of hosts, of protocols, and of both', () => {
  const conflict = (...second: [string, string]) =>
    found(EDGE, gateway('z', 'HTTP', 'x.example'), gateway('a', ...second)).map((line) =>
      line.replace(/^mesh\.yaml:\d+:\d+: (\S+): (\S+): \[(\w+)\].*$/, '$1 $2 $3'),
    );
  assert.deepEqual(conflict('HTTP', 'x.example'), ['Gateway/default/a spec.servers[0] IST0145']);
  const protocol = 'Gateway/default/a spec.servers[0].port.protocol ISTH0004';
  assert.deepEqual(conflict('TCP', 'y.example'), [protocol]);
  assert.deepEqual(conflict('TCP', 'x.example'), [protocol]);
  assert.deepEqual(conflict('HTTP', 'y.example'), []);
});

test('a secret that is of no use is told of once, where it is wrong', () => {
  const secret = `
apiVersion: v1
kind: Secret
metadata: {name: cert}
stringData: {tls.crt: nothing, tls.key: nothing}
`;
  const tls = gateway('g', 'HTTPS', 'x.example').trimEnd().concat('\n    tls: {mode: SIMPLE, credentialName: cert}\n');
  const [finding, ...more] = found(EDGE, secret, tls);
  assert.match(
    finding!,
    /^mesh\.yaml:15:14: Secret\/default\/cert: stringData\["tls\.crt"\]: \[ISTH0003\] .*Put a cert/,
  );
  assert.deepEqual(more, []);
});

test('a virtual service without hosts must be a delegate', () => {
  const delegate = virtualService('part', `{${ROUTE}}`);
  assert.match(
    found(SERVICE, delegate).join(),
    /^mesh\.yaml:\d+:\d+: VirtualService\/default\/part: spec: \[ISTH0007\]/,
  );
  const root = virtualService('whole', '{hosts: [web], http: [{match: [{uri: {prefix: /}}], delegate: {name: part}}]}');
  assert.deepEqual(found(SERVICE, delegate, root), []);
});

test('pods of a local mesh have a sidecar, which is none of their containers', () => {
  const pod = (labels: string) => `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web, ${labels}}}
spec: {containers: [{name: main, command: [web]}]}
`;
  const policy = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers}
spec: {selector: {matchLabels: {app: web}}, rules: [{}]}
`;
  assert.deepEqual(found(pod('security.istio.io/tlsMode: istio'), policy), []);
  assert.match(found(pod('tier: back'), policy).join(), /\[IST0127\]/);
});

test('messages say what to do once', () => {
  for (const [code, remedy] of Object.entries(REMEDIES)) {
    assert.match(remedy, /^[A-Z].*[^.]$/, code);
    assert.ok(code in MESSAGE_TYPES, code);
  }
});
