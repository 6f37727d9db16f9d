import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSources } from '../../check.ts';
import { formatMessage } from '../../message.ts';

const errors = (text: string): string[] => checkSources([{ name: 'f.yaml', text }])[0]!.errors.map(formatMessage);
const secret = (rest: string): string => `{apiVersion: v1, kind: Secret, metadata: {name: a}, ${rest}}`;

test('no message shows a value', () => {
  const wrong = [
    secret('stringData: {password: 8675309}'),
    secret('stringData: swordfish8675309'),
    secret('stringData: {a: {b: swordfish8675309}}'),
    secret('data: {password: "swordfish 8675309"}'),
    secret('data: {password: 8675309}'),
    secret('data: [swordfish8675309]'),
    secret('immutable: swordfish8675309'),
    'apiVersion: v1\nkind: Secret\nstringData:\n  a: x\n swordfish8675309\n',
    'apiVersion: v1\nkind: Secret\nstringData: {a: "swordfish8675309\n',
    'apiVersion: v1\nkind: Secret\nstringData: {a: b} swordfish8675309\n',
  ];
  for (const text of wrong) {
    const said = errors(text);
    assert.notEqual(said.length, 0, text);
    assert.ok(!/8675309/.test(said.join('\n')), said.join('\n'));
  }
});

test('what Kubernetes refuses', () => {
  assert.deepEqual(errors(secret('type: kubernetes.io/tls, data: {tls.crt: aGk=}')), [
    'f.yaml:1:78: Secret/default/a: data["tls.key"] is required for type kubernetes.io/tls',
  ]);
  assert.match(errors(secret('data: {"a b": aGk=}'))[0]!, /has the key "a b"/);
  assert.deepEqual(errors(secret('type: kubernetes.io/tls, stringData: {tls.crt: a, tls.key: b}')), []);
});
