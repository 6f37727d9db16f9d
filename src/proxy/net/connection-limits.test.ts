import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionLimits } from './connection-limits.ts';

const runtime = (values: Readonly<Record<string, number>>) => ({
  number: (key: string, otherwise: number) => values[key] ?? otherwise,
});

test('listeners have limits by their names, or none', () => {
  const limits = new ConnectionLimits(runtime({ 'envoy.resource_limits.listener.a.connection_limit': 7 }), undefined);
  assert.equal(limits.ofListener('a'), 7);
  assert.equal(limits.ofListener('b'), Number.POSITIVE_INFINITY);
  assert.equal(limits.hasRoom, true);
});

test('a limit for all: of the overload manager, or else of runtime', () => {
  for (const limits of [
    new ConnectionLimits(runtime({ 'overload.global_downstream_max_connections': 9 }), 2),
    new ConnectionLimits(runtime({ 'overload.global_downstream_max_connections': 2 }), undefined),
  ]) {
    limits.take();
    assert.equal(limits.hasRoom, true);
    limits.take();
    assert.equal(limits.hasRoom, false);
    limits.free();
    assert.equal(limits.hasRoom, true);
  }
});
