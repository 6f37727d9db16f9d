import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseResourceArguments, pluralName, resourceTypes, singularName } from './resource-type.ts';

const ids = (word: string) => resourceTypes(word).map(({ definition }) => definition.id);
const asked = (...args: string[]) => {
  const { wanted, severalTypes } = parseResourceArguments(args)!;
  return [
    wanted.map(({ definition, name }) => `${definition.id}${name === undefined ? '' : `/${name}`}`),
    severalTypes,
  ];
};

describe('resource types', () => {
  it('are known by plural, singular, kind, short name, group and version', () => {
    for (const word of ['vs', 'virtualservice', 'VirtualServices', 'virtualservices.networking.istio.io'])
      assert.deepEqual(resourceTypes(word)[0]!.apiVersion, 'networking.istio.io/v1');
    assert.equal(
      resourceTypes('virtualservices.v1alpha3.networking.istio.io')[0]!.apiVersion,
      'networking.istio.io/v1alpha3',
    );
    assert.deepEqual(ids('deploy'), ['Deployment']);
    assert.deepEqual(ids('deployment.apps'), ['Deployment']);
    assert.deepEqual(ids('svc'), ['Service']);
    for (const word of ['foo', '', 'virtualservices.apps'])
      assert.throws(() => resourceTypes(word), { message: `the server doesn't have a resource type "${word}"` });
  });

  it('have categories', () => {
    assert.deepEqual(ids('all'), ['Pod', 'Service', 'Deployment', 'ReplicaSet', 'StatefulSet', 'Job']);
    assert.ok(ids('istio-io').includes('PeerAuthentication'));
    assert.ok(!ids('networking-istio-io').includes('PeerAuthentication'));
    assert.ok(ids('networking-istio-io').includes('Gateway'));
  });

  it('are named as kubectl and the API server name them', () => {
    const [vs] = resourceTypes('vs');
    const [svc] = resourceTypes('svc');
    assert.equal(pluralName(vs!.definition), 'virtualservices.networking.istio.io');
    assert.equal(singularName(vs!.definition), 'virtualservice.networking.istio.io');
    assert.equal(pluralName(svc!.definition), 'services');
    assert.equal(singularName(resourceTypes('ep')[0]!.definition), 'endpoints');
  });
});

describe('resource arguments', () => {
  it('are types and names, or both in one', () => {
    assert.equal(parseResourceArguments([]), undefined);
    assert.deepEqual(asked('vs'), [['VirtualService'], false]);
    assert.deepEqual(asked('vs', 'a', 'b'), [['VirtualService/a', 'VirtualService/b'], false]);
    assert.deepEqual(asked('vs,gw'), [['VirtualService', 'Gateway'], true]);
    assert.deepEqual(asked('vs/a'), [['VirtualService/a'], false]);
    assert.deepEqual(asked('vs/a', 'vs/b'), [['VirtualService/a', 'VirtualService/b'], false]);
    assert.deepEqual(asked('vs/a', 'gw/b'), [['VirtualService/a', 'Gateway/b'], true]);
    assert.throws(() => asked('vs', 'a', 'gw/b'), /no need to specify a resource type/);
    assert.throws(() => asked('vs/'), /single resource and name/);
    assert.throws(() => asked('vs,'), /resource type ""/);
  });
});
