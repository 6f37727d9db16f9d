import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, httpListener, socketAddress } from '../support/envoy-config.ts';
import { encodeMessage, exchange } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { requestBytes, start, type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

/** Which host a hash leads to: hosts that are hashed by name, so that the ports of a run do not matter. */

const HOSTS = ['a', 'b', 'c', 'd', 'e'] as const;
const WEIGHTS: Readonly<Record<string, number>> = { a: 1, b: 3, c: 1, d: 2, e: 1 };

const POLICIES = 'envoy.extensions.load_balancing_policies';
const BY_NAME = { consistent_hashing_lb_config: { use_hostname_for_hashing: true } };

function typed(name: string, type: string, fields: JsonObject): JsonObject {
  const typed_extension_config = { name, typed_config: any(`${POLICIES}.${type}`, fields) };
  return { load_balancing_policy: { policies: [{ typed_extension_config }] } };
}

const CLUSTERS: Readonly<Record<string, JsonObject>> = {
  ring: { lb_policy: 'RING_HASH', common_lb_config: BY_NAME },
  'small ring': {
    lb_policy: 'RING_HASH',
    ring_hash_lb_config: { minimum_ring_size: 16, maximum_ring_size: 64 },
    common_lb_config: BY_NAME,
  },
  'ring by MURMUR': {
    lb_policy: 'RING_HASH',
    ring_hash_lb_config: { hash_function: 'MURMUR_HASH_2' },
    common_lb_config: BY_NAME,
  },
  'ring, bounded': {
    lb_policy: 'RING_HASH',
    common_lb_config: { consistent_hashing_lb_config: { use_hostname_for_hashing: true, hash_balance_factor: 200 } },
  },
  maglev: { lb_policy: 'MAGLEV', common_lb_config: BY_NAME },
  'small maglev': { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 13 }, common_lb_config: BY_NAME },
  'typed ring': typed('ring', 'ring_hash.v3.RingHash', BY_NAME),
  'typed maglev': typed('maglev', 'maglev.v3.Maglev', { ...BY_NAME, table_size: 101 }),
};

function clusterOf(env: TwinEnv, name: string): JsonObject {
  const endpoints = HOSTS.map((host) => ({
    load_balancing_weight: WEIGHTS[host]!,
    endpoint: { hostname: `${host}.test`, address: socketAddress(env.backend(host)) },
  }));
  return {
    name,
    // Names are hashed where hosts come by them.
    type: 'STRICT_DNS',
    connect_timeout: '5s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] },
    ...CLUSTERS[name],
  };
}

test('hashes lead to the hosts that they lead to with Envoy', { skip: withoutReference }, async (t) => {
  const names = Object.keys(CLUSTERS);
  const answer = (host: string) => () => encodeMessage('HTTP/1.1 200 OK', [], host);
  const twins = await twinProxies(t, {
    listeners: ['main'],
    backends: () => Object.fromEntries(HOSTS.map((host) => [host, answer(host)])),
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            routes: names.map((name, i) => ({
              match: { prefix: `/${i}/` },
              route: { cluster: name, hash_policy: [{ header: { header_name: 'x-key' } }] },
            })),
          }),
        ],
        clusters: names.map((name) => clusterOf(env, name)),
      },
    }),
  });
  for (const [i, name] of names.entries()) {
    await t.test(name, async () => {
      const chosen = async (twin: Twin) => {
        const hosts: string[] = [];
        for (let key = 0; key < 60; key++) {
          const headers = [['host', 'a'] as const, ['x-key', `key ${key}`] as const];
          const { body } = await exchange(twin.env.port('main'), [requestBytes({ path: `/${i}/`, headers })]);
          hosts.push(`${key}: ${body}`);
        }
        return hosts;
      };
      const [envoy, isthmus] = await Promise.all([twins.envoy, twins.isthmus].map(chosen));
      assert.deepEqual(isthmus, envoy);
    });
  }
});

test('names cannot be hashed where hosts do not come by them', { skip: withoutReference }, async (t) => {
  for (const type of ['STATIC', 'LOGICAL_DNS']) {
    for (const program of ['envoy', 'isthmus'] as const) {
      const cluster = {
        name: 'x',
        type,
        lb_policy: 'RING_HASH',
        common_lb_config: BY_NAME,
        load_assignment: {
          cluster_name: 'x',
          endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(1) } }] }],
        },
      };
      const starting = start(t, program, {
        listeners: [],
        bootstrap: () => ({ static_resources: { clusters: [cluster] } }),
      });
      await assert.rejects(starting, /ended/, `${program} ${type}`);
    }
  }
});
