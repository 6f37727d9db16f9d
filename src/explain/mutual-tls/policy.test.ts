import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConfigObject } from '../../config/object.ts';
import { readObjects } from '../../config/read.ts';
import type { Pair } from './pairs.ts';
import { decisionFor, explainPlaintext, meshDecision, type SecurityObjects } from './policy.ts';

function objects(yaml: string): SecurityObjects {
  const all = readObjects(yaml, 'p.yaml').entries.map(({ object }) => object!);
  const of = (kind: string) => all.filter((object) => object.kind === kind) as ConfigObject<never>[];
  return {
    peerAuthentications: of('PeerAuthentication'),
    destinationRules: of('DestinationRule'),
    rootNamespace: 'istio-system',
    domain: 'cluster.local',
    labelsOf: () => ({ app: 'db' }),
  };
}

const policy = (namespace: string, name: string, spec: string) =>
  `{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}\n---\n`;
const rule = (host: string, spec: string) =>
  `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: r, namespace: shop}, spec: {host: ${host}, ${spec}}}\n---\n`;
const MESH = policy('istio-system', 'mesh', '{mtls: {mode: STRICT}}');
const NAMESPACE = policy('shop', 'all', '{mtls: {mode: PERMISSIVE}}');
const WORKLOAD = policy('shop', 'db', '{selector: {matchLabels: {app: db}}, mtls: {mode: DISABLE}}');

describe('the PeerAuthentication that decides', () => {
  const decide = (...yaml: string[]) => {
    const { mode, by } = decisionFor({ namespace: 'shop', labels: { app: 'db' } }, objects(yaml.join('')));
    return `${mode} ${by?.metadata.name ?? 'none'}`;
  };

  it('is that of the narrowest scope that says something', () => {
    assert.equal(decide(), 'PERMISSIVE none');
    assert.equal(decide(MESH), 'STRICT mesh');
    assert.equal(decide(MESH, NAMESPACE), 'PERMISSIVE all');
    assert.equal(decide(WORKLOAD, MESH, NAMESPACE), 'DISABLE db');
    assert.equal(decide(MESH, policy('shop', 'unset', '{}')), 'STRICT mesh');
    assert.equal(decide(policy('other', 'x', '{mtls: {mode: STRICT}}')), 'PERMISSIVE none');
    assert.equal(
      decide(policy('shop', 'x', '{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}')),
      'PERMISSIVE none',
    );
  });

  it('of the whole mesh is in the root namespace and selects nothing', () => {
    const selecting = policy('istio-system', 'x', '{selector: {matchLabels: {app: db}}, mtls: {mode: DISABLE}}');
    assert.deepEqual(meshDecision(objects(selecting + NAMESPACE)), { mode: 'PERMISSIVE', by: undefined });
    const { mode, by } = meshDecision(objects(selecting + MESH));
    assert.deepEqual([mode, by?.metadata.name], ['STRICT', 'mesh']);
  });
});

describe('how plaintext came', () => {
  const pair = (workload: string): Pair => ({
    source: { namespace: 'shop', workload, principal: '' },
    destination: { namespace: 'shop', workload: 'db', principal: '' },
    services: ['db.shop.svc.cluster.local'],
    protocol: 'http',
    security: 'none',
    count: 1,
  });
  const why = (workload: string, yaml: string) =>
    explainPlaintext(pair(workload), objects(yaml), ({ kind, metadata }) => `${kind} ${metadata.name}`).split('; ');

  it('the client has no sidecar, and the destination takes it', () => {
    assert.deepEqual(why('', ''), [
      'the client has shown no certificate: it has no sidecar, or goes past it',
      'the destination takes it: there is no PeerAuthentication, which means PERMISSIVE',
    ]);
    assert.equal(why('', NAMESPACE)[1], 'the destination takes it: PeerAuthentication all says PERMISSIVE');
    assert.equal(why('', MESH)[1], 'it was counted before PeerAuthentication mesh came into force');
  });

  it("the client's sidecar follows a DestinationRule, of all hosts and of short names", () => {
    const says = "the client's sidecar does as DestinationRule r says, which is not ISTIO_MUTUAL";
    assert.equal(why('web', rule('db', 'trafficPolicy: {tls: {mode: DISABLE}}'))[0], says);
    assert.equal(why('web', rule('"*.local"', 'trafficPolicy: {tls: {mode: SIMPLE}}'))[0], says);
    assert.equal(why('web', rule('db', 'subsets: [{name: a, trafficPolicy: {tls: {mode: DISABLE}}}]'))[0], says);
    assert.equal(
      why('web', rule('db', 'trafficPolicy: {portLevelSettings: [{port: {number: 1}, tls: {mode: DISABLE}}]}'))[0],
      says,
    );
  });

  it("the client's sidecar knows no better", () => {
    const [unrelated] = why('web', rule('web', 'trafficPolicy: {tls: {mode: DISABLE}}'));
    assert.match(unrelated!, /an address that belongs to no service, or automatic mutual TLS is off/);
    assert.equal(why('web', rule('db', 'trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}'))[0], unrelated);
    assert.equal(why('web', WORKLOAD)[0], "the client's sidecar knows that the destination takes no TLS");
  });

  it('of a destination that is gone nothing is said', () => {
    const gone = { ...objects(''), labelsOf: () => undefined };
    assert.equal(
      explainPlaintext(pair(''), gone, () => ''),
      'the client has shown no certificate: it has no sidecar, or goes past it',
    );
  });
});
