import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { TypedExtensionConfigSchema } from '../../src/api/gen/envoy/config/core/v3/extension_pb.ts';
import { any, cluster, HTTP2, httpListener } from '../support/envoy-config.ts';
import { exchange, headerOf } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import { requestBytes, type Twin, twinProxies } from '../support/twin-proxies.ts';

const TYPE = 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation';

const mutation = (value: string): JsonObject =>
  any(TYPE, { mutations: { request_mutations: [{ append: { header: { key: 'x-from', value } } }] } });

/** What a filter's configuration is at first, and what there is without it. */
interface Filter {
  readonly first: JsonObject;
  readonly discovery?: JsonObject;
}

const FILTERS: Readonly<Record<string, Filter>> = {
  sent: { first: mutation('first') },
  wrong: { first: any('http.cors.v3.Cors') },
  'wrong-default': { first: any('http.cors.v3.Cors'), discovery: { default_config: mutation('default') } },
  cold: {
    first: any('http.cors.v3.Cors'),
    discovery: { default_config: mutation('default'), apply_default_config_without_warming: true },
  },
};

const filterOf = (name: string): JsonObject => ({
  name,
  config_discovery: {
    config_source: { ads: {}, initial_fetch_timeout: '1s', resource_api_version: 'V3' },
    type_urls: [`type.googleapis.com/${TYPE}`],
    ...FILTERS[name].discovery,
  },
});

test('configurations of filters come by themselves as with Envoy', { skip: withoutReference }, async (t) => {
  const names = Object.keys(FILTERS);
  const sent = (configs: Readonly<Record<string, JsonObject>>) =>
    Object.fromEntries(Object.entries(configs).map(([name, typed_config]) => [name, { name, typed_config }]));
  const first = Object.fromEntries(names.map((name) => [name, FILTERS[name].first]));
  const planes: ScriptedControlPlane[] = [];
  const send = (configs: Readonly<Record<string, JsonObject>>) => {
    for (const plane of planes) {
      plane.set(TypedExtensionConfigSchema, sent(configs));
      plane.push();
    }
  };
  const xds = async (context: TestContext) => {
    const plane = new ScriptedControlPlane();
    plane.set(TypedExtensionConfigSchema, sent(first));
    plane.push();
    const port = await plane.listen();
    planes.push(plane);
    context.after(() => plane.close());
    return port;
  };
  const twins = await twinProxies(t, {
    servers: { xds },
    listeners: names,
    bootstrap: (env) => {
      return {
        node: { id: 'node', cluster: 'cluster' },
        dynamic_resources: {
          ads_config: {
            api_type: 'GRPC',
            transport_api_version: 'V3',
            grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
          },
        },
        static_resources: {
          listeners: [
            ...names.map((name) =>
              httpListener(name, { port: env.port(name), log: env.log(name), filters: [filterOf(name)] }),
            ),
          ],
          clusters: [cluster('backend', env.backend('backend')), cluster('xds', env.backend('xds'), HTTP2)],
        },
      };
    },
  });
  const both = [twins.envoy, twins.isthmus];

  const seen = async (twin: Twin, listener: string) => {
    const { status, body } = await exchange(twin.env.port(listener), [requestBytes({})]);
    const [request] = twin.backends.get('backend')!.take();
    return {
      status,
      body: body.toString(),
      from: request && headerOf(request, 'x-from'),
      // Envoy says of a missing filter that there are details, and that they are empty.
      log: (await twin.logLines(listener)).map((line) => line.replace('500  ', '500 - ')),
    };
  };
  const same = async (name: string, listener: string, status: number, from: string | undefined) => {
    await t.test(name, async () => {
      const [envoy, isthmus] = await Promise.all(both.map((twin) => seen(twin, listener)));
      assert.equal(envoy.status, status);
      assert.equal(envoy.from, from);
      assert.deepEqual(isthmus, envoy);
    });
  };
  const stat = async (twin: Twin, name: string, field: string) => {
    const text = await twin.admin(`/stats?filter=^extension_config_discovery.http_filter.${name}.${field}$`);
    return Number(text.split(': ')[1]);
  };
  const reach = (name: string, field: string, value: number) =>
    Promise.all(
      both.map((twin) =>
        until(`${twin.program}: ${name}.${field} is ${value}`, async () => (await stat(twin, name, field)) === value),
      ),
    );

  await same('a configuration that was sent', 'sent', 200, 'first');
  await same('none that could be taken', 'wrong', 500, undefined);
  await same('none that could be taken, but a default', 'wrong-default', 200, 'default');
  await same('a default that did not wait', 'cold', 200, 'default');

  const second = Object.fromEntries(['sent', 'wrong', 'cold'].map((name) => [name, mutation('second')]));
  send({ ...first, ...second });
  for (const [name, count] of [
    ['sent', 2],
    ['wrong', 1],
    ['cold', 1],
  ] as const) {
    await reach(name, 'config_reload', count);
  }
  await same('another configuration', 'sent', 200, 'second');
  await same('one that can be taken at last', 'wrong', 200, 'second');
  await same('one instead of the default', 'cold', 200, 'second');

  await t.test('the names of what is counted', async () => {
    const counted = async (twin: Twin) => {
      const text = await twin.admin('/stats?filter=^extension_config_discovery');
      return text.split('\n').map((line) => line.split(':')[0]);
    };
    assert.deepEqual(await counted(twins.isthmus), await counted(twins.envoy));
  });

  await t.test('what the dump shows', async () => {
    const dumped = async (twin: Twin) => {
      const dump = JSON.parse(await twin.admin('/config_dump')) as { configs: { '@type': string }[] };
      const types = dump.configs.map((section) => section['@type']);
      const text = await twin.admin('/config_dump?resource=ecds_filters');
      const { configs } = JSON.parse(text.replace(/"(last_updated|version_info)": "[^"]*"/g, '"$1": ""')) as {
        configs: { ecds_filter: { name: string } }[];
      };
      return { types, configs: configs.sort((a, b) => (a.ecds_filter.name < b.ecds_filter.name ? -1 : 1)) };
    };
    assert.deepEqual(await dumped(twins.isthmus), await dumped(twins.envoy));
  });
});
