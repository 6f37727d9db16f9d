import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatMessage } from '../config/message.ts';
import { readSources, resourceFromJson } from './source.ts';

const read = (text: string, namespace = 'default') => readSources([{ name: 'f.yaml', text }], namespace);
const lines = (text: string) => read(text).resources.map(({ name, at }) => `${name} ${at?.line}`);

test('a resource stands where istioctl says: in the first line of its document that is not blank', () => {
  const namespace = (name: string) => `{apiVersion: v1, kind: Namespace, metadata: {name: ${name}}}\n`;
  assert.deepEqual(lines(`# about it\n\n${namespace('a')}---\n\n${namespace('b')}---\n# about it\n${namespace('c')}`), [
    'a 1',
    'b 6',
    'c 8',
  ]);
  assert.deepEqual(lines(`---\n\n# about it\n${namespace('a')}--- # more\n${namespace('b')}`), ['a 3', 'b 6']);
  assert.deepEqual(lines(`# of nothing\n---\n${namespace('a')}`), ['a 3']);
  assert.deepEqual(
    lines('apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: a}\n'),
    ['a 4'],
  );
});

test('fields that were written are found, and no others', () => {
  const [gateway] = read(
    'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec:\n  selector:\n    app: edge\n  servers: []\n',
  ).resources;
  assert.deepEqual(gateway!.find(['spec', 'selector', 'app']), { file: 'f.yaml', line: 6, column: 5 });
  assert.equal(gateway!.find(['spec', 'selector', 'tier']), undefined);
  assert.equal(gateway!.find(['spec', 'servers', 0]), undefined);
});

test('the namespace of what names none', () => {
  const text =
    '{apiVersion: v1, kind: Secret, metadata: {name: a}}\n---\n{apiVersion: v1, kind: Node, metadata: {name: node1}}';
  const namespaces = (given: string) => read(text, given).resources.map(({ namespace }) => namespace);
  assert.deepEqual(namespaces('shop'), ['shop', '']);
  assert.deepEqual(namespaces(''), ['', '']);
});

test("Kubernetes' own namespaces are not looked at", () => {
  const secret = (namespace: string) =>
    `{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: ${namespace}}}\n---\n`;
  const text = `${secret('kube-system')}${secret('default')}{apiVersion: v1, kind: Namespace, metadata: {name: kube-public}}`;
  assert.deepEqual(
    read(text).resources.map(({ namespace }) => namespace),
    ['default'],
  );
});

test("errors of Istio's kinds are those of the resource, others are those of the file", () => {
  const text = `{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: a}, spec: {servers: 5}}
---
{apiVersion: v1, kind: Service, metadata: {name: b}, spec: {ports: [{port: 80, protocol: HTTP}]}}
---
{apiVersion: networking.istio.io/v1, kind: Gatewy, metadata: {name: c}}
---
{apiVersion: example.com/v1, kind: Something, metadata: {name: d}}
---
a: [
`;
  const { resources, problems } = read(text);
  assert.deepEqual(
    resources.map(({ kind, errors }) => `${kind} ${errors.length}`),
    ['Gateway 1', 'Service 1'],
  );
  assert.deepEqual(
    problems
      .flatMap((source) => source.problems.map(formatMessage))
      .map((line) => line.replace(/(: [^:]{30})[^:]*$/, '$1')),
    [
      'f.yaml:10:1: is not valid YAML: Flow sequence in block collect',
      'f.yaml:3:80: Service/default/b: spec.ports[0].protocol must be',
      'f.yaml:5:38: kind is unknown: networking.istio.io/v1 has no Gatewy;',
    ].map((line) => line.replace(/(: [^:]{30})[^:]*$/, '$1')),
  );
});

test('an object of a mesh', () => {
  const at = { file: 'mesh.yaml', line: 4, column: 1 };
  const json = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', labels: { a: 'b' } }, spec: { containers: [] } };
  const pod = resourceFromJson(json, at);
  assert.deepEqual([pod?.id, pod?.namespace, pod?.name, pod?.labels, pod?.at], ['Pod', 'default', 'p', { a: 'b' }, at]);
  assert.equal(resourceFromJson({ apiVersion: 'v1', kind: 'Pod' }, at), undefined);
  assert.equal(resourceFromJson('x', at), undefined);
});
