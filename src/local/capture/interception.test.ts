import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interceptionModeOf } from './interception.ts';

test('the annotation, then the configuration of the proxy, then that of the mesh', () => {
  const annotation = (value: string) => ({ 'sidecar.istio.io/interceptionMode': value });
  const config = (text: string) => ({ 'proxy.istio.io/config': text });
  const mesh = { interceptionMode: 'TPROXY' } as const;
  assert.equal(interceptionModeOf({}, undefined), 'REDIRECT');
  assert.equal(interceptionModeOf({}, mesh), 'TPROXY');
  assert.equal(interceptionModeOf(config('interceptionMode: NONE'), mesh), 'NONE');
  assert.equal(interceptionModeOf(config('concurrency: 1'), mesh), 'TPROXY');
  assert.equal(interceptionModeOf(config('interceptionMode: [broken'), mesh), 'TPROXY');
  assert.equal(
    interceptionModeOf({ ...config('interceptionMode: NONE'), ...annotation('REDIRECT') }, mesh),
    'REDIRECT',
  );
  assert.equal(interceptionModeOf(annotation('tproxy'), undefined), 'REDIRECT');
});
