import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, named, socketAddress, TO_BACKEND } from '../support/envoy-config.ts';
import { exchange } from '../support/raw-http.ts';
import { referenceProgram, until, withoutReference } from '../support/reference.ts';
import { requestBytes, type Twin, type TwinEnv, type Twins, twinProxies } from '../support/twin-proxies.ts';

const NAME = 'outbound|80||c.d.svc.cluster.local';

function bootstrap(env: TwinEnv): JsonObject {
  const routes: JsonObject[] = [
    { match: { prefix: '/direct' }, name: 'direct', direct_response: { status: 200, body: { inline_string: 'hi' } } },
    { match: { prefix: '/missing' }, route: { cluster: 'missing' } },
    { match: { prefix: '/counted' }, stat_prefix: 'counted', route: { cluster: NAME } },
    { ...TO_BACKEND, route: { cluster: NAME } },
  ];
  const virtualHost = {
    name: 'host',
    virtual_clusters: [{ name: 'reads', headers: [{ name: ':method', string_match: { exact: 'GET' } }] }],
  };
  const tcp: JsonObject = {
    name: 'tcp',
    address: socketAddress(env.port('tcp')),
    traffic_direction: 'INBOUND',
    filter_chains: [
      {
        filters: [
          named('envoy.filters.network.tcp_proxy', 'network.tcp_proxy.v3.TcpProxy', {
            stat_prefix: 'tcp',
            cluster: 'backend',
          }),
        ],
      },
    ],
  };
  return {
    node: { id: 'sidecar~10.0.0.1~a.b~b.svc.cluster.local', cluster: 'a.b', metadata: { NAMESPACE: 'b' } },
    static_resources: {
      listeners: [
        httpListener('main', {
          port: env.port('main'),
          log: env.log('main'),
          routes,
          virtualHost,
          routeConfig: { name: 'routes', validate_clusters: false },
        }),
        tcp,
      ],
      clusters: [
        cluster(NAME, env.backend('backend'), {
          circuit_breakers: { thresholds: [{ max_connections: 10, track_remaining: true }] },
          metadata: { filter_metadata: { istio: { services: [{ host: 'c.d.svc.cluster.local' }] } } },
        }),
        cluster('backend', env.backend('backend')),
      ],
      secrets: [{ name: 'secret', generic_secret: { secret: { inline_string: 'hidden' } } }],
    },
    stats_config: {
      stats_tags: [
        { tag_name: 'fixed', fixed_value: 'a"b\\c' },
        { tag_name: 'method', regex: 'vcluster\\.((\\w+)\\.)' },
      ],
      stats_matcher: { exclusion_list: { patterns: [{ suffix: 'total_match_count' }, { prefix: 'dns' }] } },
      histogram_bucket_settings: [{ match: { suffix: 'rq_time' }, buckets: [1, 1000, 60000] }],
    },
    stats_flush_interval: '0.1s',
    layered_runtime: {
      layers: [
        { name: 'base', static_layer: { a: { b: true, c: 'x y' }, d: 1.5 } },
        { name: 'admin', admin_layer: {} },
      ],
    },
  };
}

let twins: Twins;

/** Runs in both and compares what comes out of it. */
async function same(what: string, read: (twin: Twin) => Promise<unknown>): Promise<void> {
  const [envoy, isthmus] = await Promise.all([read(twins.envoy), read(twins.isthmus)]);
  assert.deepEqual(isthmus, envoy, what);
}

const status = async (twin: Twin, target: string, method = 'GET'): Promise<number> => {
  const response = await fetch(`http://127.0.0.1:${twin.adminPort}${target}`, { method });
  await response.arrayBuffer();
  return response.status;
};

/** What is not the same in two processes, whatever they are. */
function comparable(json: unknown, twin: Twin): unknown {
  const text = JSON.stringify(json)
    .replaceAll(/"port_value":\d+/g, '"port_value":0')
    .replaceAll(twin.env.folder, '<folder>');
  return JSON.parse(text, (key, value) => {
    if (key === 'last_updated') return 'time';
    if (key === 'extensions' || key === 'user_agent_build_version' || key === 'user_agent_name') return undefined;
    if (key === 'client_features') return undefined;
    // Envoy keeps these in a hash table.
    if (Array.isArray(value) && /^(configs|static_(clusters|endpoint_configs))$/.test(key)) {
      const order = (item: unknown) =>
        JSON.stringify(item, ['name', 'cluster_name', 'cluster', 'endpoint_config', '@type']);
      return value.sort((a, b) => (order(a) < order(b) ? -1 : 1));
    }
    return value;
  });
}

test('the admin interface answers as Envoy does', { skip: withoutReference }, async (t) => {
  twins = await twinProxies(t, { listeners: ['main', 'tcp'], bootstrap });
  for (const twin of [twins.envoy, twins.isthmus]) {
    for (const target of ['/', '/', '/direct', '/missing', '/counted']) {
      await exchange(twin.env.port('main'), [requestBytes({ path: target })], {});
    }
    await exchange(twin.env.port('main'), [requestBytes({ path: '/', method: 'POST', body: 'x' })], {});
  }

  await t.test('/config_dump', async () => {
    for (const query of [
      '',
      '?include_eds',
      '?resource=static_clusters',
      '?resource=static_clusters&name_regex=back.*',
      '?resource=static_clusters&mask=cluster.name',
      '?resource=static_listeners&mask=listener.name,last_updated',
      '?resource=static_route_configs',
      '?resource=static_endpoint_configs&include_eds',
      '?resource=dynamic_listeners',
      '?mask=static_clusters',
      '?mask=bootstrap.node.id',
      '?name_regex=none',
    ]) {
      const read = async (twin: Twin) => comparable(JSON.parse(await twin.admin(`/config_dump${query}`)), twin);
      await same(query, read);
    }
  });

  await t.test('what /config_dump refuses', async () => {
    for (const query of [
      'resource=nope',
      'resource=bootstrap',
      'mask=nope',
      'mask=static_clusters.cluster',
      'resource=static_clusters&mask=nope',
    ]) {
      await same(query, (twin) => status(twin, `/config_dump?${query}`));
    }
    await same('resource', (twin) => twin.admin('/config_dump?resource=nope'));
    await same('no list', (twin) => twin.admin('/config_dump?resource=bootstrap'));
    await same('regex', (twin) => twin.admin('/config_dump?resource=static_clusters&name_regex=('));
  });

  await t.test('no secret is in any dump', async () => {
    assert.doesNotMatch(await twins.isthmus.admin('/config_dump?include_eds'), /hidden/);
  });

  await t.test('/clusters, /listeners, /certs, /runtime', async () => {
    const lines = (twin: Twin, text: string) =>
      twin
        .named(text)
        .split('\n')
        // How many connections a pool opens is its own matter.
        .filter((line) => !/::cx_(active|total)::/.test(line))
        .sort();
    for (const target of ['/clusters', '/clusters?filter=back', '/listeners', '/certs']) {
      await same(target, async (twin) => lines(twin, await twin.admin(target)));
    }
    await same('/clusters?filter=(', (twin) => twin.admin('/clusters?filter=('));
    const sorted = (json: { cluster_statuses?: { name: string }[] }) =>
      json.cluster_statuses?.sort((a, b) => (a.name < b.name ? -1 : 1));
    await same('/clusters?format=json', async (twin) => {
      const statuses = sorted(JSON.parse(await twin.admin('/clusters?format=json')));
      const text = JSON.stringify(comparable(statuses, twin));
      return JSON.parse(text, (key, value) => (key === 'stats' ? value.map((s: JsonObject) => s.name) : value));
    });
    await same('/listeners?format=json', async (twin) =>
      comparable(JSON.parse(await twin.admin('/listeners?format=json')), twin),
    );
  });

  await t.test('/runtime and /runtime_modify', async () => {
    const runtime = async (twin: Twin) => JSON.parse(await twin.admin('/runtime'));
    await same('at first', runtime);
    for (const change of ['a.b=3&e.f=x+y%20z', 'e.f=', 'd=-1e3']) {
      await same(change, (twin) => twin.admin(`/runtime_modify?${change}`, 'POST'));
      await same(`after ${change}`, runtime);
    }
    await same('without values', (twin) => status(twin, '/runtime_modify', 'POST'));
    const stats = (twin: Twin) => twin.admin('/stats?filter=runtime.(num|admin)');
    await same('statistics', stats);
  });

  await t.test('/stats has what Envoy has', async () => {
    const [envoy, isthmus] = await Promise.all([statNames(twins.envoy), statNames(twins.isthmus)]);
    const missing = envoy.filter((name) => !isthmus.includes(name) && !NOT_HERE.test(name));
    const extra = isthmus.filter((name) => !envoy.includes(name));
    assert.deepEqual({ missing, extra }, { missing: [], extra: [] });
  });

  await t.test('/stats counts what Envoy counts', async () => {
    const read = (filter: string) => async (twin: Twin) => twin.named(await twin.admin(`/stats?filter=${filter}`));
    await same(
      'responses',
      read('^(cluster|vhost|http\\.main).*(upstream_rq_(completed|[0-9]|total)|rq_total|no_cluster|direct_response)'),
    );
    await same('downstream', read('^http\\.main\\.downstream_rq_([0-9]xx|completed|total|http1_total)'));
    await same('breakers', read('circuit_breakers.*open$'));
    await same('membership', read('membership'));
  });

  await t.test('/stats/prometheus has the same metrics with the same labels', async () => {
    const samples = async (twin: Twin) =>
      twin
        .named(await twin.admin('/stats/prometheus'))
        .split('\n')
        .filter((line) => !NOT_HERE_METRIC.test(line))
        .map((line) => line.replace(/ [-+.\de]+$/, '').replaceAll(/127\.0\.0\.1_\d+/g, 'address'));
    await same('samples', samples);
    const query = '?filter=vhost&usedonly';
    await same('used only', async (twin) =>
      (await twin.admin(`/stats/prometheus${query}`)).split('\n').filter((line) => !/_(bucket|sum)/.test(line)),
    );
  });

  await t.test('histograms in all their forms', async () => {
    // The distribution differs from run to run; the form does not.
    const form = (text: string) =>
      text.replaceAll(/[-+]?\d[.\d]*(e[-+]\d+)?|nan/g, '#').replaceAll(/#,#:#(, #,#:#)*/g, '#');
    const name = encodeURIComponent('^http\\.main\\.downstream_rq_time$');
    await until('an interval with requests is over', async () => {
      const text = await twins.envoy.admin(`/stats?filter=${name}`);
      return text.includes('P0(') || undefined;
    });
    for (const mode of ['', 'cumulative', 'disjoint', 'detailed', 'summary']) {
      const query = `filter=${name}${mode && `&histogram_buckets=${mode}`}`;
      await same(mode, async (twin) => form(await twin.admin(`/stats?${query}`)));
      const keys = (json: unknown): unknown =>
        JSON.parse(JSON.stringify(json), (key, value) =>
          key === 'totals' || key === 'intervals' ? 'buckets' : typeof value === 'number' || value === null ? 0 : value,
        );
      await same(`${mode} in JSON`, async (twin) => keys(JSON.parse(await twin.admin(`/stats?${query}&format=json`))));
    }
  });

  await t.test('what /stats refuses', async () => {
    for (const query of ['format=none', 'type=none', 'histogram_buckets=none_such', 'filter=(']) {
      await same(query, (twin) => twin.admin(`/stats?${query}`));
      await same(query, (twin) => status(twin, `/stats?${query}`));
    }
    await same('kinds', async (twin) =>
      Object.keys(JSON.parse(await twin.admin('/stats?type=TextReadouts&format=json'))),
    );
  });

  await t.test('state, loggers and paths that there are not', async () => {
    await same('/ready', (twin) => twin.admin('/ready'));
    await same('fail', (twin) => twin.admin('/healthcheck/fail', 'POST'));
    await same('/ready when failing', async (twin) => [await status(twin, '/ready'), await twin.admin('/ready')]);
    await same('ok', (twin) => twin.admin('/healthcheck/ok', 'POST'));
    await same('/ready again', async (twin) => [await status(twin, '/ready'), await twin.admin('/ready')]);
    await same('a GET that needs POST', (twin) => twin.admin('/healthcheck/fail'));
    for (const target of ['/nothing', '/ready/', '/stats/']) await same(target, (twin) => status(twin, target));
    const level = async (twin: Twin) => /^ {2}router: .*$/m.exec(await twin.admin('/logging', 'POST'))?.[0];
    await same('one logger', async (twin) => [await status(twin, '/logging?router=error', 'POST'), await level(twin)]);
    await same('several', async (twin) => [
      await status(twin, '/logging?paths=router:off,http:info', 'POST'),
      await level(twin),
    ]);
    await same('all', async (twin) => [await status(twin, '/logging?level=warning', 'POST'), await level(twin)]);
    await same('unknown', (twin) => status(twin, '/logging?paths=nobody:info', 'POST'));
    await same('no level', (twin) => status(twin, '/logging?level=loud', 'POST'));
  });

  await t.test('/server_info has the same fields', async () => {
    const fields = async (twin: Twin) => {
      const info = JSON.parse(await twin.admin('/server_info'));
      return {
        fields: Object.keys(info).sort(),
        state: info.state,
        node: Object.keys(info.node).filter((k) => /^(id|cluster|metadata)$/.test(k)),
      };
    };
    await same('fields', fields);
  });

  await t.test('istioctl reads our dump', async () => {
    const file = path.join(twins.isthmus.env.folder, 'dump.json');
    fs.writeFileSync(file, await twins.isthmus.admin('/config_dump?include_eds'));
    const reference = path.join(twins.envoy.env.folder, 'dump.json');
    fs.writeFileSync(reference, await twins.envoy.admin('/config_dump?include_eds'));
    for (const kind of ['listener', 'route', 'cluster', 'endpoint', 'secret']) {
      for (const format of ['short', 'json', 'yaml']) {
        const run = (dump: string) =>
          execFileSync(referenceProgram('istioctl'), ['proxy-config', kind, '--file', dump, '-o', format], {
            encoding: 'utf8',
          });
        const plain = (twin: Twin, text: string) =>
          twin
            .named(text)
            .replaceAll(/\d{4,}/g, '#')
            .split('\n')
            .sort();
        assert.deepEqual(
          plain(twins.isthmus, run(file)),
          plain(twins.envoy, run(reference)),
          `istioctl proxy-config ${kind} -o ${format}`,
        );
      }
    }
    const bootstrap = execFileSync(referenceProgram('istioctl'), ['proxy-config', 'bootstrap', '--file', file], {
      encoding: 'utf8',
    });
    assert.equal(JSON.parse(bootstrap).bootstrap.node.cluster, 'a.b');
  });

  await t.test('/reset_counters', async () => {
    await same('answer', (twin) => twin.admin('/reset_counters', 'POST'));
    await same('counters', (twin) => twin.admin('/stats?filter=^http.main.downstream_rq_(total|2xx)'));
    await same('gauges stay', (twin) => twin.admin('/stats?filter=membership_total'));
  });

  await t.test('/drain_listeners', async () => {
    await same('inbound', (twin) => twin.admin('/drain_listeners?inboundonly', 'POST'));
    await same('stopped', async (twin) => {
      await until('the listener has stopped', async () => {
        const text = await twin.admin('/stats?filter=listener_manager.listener_stopped');
        return text.endsWith(': 1\n') || undefined;
      });
      return await twin.admin('/ready');
    });
    for (const twin of [twins.envoy, twins.isthmus]) {
      await exchange(twin.env.port('main'), [requestBytes({ path: '/direct' })], {});
    }
  });
});

async function statNames(twin: Twin): Promise<string[]> {
  const { stats } = JSON.parse(await twin.admin('/stats?format=json')) as { stats: JsonObject[] };
  const names = stats.flatMap((stat) =>
    'histograms' in stat
      ? (stat.histograms as { computed_quantiles: { name: string }[] }).computed_quantiles.map(({ name }) => name)
      : [String(stat.name)],
  );
  return names.map((name) => name.replaceAll(/127\.0\.0\.1_\d+/g, 'address'));
}

/** What Envoy counts of its own machinery: allocator, dispatcher, watchdogs, file system, admin connections. */
const NOT_HERE =
  /^(http1\.|http\.(admin|async-client)\.|listener\.admin\.|filesystem\.|overload\.|envoy\.|main_thread\.|workers\.|thread_local_cluster_manager\.)|\.http1\.(dropped|metadata|requests_rejected|response_flood)/;
const NOT_HERE_METRIC =
  /envoy_(http1_|filesystem_|overload_|envoy_|main_thread_|workers_|thread_local_cluster_manager_|listener_admin_)|conn_manager_prefix="(admin|async-client)"|_http1_(dropped|metadata|requests_rejected|response_flood)|^# TYPE/;
