import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProxyConfig } from '../environment/proxy-config.ts';
import { overloadManager } from './connection-limit.ts';

const FLAG = 'overload.global_downstream_max_connections';

const limit = (config: Partial<ProxyConfig>, metadata: Record<string, unknown> = {}) =>
  Number(
    /"max_active_downstream_connections":(\d+)/.exec(
      JSON.stringify(overloadManager(config as ProxyConfig, metadata)),
    )?.[1],
  );

test('the setting counts before the metadata, and that before the runtime flag', () => {
  const runtimeValues = { [FLAG]: '5' };
  const metadata = { GLOBAL_DOWNSTREAM_MAX_CONNECTIONS: '6' };
  const connectionSettings = { globalDownstreamConnectionLimit: 7 };
  assert.equal(limit({}), 2 ** 31 - 1);
  assert.equal(limit({ runtimeValues }), 5);
  assert.equal(limit({ runtimeValues }, metadata), 6);
  assert.equal(limit({ runtimeValues, connectionSettings }, metadata), 7);
  assert.equal(limit({ runtimeValues: { [FLAG]: '' } }), 2 ** 31 - 1, 'an empty value removes the flag');
});

test('what is no number of connections is named', () => {
  assert.throws(() => limit({ runtimeValues: { [FLAG]: 'many' } }), /runtimeValues\.overload.* must be a whole number/);
  assert.throws(
    () => limit({}, { GLOBAL_DOWNSTREAM_MAX_CONNECTIONS: '0' }),
    /ISTIO_META_GLOBAL_DOWNSTREAM_MAX_CONNECTIONS must be/,
  );
});
