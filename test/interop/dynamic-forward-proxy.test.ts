import assert from 'node:assert/strict';
import type net from 'node:net';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import type { JsonObject } from '@bufbuild/protobuf';
import { TestDnsServer } from '../support/dns-server.ts';
import { any, cluster, httpListener, named, socketAddress, tcpListener } from '../support/envoy-config.ts';
import { TestPki } from '../support/pki.ts';
import { scratch, withoutReference } from '../support/reference.ts';
import { observe, type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';
import { sameHosts, sameStats } from '../support/twin-stats.ts';

const zones = () => ({
  'good.test': { answers: () => ['127.0.0.1'] },
  'two.test': { answers: () => ['127.0.0.1', '127.0.0.2'] },
  'gone.test': { answers: () => 'NXDOMAIN' as const },
  'six.test': { answers: () => ['::1'] },
  'broken.test': { answers: () => 'SERVFAIL' as const },
  'silent.test': { answers: () => 'SILENCE' as const },
  'first.test': { answers: () => ['127.0.0.1'] },
});

const FILTER = 'envoy.filters.http.dynamic_forward_proxy';
const perRoute = (fields: JsonObject): JsonObject => ({
  typed_per_filter_config: { [FILTER]: any('http.dynamic_forward_proxy.v3.PerRouteConfig', fields) },
});

const cache = (env: TwinEnv, name: string, more: JsonObject = {}): JsonObject => ({
  name,
  dns_lookup_family: 'V4_ONLY',
  typed_dns_resolver_config: {
    name: 'envoy.network.dns_resolver.cares',
    typed_config: any('envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig', {
      resolvers: [socketAddress(env.backend('dns'))],
      dns_resolver_options: { no_default_search_domain: true },
    }),
  },
  ...more,
});

const small = (env: TwinEnv) =>
  cache(env, 'small', {
    max_hosts: 2,
    dns_query_timeout: '0.3s',
    preresolve_hostnames: [{ address: 'first.test', port_value: env.backend('backend') }],
  });
const large = (env: TwinEnv) => cache(env, 'large', { dns_query_timeout: '1s' });
const narrow = (env: TwinEnv) => cache(env, 'narrow', { dns_cache_circuit_breaker: { max_pending_requests: 0 } });

const forwardProxy = (name: string, dnsCache: JsonObject, more: JsonObject = {}): JsonObject => ({
  name,
  connect_timeout: '5s',
  lb_policy: 'CLUSTER_PROVIDED',
  cluster_type: {
    name: 'envoy.clusters.dynamic_forward_proxy',
    typed_config: any('envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig', {
      dns_cache_config: dnsCache,
    }),
  },
  ...more,
});

const filterOf = (dnsCache: JsonObject) =>
  named(FILTER, 'http.dynamic_forward_proxy.v3.FilterConfig', { dns_cache_config: dnsCache });

const sniFilter = (dnsCache: JsonObject, port: number) =>
  named('envoy.filters.network.sni_dynamic_forward_proxy', 'network.sni_dynamic_forward_proxy.v3.FilterConfig', {
    dns_cache_config: dnsCache,
    port_value: port,
  });

/** Requests go to the backend's port of whatever host they name. */
const to = (env: TwinEnv, host: string) => `${host}:${env.backend('backend')}`;

test('requests go to the hosts that they name', { skip: withoutReference }, async (t) => {
  const pki = await TestPki.make(scratch(t));
  const certificate = await pki.issue({ dnsNames: ['good.test'] });
  const names: string[] = [];
  /** Answers with the SNI that it saw. */
  const secure = async (context: TestContext) => {
    const server = tls.createServer({ cert: certificate.cert, key: certificate.key }, (socket) => {
      names.push(String(socket.servername));
      socket.on('error', () => {});
      socket.once('data', () => {
        const body = `sni ${String(socket.servername)}`;
        socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      });
    });
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    context.after(() => server.close());
    return (server.address() as net.AddressInfo).port;
  };
  const twins = await twinProxies(t, {
    listeners: ['main', 'small', 'narrow', 'state', 'plain', 'sni', 'tcp', 'lost', 'tiny', 'blocked'],
    servers: { dns: (context) => new TestDnsServer(zones()).listen(context), secure },
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            logFormat: '%UPSTREAM_HOST% %UPSTREAM_CLUSTER%',
            filters: [filterOf(large(env))],
            routeConfig: { validate_clusters: false },
            routes: [
              {
                match: { path: '/literal' },
                route: { cluster: 'large' },
                ...perRoute({ host_rewrite_literal: to(env, 'good.test') }),
              },
              { match: { path: '/header' }, route: { cluster: 'large' }, ...perRoute({ host_rewrite_header: 'X-To' }) },
              { match: { path: '/backend' }, route: { cluster: 'backend' } },
              { match: { path: '/nowhere' }, route: { cluster: 'nowhere' } },
              { match: { path: '/other' }, route: { cluster: 'other' } },
              { match: { path: '/passthrough' }, route: { cluster: 'passthrough' } },
              { match: { path: '/tls' }, route: { cluster: 'secure' } },
              { match: { prefix: '/' }, route: { cluster: 'large' } },
            ],
          }),
          httpListener('small', {
            port: env.port('small'),
            log: env.log('small'),
            filters: [filterOf(small(env))],
            routes: [{ match: { prefix: '/' }, route: { cluster: 'small' } }],
          }),
          httpListener('narrow', {
            port: env.port('narrow'),
            log: env.log('narrow'),
            filters: [filterOf(narrow(env))],
            routes: [{ match: { prefix: '/' }, route: { cluster: 'narrow' } }],
          }),
          httpListener('state', {
            port: env.port('state'),
            log: env.log('state'),
            filters: [
              named('state', 'http.set_filter_state.v3.Config', {
                on_request_headers: [
                  stateOf('envoy.upstream.dynamic_host', 'good.test'),
                  stateOf('envoy.upstream.dynamic_port', String(env.backend('backend'))),
                ],
              }),
            ],
            routes: [{ match: { prefix: '/' }, route: { cluster: 'plain' } }],
          }),
          httpListener('plain', {
            port: env.port('plain'),
            log: env.log('plain'),
            routes: [{ match: { prefix: '/' }, route: { cluster: 'plain' } }],
          }),
          httpListener('tiny', {
            port: env.port('tiny'),
            log: env.log('tiny'),
            routes: [{ match: { prefix: '/' }, route: { cluster: 'tiny' } }],
          }),
          httpListener('blocked', {
            port: env.port('blocked'),
            log: env.log('blocked'),
            routes: [{ match: { prefix: '/' }, route: { cluster: 'narrow' } }],
          }),
          tcpListener('tcp', {
            port: env.port('tcp'),
            log: env.log('tcp'),
            filters: [
              named('state', 'network.set_filter_state.v3.Config', {
                on_new_connection: [stateOf('envoy.upstream.dynamic_port', String(env.backend('secure')))],
              }),
            ],
            proxy: { cluster: 'large' },
            listener: { listener_filters: [named('tls', 'listener.tls_inspector.v3.TlsInspector')] },
          }),
          tcpListener('lost', { port: env.port('lost'), log: env.log('lost'), proxy: { cluster: 'nowhere' } }),
          tcpListener('sni', {
            port: env.port('sni'),
            log: env.log('sni'),
            filters: [sniFilter(large(env), env.backend('secure'))],
            proxy: { cluster: 'large' },
            listener: { listener_filters: [named('tls', 'listener.tls_inspector.v3.TlsInspector')] },
          }),
        ],
        clusters: [
          cluster('backend', env.backend('backend')),
          { name: 'passthrough', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '5s' },
          forwardProxy('large', large(env)),
          forwardProxy('other', cache(env, 'other')),
          forwardProxy('plain', cache(env, 'plain', { dns_query_timeout: '0.3s' })),
          forwardProxy('tiny', cache(env, 'tiny', { max_hosts: 1 })),
          forwardProxy('small', small(env)),
          forwardProxy('narrow', narrow(env)),
          forwardProxy('secure', large(env), {
            transport_socket: {
              name: 'envoy.transport_sockets.tls',
              typed_config: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
                common_tls_context: { validation_context: { trusted_ca: { inline_string: pki.roots } } },
              }),
            },
          }),
        ],
      },
    }),
  });
  const both = [twins.envoy, twins.isthmus];

  // The port differs between the two, and so does what is asked: requests are made for each.
  const same = async (
    name: string,
    listener: string,
    path: string,
    host: (env: TwinEnv) => string,
    wanted: number,
    header?: (env: TwinEnv) => string,
  ) => {
    await t.test(name, async () => {
      const observed = both.map((twin) => {
        const headers: [string, string][] = [['host', host(twin.env)]];
        if (header !== undefined) headers.push(['x-to', header(twin.env)]);
        return observe(twin, { name, listener, send: { path, headers } }, listener);
      });
      const [envoy, isthmus] = await Promise.all(observed);
      assert.equal(envoy.status, wanted);
      assert.deepEqual(isthmus, envoy);
    });
  };

  await same('a name', 'main', '/', (env) => to(env, 'good.test'), 200);
  await same('a name that is known', 'main', '/', (env) => to(env, 'good.test'), 200);
  await same('a name of two addresses', 'main', '/', (env) => to(env, 'two.test'), 200);
  await same('a name that there is not', 'main', '/', (env) => to(env, 'gone.test'), 503);
  await same('a name that there is not, again', 'main', '/', (env) => to(env, 'gone.test'), 503);
  await same('a name of the other family', 'main', '/', (env) => to(env, 'six.test'), 503);
  await same('a server that fails', 'main', '/', (env) => to(env, 'broken.test'), 503);
  await same('a server that is silent', 'main', '/', (env) => to(env, 'silent.test'), 503);
  await same('an address', 'main', '/', (env) => to(env, '127.0.0.1'), 200);
  await same('an address of the other family', 'main', '/', (env) => to(env, '[::1]'), 503);
  await same('no port', 'main', '/', () => 'good.test', 503);
  await same('a host that the route names', 'main', '/literal', () => 'x.test', 200);
  await same(
    'a host that a header names',
    'main',
    '/header',
    () => 'x.test',
    200,
    (env) => to(env, 'good.test'),
  );
  await same('a header that is not there', 'main', '/header', (env) => to(env, 'good.test'), 200);
  await same('another kind of cluster', 'main', '/backend', () => 'x.test', 200);
  await same('no cluster', 'main', '/nowhere', () => 'x.test', 503);
  // What Istio's ALLOW_ANY is on the port of an HTTP proxy: nobody captured the connection, so it wanted to go nowhere.
  await same('a cluster of original destinations', 'main', '/passthrough', (env) => to(env, 'good.test'), 503);
  await same('a cluster of another cache', 'main', '/other', (env) => to(env, 'good.test'), 200);
  await same('a cluster that resolves by itself', 'plain', '/', (env) => to(env, 'good.test'), 200);
  await same('a name that there is not, for a cluster', 'plain', '/', (env) => to(env, 'gone.test'), 503);
  await same('a name that there is not, for a cluster, again', 'plain', '/', (env) => to(env, 'gone.test'), 503);
  await same('a server that fails, for a cluster', 'plain', '/', (env) => to(env, 'broken.test'), 503);
  await same('a server that is silent, for a cluster', 'plain', '/', (env) => to(env, 'silent.test'), 503);
  await same('the only name of a cluster', 'tiny', '/', (env) => to(env, 'good.test'), 200);
  await same('one name too many for a cluster', 'tiny', '/', (env) => to(env, 'two.test'), 503);
  await same('too many that wait for a cluster', 'blocked', '/', (env) => to(env, 'two.test'), 503);
  await same('a name that was resolved before anybody asked', 'small', '/', (env) => to(env, 'first.test'), 200);
  await same('a second name', 'small', '/', (env) => to(env, 'good.test'), 200);
  await same('one name too many', 'small', '/', (env) => to(env, 'two.test'), 503);
  await same('one that is known then', 'small', '/', (env) => to(env, 'good.test'), 200);
  await same('too many that wait', 'narrow', '/', (env) => to(env, 'good.test'), 503);
  await same('a host that a filter names', 'state', '/', () => 'x.test', 200);
  await same(
    'TLS says the name, and the certificate too',
    'main',
    '/tls',
    (env) => `good.test:${env.backend('secure')}`,
    200,
  );
  await same(
    'TLS whose certificate says another name',
    'main',
    '/tls',
    (env) => `two.test:${env.backend('secure')}`,
    503,
  );

  await t.test('by SNI', async () => {
    for (const twin of both) {
      const outcome = async (listener: string, servername: string) => [
        await handshake(twin, listener, servername),
        ...(await twin.logLines(listener)),
      ];
      const refused = ['refused', '0 - UH -'];
      // Without the filter nobody looks for a name, but what is known is found.
      assert.deepEqual(await outcome('tcp', 'first.test'), refused, twin.program);
      assert.deepEqual(await outcome('sni', 'first.test'), ['sni first.test', '0 - - -'], twin.program);
      assert.deepEqual(await outcome('tcp', 'first.test'), ['sni first.test', '0 - - -'], twin.program);
      assert.deepEqual(await outcome('sni', 'gone.test'), refused, twin.program);
      assert.deepEqual(await outcome('sni', ''), refused, twin.program);
    }
  });

  await t.test('a cluster that there is not, for TCP', async () => {
    for (const twin of both) {
      const refused = await handshake(twin, 'lost', 'good.test');
      assert.deepEqual([refused, ...(await twin.logLines('lost'))], ['refused', '0 - NC -'], twin.program);
    }
  });

  await t.test('what is counted', async () => {
    for (const name of ['large', 'small', 'narrow', 'plain']) {
      const [envoy, isthmus] = await Promise.all(both.map((twin) => cacheStats(twin, name)));
      assert.deepEqual(isthmus, envoy, name);
    }
    for (const name of ['large', 'small', 'narrow', 'other', 'plain']) {
      await sameHosts(twins, name, /hostname|weight|health_flags|priority/);
      await sameStats(twins, name, /upstream_cx_/);
    }
  });
});

const stateOf = (key: string, value: string): JsonObject => ({
  object_key: key,
  format_string: { text_format_source: { inline_string: value } },
});

/** What a TLS client of a name gets. */
function handshake(twin: Twin, listener: string, servername: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = tls.connect({
      port: twin.env.port(listener),
      host: '127.0.0.1',
      servername,
      rejectUnauthorized: false,
    });
    let text = '';
    socket.on('secureConnect', () => socket.write('x'));
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', () => resolve('refused'));
    socket.on('close', () => resolve(text.split('\r\n\r\n')[1] ?? 'refused'));
  });
}

async function cacheStats(twin: Twin, name: string): Promise<string[]> {
  const text = await twin.admin(`/stats?filter=${encodeURIComponent(`^dns_cache\\.${name}\\.`)}`);
  return text.trim().split('\n').sort();
}
