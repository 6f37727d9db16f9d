import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newHost } from '../../../test/support/hosts.ts';
import { HealthFlag } from './host.ts';

const { FailedActiveHealthCheck, FailedOutlierCheck, FailedEdsHealth, EdsDraining, DegradedActiveHealthCheck } =
  HealthFlag;

test('what flags make of a host', () => {
  for (const [flags, edsStatus, wanted] of [
    [0, 0, ['healthy', 0]],
    [0, 1, ['healthy', 1]],
    [FailedOutlierCheck, 1, ['unhealthy', 2]],
    [FailedActiveHealthCheck | EdsDraining, 3, ['unhealthy', 2]],
    [EdsDraining, 3, ['unhealthy', 3]],
    [FailedEdsHealth, 4, ['unhealthy', 4]],
    [DegradedActiveHealthCheck, 1, ['degraded', 5]],
    [DegradedActiveHealthCheck | FailedEdsHealth, 2, ['unhealthy', 2]],
  ] as const) {
    const host = newHost(1, { edsHealth: flags, edsStatus });
    const state = host.healthy ? 'healthy' : host.degraded ? 'degraded' : 'unhealthy';
    assert.deepEqual([state, host.status], wanted);
  }
});

test('hosts without connections have no tables for them', () => {
  const host = newHost(1);
  host.drainPools();
  host.drainConnections();
  host.closeTcpConnections();
  assert.equal(host.pools.size + host.tcpConnections.size, 0);
});
