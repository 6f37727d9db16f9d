import assert from 'node:assert/strict';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { TypedExtensionConfigSchema } from '../../src/api/gen/envoy/config/core/v3/extension_pb.ts';
import { any, cluster, fileLog, HTTP2, socketAddress, tcpListener } from '../support/envoy-config.ts';
import { until, withoutReference } from '../support/reference.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import { talk } from '../support/tcp-talk.ts';
import { type Twin, twinProxies } from '../support/twin-proxies.ts';

/** Filters of connections and of listeners whose configuration comes by itself (ECDS). */

const answer = (text: string): JsonObject =>
  any('network.direct_response.v3.Config', { response: { inline_string: text } });
const rules = (action: string): JsonObject =>
  any('network.rbac.v3.RBAC', {
    stat_prefix: 'rbac.',
    rules: { action, policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } } },
  });
const header = (optional: boolean): JsonObject =>
  any('listener.proxy_protocol.v3.ProxyProtocol', { allow_requests_without_proxy_protocol: optional });
const TLS = any('listener.tls_inspector.v3.TlsInspector');

interface Filter {
  readonly where: 'last' | 'first' | 'listener';
  /** Undefined where nothing is sent. */
  readonly first?: JsonObject;
  readonly types: readonly string[];
  readonly discovery?: JsonObject;
  readonly filter?: JsonObject;
}

const ANSWER = 'network.direct_response.v3.Config';
const RBAC = 'network.rbac.v3.RBAC';
const HEADER = 'listener.proxy_protocol.v3.ProxyProtocol';

const FILTERS: Readonly<Record<string, Filter>> = {
  last: { where: 'last', types: [ANSWER], first: answer('first') },
  'last-wrong': { where: 'last', types: [ANSWER], first: rules('ALLOW') },
  'last-not-terminal': { where: 'last', types: [RBAC], first: rules('ALLOW') },
  'last-default': { where: 'last', types: [ANSWER], discovery: { default_config: answer('default') } },
  first: { where: 'first', types: [RBAC], first: rules('ALLOW') },
  'first-terminal': { where: 'first', types: [ANSWER, RBAC], first: answer('first') },
  'first-absent': { where: 'first', types: [RBAC] },
  'first-cold': {
    where: 'first',
    types: [RBAC],
    discovery: { default_config: rules('DENY'), apply_default_config_without_warming: true },
  },
  listener: { where: 'listener', types: [HEADER], first: header(true) },
  'listener-wrong': { where: 'listener', types: [HEADER], first: TLS },
  'listener-absent': { where: 'listener', types: [HEADER] },
  'listener-default': { where: 'listener', types: [HEADER], discovery: { default_config: header(false) } },
  'listener-disabled': {
    where: 'listener',
    types: [HEADER],
    first: header(false),
    filter: { filter_disabled: { any_match: true } },
  },
};

const WRONG = ['last-wrong', 'last-not-terminal', 'first-terminal', 'listener-wrong'];

function listenerOf(name: string, port: number, log: string): JsonObject {
  const { where, types, discovery, filter } = FILTERS[name];
  const discovered: JsonObject = {
    name,
    config_discovery: {
      config_source: { ads: {}, initial_fetch_timeout: '1s', resource_api_version: 'V3' },
      type_urls: types.map((type) => `type.googleapis.com/envoy.extensions.filters.${type}`),
      ...discovery,
    },
    ...filter,
  };
  const listener = { access_log: [fileLog(log, '%FILTER_CHAIN_NAME% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%')] };
  if (where !== 'last') {
    return tcpListener(name, {
      port,
      log: `${log}.proxy`,
      filters: where === 'first' ? [discovered] : [],
      listener: { ...listener, listener_filters: where === 'listener' ? [discovered] : [] },
    });
  }
  return { name, address: socketAddress(port), filter_chains: [{ name: 'it', filters: [discovered] }], ...listener };
}

const SAID = 'this is no header of the PROXY protocol\n';
/** A refusal is counted in Envoy for all that were in the same answer. */
const COUNTED =
  /extension_config_missing|downstream_cx_(active|destroy|total)|downstream_listener_filter|pre_cx|extension_config_discovery|rbac\./;

/** Says again what it hears, until the other has said all. */
async function echo(t: TestContext): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

/** The two with some of the filters, and what the test does with them. */
async function start(t: TestContext, first: Readonly<Record<string, JsonObject | undefined>>, api = 'GRPC') {
  const names = Object.keys(first);
  const planes: ScriptedControlPlane[] = [];
  const set = (plane: ScriptedControlPlane, configs: Readonly<Record<string, JsonObject | undefined>>) => {
    const given = Object.entries(configs).flatMap(([name, typed_config]) =>
      typed_config === undefined ? [] : [[name, { name, typed_config }]],
    );
    plane.set(TypedExtensionConfigSchema, Object.fromEntries(given));
    plane.push();
  };
  const xds = async (context: TestContext) => {
    const plane = new ScriptedControlPlane();
    set(plane, first);
    planes.push(plane);
    const port = await plane.listen();
    context.after(() => plane.close());
    return port;
  };
  const twins = await twinProxies(t, {
    servers: { echo, xds },
    listeners: names,
    bootstrap: (env) => ({
      node: { id: 'node', cluster: 'cluster' },
      dynamic_resources: {
        ads_config: {
          api_type: api,
          transport_api_version: 'V3',
          grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
        },
      },
      static_resources: {
        listeners: names.map((name) => listenerOf(name, env.port(name), env.log(name))),
        clusters: [cluster('backend', env.backend('echo')), cluster('xds', env.backend('xds'), HTTP2)],
      },
    }),
  });
  const both = [twins.envoy, twins.isthmus];

  const statistics = async (twin: Twin, name: string) => {
    const text = await twin.admin('/stats');
    const own = new RegExp(
      `^(listener\\.[^:]*_${twin.env.port(name)}\\.|extension_config_discovery\\.\\w+\\.${name}\\.)`,
    );
    return twin
      .named(text.replaceAll(`_${twin.env.port(name)}.`, '.'))
      .split('\n')
      .filter((line, i) => own.test(text.split('\n')[i]) && COUNTED.test(line))
      .filter((line) => !/update_(time|duration|attempt|rejected)|config_fail|length_ms|\.version/.test(line))
      .sort();
  };

  const seen = async (twin: Twin, name: string, says: boolean) => {
    const port = twin.env.port(name);
    const heard = await talk(
      net.connect({ host: '127.0.0.1', port }),
      says ? [{ say: SAID }, { hear: SAID }, 'end'] : [],
    );
    const log = await twin.logLines(name);
    return { ...heard, log, stats: await statistics(twin, name) };
  };

  const same = async (what: string, name: string, heard: string, says = FILTERS[name].where !== 'last') => {
    await t.test(`${name}: ${what}`, async () => {
      const [envoy, isthmus] = await Promise.all(both.map((twin) => seen(twin, name, says)));
      assert.equal(envoy.heard, heard);
      assert.deepEqual(isthmus, envoy);
    });
  };
  const reach = (name: string, stat: string, value: number) =>
    Promise.all(
      both.map((twin) =>
        until(`${twin.program}: ${stat} of ${name} is ${value}`, async () =>
          (await statistics(twin, name)).some((line) => line.endsWith(`.${stat}: ${value}`)),
        ),
      ),
    );

  const send = (configs: Readonly<Record<string, JsonObject | undefined>>) => {
    for (const plane of planes) set(plane, configs);
  };
  return { same, reach, send };
}

test('filters of connections get their configuration as with Envoy', { skip: withoutReference }, async (t) => {
  const names = Object.keys(FILTERS).filter((name) => !WRONG.includes(name));
  const first = Object.fromEntries(names.map((name) => [name, FILTERS[name].first]));
  const { same, reach, send } = await start(t, first);
  const another = async (configs: Readonly<Record<string, JsonObject>>, reloads: (name: string) => number) => {
    send(configs);
    for (const name of names) if (configs[name] !== first[name]) await reach(name, 'config_reload', reloads(name));
  };

  await same('a configuration that was sent', 'last', 'first');
  await same('none, but a default', 'last-default', 'default');
  await same('a configuration that was sent', 'first', SAID);
  await same('none', 'first-absent', '', false);
  await same('a default that did not wait', 'first-cold', '');
  await same('a configuration that was sent', 'listener', SAID);
  await same('none', 'listener-absent', '', false);
  await same('none, but a default', 'listener-default', '');
  await same('a configuration that was sent, for no port', 'listener-disabled', SAID);

  const second = {
    last: answer('second'),
    'last-default': answer('second'),
    first: rules('DENY'),
    'first-absent': rules('ALLOW'),
    'first-cold': rules('ALLOW'),
    listener: header(false),
    'listener-absent': header(true),
    'listener-default': header(true),
    'listener-disabled': FILTERS['listener-disabled'].first!,
  };
  await another(second, (name) => (first[name] ? 2 : 1));
  await same('another configuration', 'last', 'second');
  await same('one instead of the default', 'last-default', 'second');
  await same('another configuration', 'first', '');
  await same('one at last', 'first-absent', SAID);
  await same('one instead of the default', 'first-cold', SAID);
  await same('another configuration', 'listener', '');
  await same('one at last', 'listener-absent', SAID);
  await same('one instead of the default', 'listener-default', SAID);
});

test('configurations that are removed are gone as with Envoy', { skip: withoutReference }, async (t) => {
  const first = {
    last: answer('first'),
    'last-default': answer('first'),
    first: rules('ALLOW'),
    listener: header(true),
    'listener-default': header(true),
    'listener-disabled': header(false),
  };
  const { same, reach, send } = await start(t, first, 'DELTA_GRPC');
  await same('a configuration that was sent', 'last', 'first');
  await same('one instead of the default', 'last-default', 'first');
  send({ 'listener-disabled': header(false) });
  for (const name of Object.keys(first)) if (name !== 'listener-disabled') await reach(name, 'config_reload', 2);
  await same('removed', 'last', '');
  await same('removed: the default again', 'last-default', 'default');
  await same('removed', 'first', '', false);
  await same('removed', 'listener', '', false);
  await same('removed: the default again', 'listener-default', '');
  await same('not removed', 'listener-disabled', SAID);
});

// One that is refused keeps Envoy from looking at those that were sent after it: they are on their own.
test('configurations that cannot be are refused as by Envoy', { skip: withoutReference }, async (t) => {
  const { same, reach, send } = await start(t, Object.fromEntries(WRONG.map((name) => [name, FILTERS[name].first])));
  await same('one of a type that it must not have', 'last-wrong', '');
  await same('one of a filter that is not the last', 'last-not-terminal', '');
  await same('one of a filter that must be the last', 'first-terminal', '', false);
  await same('one of a type that it must not have', 'listener-wrong', '', false);

  send({ 'last-wrong': answer('second'), 'first-terminal': rules('ALLOW'), 'listener-wrong': header(true) });
  for (const name of ['last-wrong', 'first-terminal', 'listener-wrong']) await reach(name, 'config_reload', 1);
  await same('one that can be taken at last', 'last-wrong', 'second');
  await same('one that can be taken at last', 'first-terminal', SAID);
  await same('one that can be taken at last', 'listener-wrong', SAID);
});
