import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, socketAddress } from '../support/envoy-config.ts';
import { encodeMessage, exchange } from '../support/raw-http.ts';
import { freePorts, withoutReference } from '../support/reference.ts';
import { echo, requestBytes, type Twin, type Twins, twinProxies } from '../support/twin-proxies.ts';
import { bothReach, clusterStats, sameHosts, sameStats } from '../support/twin-stats.ts';

/** Rules that apply on the spot, and rules that wait for an interval that never comes. */
const NEVER = '1000s';
const SOON = '0.3s';

const CLUSTERS: Readonly<Record<string, JsonObject>> = {
  consecutive: { consecutive_5xx: 3, interval: NEVER, max_ejection_percent: 100 },
  gateway: {
    consecutive_5xx: 100,
    consecutive_gateway_failure: 2,
    enforcing_consecutive_gateway_failure: 100,
    interval: NEVER,
    max_ejection_percent: 100,
  },
  observed: { consecutive_5xx: 2, enforcing_consecutive_5xx: 0, interval: NEVER, max_ejection_percent: 100 },
  capped: { consecutive_5xx: 1, interval: NEVER, max_ejection_percent: 10 },
  one: { consecutive_5xx: 1, interval: NEVER, max_ejection_percent: 10, always_eject_one_host: true },
  split: {
    split_external_local_origin_errors: true,
    consecutive_5xx: 100,
    consecutive_local_origin_failure: 2,
    interval: NEVER,
    max_ejection_percent: 100,
  },
  together: { consecutive_5xx: 2, interval: NEVER, max_ejection_percent: 100 },
  back: { consecutive_5xx: 2, interval: '0.1s', base_ejection_time: '0.2s', max_ejection_percent: 100 },
  rate: {
    interval: SOON,
    base_ejection_time: NEVER,
    max_ejection_time: NEVER,
    consecutive_5xx: 1000,
    success_rate_minimum_hosts: 2,
    success_rate_request_volume: 5,
    success_rate_stdev_factor: 100,
    max_ejection_percent: 100,
  },
  percentage: {
    interval: SOON,
    base_ejection_time: NEVER,
    max_ejection_time: NEVER,
    consecutive_5xx: 1000,
    success_rate_minimum_hosts: 1000,
    failure_percentage_minimum_hosts: 2,
    failure_percentage_request_volume: 5,
    failure_percentage_threshold: 60,
    enforcing_failure_percentage: 100,
    max_ejection_percent: 100,
  },
};

/** Clusters of which nobody listens at the second host. */
const DEAD_SECOND = new Set(['split', 'together']);

test('hosts are ejected as Envoy ejects them', { skip: withoutReference }, async (t) => {
  const [nobody] = await freePorts(1);
  const twins = await twinProxies(t, {
    listeners: ['main'],
    backends: () => ({
      good: echo,
      bad: ({ headers }) => {
        const [, status] = headers.find(([name]) => name === 'x-status') ?? ['', '503'];
        return encodeMessage(`HTTP/1.1 ${status} Whatever`, [], 'x');
      },
    }),
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            routes: Object.keys(CLUSTERS).map((name) => ({ match: { prefix: `/${name}` }, route: { cluster: name } })),
          }),
        ],
        clusters: Object.entries(CLUSTERS).map(([name, outlier_detection]) => {
          const second = DEAD_SECOND.has(name) ? nobody : env.backend('bad');
          return cluster(name, 0, {
            outlier_detection,
            // Envoy tells its workers of changes in health up to a second late, unless told.
            common_lb_config: { healthy_panic_threshold: { value: 0 }, update_merge_window: '0s' },
            load_assignment: {
              cluster_name: name,
              endpoints: [
                {
                  lb_endpoints: [env.backend('good'), second].map((port) => ({
                    endpoint: { address: socketAddress(port) },
                  })),
                },
              ],
            },
          });
        }),
      },
    }),
  });

  const send = async (twin: Twin, name: string, count: number, headers: [string, string][] = []) => {
    const statuses: number[] = [];
    for (let i = 0; i < count; i++) {
      const response = await exchange(twin.env.port('main'), [requestBytes({ path: `/${name}`, headers })]);
      statuses.push(response.status);
    }
    return statuses;
  };
  /** Which of the two hosts a rotation begins with is chance: sends so many that it does not matter. */
  const both = async (name: string, count: number, headers?: [string, string][]) => {
    const [envoy, isthmus] = await Promise.all([
      send(twins.envoy, name, count, headers),
      send(twins.isthmus, name, count, headers),
    ]);
    const failures = (statuses: number[]) => statuses.filter((status) => status >= 500).length;
    assert.equal(failures(isthmus), failures(envoy), `failures of ${name}`);
    return failures(envoy);
  };
  const ejected = async (name: string) => {
    const lines = await sameHosts(twins, name, /health_flags|success_rate/);
    await sameStats(twins, name, /upstream_(rq|cx)|attempt|detected_consecutive_gateway/);
    return lines.filter((line) => line.includes('/failed_outlier_check')).length;
  };

  await t.test('after consecutive 5xx', async () => {
    assert.equal(await both('consecutive', 12), 3);
    assert.equal(await ejected('consecutive'), 1);
  });
  await t.test('after consecutive gateway failures', async () => {
    assert.equal(await both('gateway', 4, [['x-status', '500']]), 2);
    assert.equal(await ejected('gateway'), 0);
    assert.equal(await both('gateway', 8), 2);
    assert.equal(await ejected('gateway'), 1);
  });
  await t.test('not where the rule is only observed', async () => {
    assert.equal(await both('observed', 8), 4);
    assert.equal(await ejected('observed'), 0);
  });
  await t.test('not more than so many of them', async () => {
    assert.equal(await both('capped', 6), 3);
    assert.equal(await ejected('capped'), 0);
  });
  await t.test('but one where one is always allowed', async () => {
    assert.equal(await both('one', 6), 1);
    assert.equal(await ejected('one'), 1);
  });
  await t.test('for failures of our own making, counted apart', async () => {
    assert.equal(await both('split', 8), 2);
    assert.equal(await ejected('split'), 1);
  });
  await t.test('for failures of our own making, counted as answers', async () => {
    assert.equal(await both('together', 8), 2);
    assert.equal(await ejected('together'), 1);
  });
  await t.test('and come back', async () => {
    assert.equal(await both('back', 6), 2);
    await bothReach(twins, 'back', 'outlier_detection.ejections_enforced_total', 1);
    await bothReach(twins, 'back', 'outlier_detection.ejections_active', 0);
    await sameHosts(twins, 'back', /health_flags/);
    assert.equal(await both('back', 6), 2);
  });
  await t.test('for success rates below the others', async () => {
    await untilEjected(twins, 'rate', () => both('rate', 20));
    assert.equal(await ejected('rate'), 1);
  });
  await t.test('for a percentage of failures', async () => {
    await untilEjected(twins, 'percentage', () => both('percentage', 20));
    assert.equal(await ejected('percentage'), 1);
  });
});

/** An interval may end in the midst of the requests, with too few in either part: then it takes some more. */
async function untilEjected(twins: Twins, name: string, send: () => Promise<unknown>): Promise<void> {
  const active = async (twin: Twin) => (await clusterStats(twin, name)).get('outlier_detection.ejections_active') === 1;
  await send();
  for (let round = 0; round < 20; round++) {
    if ((await active(twins.envoy)) && (await active(twins.isthmus))) return;
    await bothOrMore(twins, send);
  }
  assert.fail(`${name}: no ejection`);
}

async function bothOrMore(twins: Twins, send: () => Promise<unknown>): Promise<void> {
  await send().catch(() => {});
  await Promise.all([twins.envoy, twins.isthmus].map((twin) => twin.admin('/ready')));
}
