import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, HTTP2, httpListener, named, tcpListener } from '../support/envoy-config.ts';
import { callTestService, grpcTestServer } from '../support/grpc-server.ts';
import { echoStatus, simpleRequest, streamingOutputRequest } from '../support/grpc-testing.ts';
import { TestPki } from '../support/pki.ts';
import { encodeMessage, exchange } from '../support/raw-http.ts';
import { scratch, until } from '../support/reference.ts';
import { requestBytes, start, type Twin } from '../support/twin-proxies.ts';

/** The metadata exchange and the metrics of two sidecars that speak with each other in mutual TLS. */

const CLIENT: JsonObject = {
  NAME: 'sleep-0',
  NAMESPACE: 'shop',
  WORKLOAD_NAME: 'sleep',
  OWNER: 'kubernetes://apis/apps/v1/namespaces/shop/deployments/sleep',
  CLUSTER_ID: 'west',
  ISTIO_VERSION: '1.31.0',
  LABELS: {
    app: 'sleep',
    version: 'v7',
    'service.istio.io/canonical-name': 'sleep',
    'service.istio.io/canonical-revision': 'v7',
  },
};
const SERVER: JsonObject = {
  NAME: 'web-0',
  NAMESPACE: 'store',
  WORKLOAD_NAME: 'web-v1',
  CLUSTER_ID: 'east',
  LABELS: { app: 'web', version: 'v1', 'service.istio.io/canonical-name': 'web' },
};
const CLIENT_ID = 'spiffe://cluster.local/ns/shop/sa/sleep';
const SERVER_ID = 'spiffe://cluster.local/ns/store/sa/web';
const SERVICE: JsonObject = { host: 'web.store.svc.cluster.local', name: 'web', namespace: 'store' };

function typedStruct(name: string, type: string, value: JsonObject): JsonObject {
  return named(name, 'udpa.type.v1.TypedStruct', { type_url: `type.googleapis.com/${type}`, value });
}

const TCP_EXCHANGE = typedStruct('istio.metadata_exchange', 'envoy.tcp.metadataexchange.config.MetadataExchange', {
  enable_discovery: true,
  protocol: 'istio-peer-exchange',
});
const METHODS: JsonObject[] = [{ istio_headers: {} }, { workload_discovery: {} }];

function httpFilters(side: 'client' | 'server', stats: JsonObject): JsonObject[] {
  const exchange: JsonObject =
    side === 'client'
      ? { upstream_discovery: METHODS, upstream_propagation: [{ istio_headers: {} }] }
      : { downstream_discovery: METHODS, downstream_propagation: [{ istio_headers: {} }] };
  return [
    typedStruct('istio.metadata_exchange', 'io.istio.http.peer_metadata.Config', exchange),
    named('envoy.filters.http.grpc_stats', 'http.grpc_stats.v3.FilterConfig', {
      emit_filter_state: true,
      stats_for_all_methods: false,
    }),
    named('istio.alpn', 'istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig', {
      alpn_override: [
        { upstream_protocol: 'HTTP11', alpn_override: ['istio-http/1.1', 'istio', 'http/1.1'] },
        { upstream_protocol: 'HTTP2', alpn_override: ['istio-h2', 'istio', 'h2'] },
      ],
    }),
    named('istio.stats', 'stats.PluginConfig', { disable_host_header_fallback: side === 'server', ...stats }),
  ];
}

interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly roots: string;
}

function tlsContext(side: 'Upstream' | 'Downstream', { cert, key, roots }: Identity, alpn: string[]): JsonObject {
  return named('envoy.transport_sockets.tls', `envoy.extensions.transport_sockets.tls.v3.${side}TlsContext`, {
    common_tls_context: {
      alpn_protocols: alpn,
      tls_certificates: [{ certificate_chain: { inline_string: cert }, private_key: { inline_string: key } }],
      validation_context: { trusted_ca: { inline_string: roots } },
    },
    ...(side === 'Downstream' && { require_client_certificate: true }),
  });
}

/** What Istio's servers speak behind mutual TLS; its other names only choose the filter chain. */
const OFFERED = ['istio-peer-exchange', 'h2', 'http/1.1'];

function withService(cluster: JsonObject): JsonObject {
  return { ...cluster, metadata: { filter_metadata: { istio: { services: [SERVICE] } } } };
}

async function startServer(t: TestContext, identity: Identity): Promise<Twin> {
  const secure = (listener: JsonObject): JsonObject => {
    const [chain] = listener.filter_chains as JsonObject[];
    return {
      ...listener,
      traffic_direction: 'INBOUND',
      filter_chains: [{ ...chain, transport_socket: tlsContext('Downstream', identity, OFFERED) }],
    };
  };
  return await start(t, 'isthmus', {
    listeners: ['http', 'tcp', 'grpc'],
    backends: () => ({ backend: (request) => encodeMessage('HTTP/1.1 200 OK', [], request.headers.join('\n')) }),
    servers: { echo: echoServer, calls: grpcTestServer },
    bootstrap: (env) => ({
      node: { id: 'sidecar~127.0.0.1~web-0.store~store.svc.cluster.local', cluster: 'web.store', metadata: SERVER },
      static_resources: {
        listeners: [
          secure(
            httpListener('http', {
              port: env.port('http'),
              log: env.log('http'),
              filters: httpFilters('server', {}),
              networkFilters: [TCP_EXCHANGE],
            }),
          ),
          secure(
            httpListener('grpc', {
              port: env.port('grpc'),
              log: env.log('grpc'),
              filters: httpFilters('server', {}),
              networkFilters: [TCP_EXCHANGE],
              routes: [{ match: { prefix: '/' }, route: { cluster: 'calls' } }],
            }),
          ),
          secure(
            tcpListener('tcp', {
              port: env.port('tcp'),
              log: env.log('tcp'),
              filters: [TCP_EXCHANGE, named('istio.stats', 'stats.PluginConfig', {})],
              proxy: { cluster: 'echo' },
            }),
          ),
        ],
        clusters: [
          cluster('backend', env.backend('backend')),
          cluster('echo', env.backend('echo')),
          cluster('calls', env.backend('calls'), HTTP2),
        ].map(withService),
      },
    }),
  });
}

/** A server that says first who it is, and then everything that it hears. */
async function echoServer(t: TestContext): Promise<number> {
  const server = net.createServer((socket) => {
    socket.write('hello\n');
    socket.pipe(socket);
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

async function startClient(t: TestContext, identity: Identity, server: Twin, stats: JsonObject = {}): Promise<Twin> {
  return await start(t, 'isthmus', {
    listeners: ['http', 'tcp', 'nowhere', 'grpc'],
    bootstrap(env) {
      const socket = (alpn: string[]) => ({ transport_socket: tlsContext('Upstream', identity, alpn) });
      const outbound = { traffic_direction: 'OUTBOUND' };
      const filters = httpFilters('client', stats);
      return {
        node: { id: 'sidecar~127.0.0.1~sleep-0.shop~shop.svc.cluster.local', cluster: 'sleep.shop', metadata: CLIENT },
        static_resources: {
          listeners: [
            httpListener('http', { port: env.port('http'), log: env.log('http'), filters, listener: outbound }),
            httpListener('nowhere', {
              port: env.port('nowhere'),
              log: env.log('nowhere'),
              filters,
              routes: [{ match: { prefix: '/' }, name: 'block_all', direct_response: { status: 502 } }],
              listener: outbound,
            }),
            httpListener('grpc', {
              port: env.port('grpc'),
              log: env.log('grpc'),
              filters: httpFilters('client', { ...stats, tcp_reporting_duration: '0.05s' }),
              routes: [{ match: { prefix: '/' }, route: { cluster: 'calls' } }],
              listener: outbound,
            }),
            tcpListener('tcp', {
              port: env.port('tcp'),
              log: env.log('tcp'),
              filters: [named('istio.stats', 'stats.PluginConfig', { tcp_reporting_duration: '0.05s' })],
              proxy: { cluster: 'tcp' },
              listener: outbound,
            }),
          ],
          clusters: [
            cluster('backend', server.env.port('http'), { ...socket(['istio-http/1.1']), filters: [TCP_EXCHANGE] }),
            cluster('calls', server.env.port('grpc'), { ...socket(['istio-h2']), ...HTTP2, filters: [TCP_EXCHANGE] }),
            cluster('tcp', server.env.port('tcp'), {
              ...socket(['istio-peer-exchange', 'istio']),
              filters: [TCP_EXCHANGE],
            }),
          ].map(withService),
        },
      };
    },
  });
}

/** Samples of a metric: labels as an object, and the value. */
async function samples(proxy: Twin, metric: string): Promise<{ labels: Record<string, string>; value: number }[]> {
  const text = await proxy.admin('/stats/prometheus');
  return text.split('\n').flatMap((line) => {
    const match = /^(\w+)\{(.*)\} (\S+)$/.exec(line);
    if (match?.[1] !== metric) return [];
    const labels = Object.fromEntries(
      [...match[2].matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
    );
    return [{ labels, value: Number(match[3]) }];
  });
}

const FROM_CLIENT = {
  source_workload: 'sleep',
  source_canonical_service: 'sleep',
  source_canonical_revision: 'v7',
  source_workload_namespace: 'shop',
  source_principal: CLIENT_ID,
  source_app: 'sleep',
  source_version: 'v7',
  source_cluster: 'west',
};
const TO_SERVER = {
  destination_workload: 'web-v1',
  destination_workload_namespace: 'store',
  destination_principal: SERVER_ID,
  destination_app: 'web',
  destination_version: 'v1',
  destination_service: 'web.store.svc.cluster.local',
  destination_canonical_service: 'web',
  destination_service_name: 'web',
  destination_service_namespace: 'store',
  destination_cluster: 'east',
};
/** The server's node says no revision: peers take the default, itself it shows as it is. */
const SEEN_BY_CLIENT = { ...FROM_CLIENT, ...TO_SERVER, reporter: 'source', destination_canonical_revision: 'latest' };
const SEEN_BY_SERVER = { ...FROM_CLIENT, ...TO_SERVER, reporter: 'destination', destination_canonical_revision: '' };
const REQUEST = { request_protocol: 'http', response_code: '200', grpc_response_status: '', response_flags: '-' };

test('two sidecars in mutual TLS', async (t) => {
  const pki = await TestPki.make(path.join(scratch(t), 'pki'));
  const issue = async (uri: string) => ({ ...(await pki.issue({ uris: [uri] })), roots: pki.roots });
  const [client, server] = [await issue(CLIENT_ID), await issue(SERVER_ID)];

  await t.test('requests', async (t) => {
    const behind = await startServer(t, server);
    const before = await startClient(t, client, behind);
    const headers: [string, string][] = [['host', 'web']];
    const responses = [1, 2].map(() => exchange(before.env.port('http'), [requestBytes({ headers, body: 'four' })]));
    for (const response of await Promise.all(responses)) {
      assert.equal(response.status, 200);
      // Neither the program behind nor the one in front sees what the proxies tell each other.
      assert.doesNotMatch(response.body.toString(), /peer-metadata/);
      assert.doesNotMatch(response.headers.join('\n'), /peer-metadata/);
    }
    await behind.logLines('http', 2);
    for (const [proxy, labels] of [
      [before, { ...SEEN_BY_CLIENT, ...REQUEST, connection_security_policy: 'unknown' }],
      [behind, { ...SEEN_BY_SERVER, ...REQUEST, connection_security_policy: 'mutual_tls' }],
    ] as const) {
      assert.deepEqual(await samples(proxy, 'istio_requests_total'), [{ labels, value: 2 }]);
      assert.deepEqual(await samples(proxy, 'istio_request_duration_milliseconds_count'), [{ labels, value: 2 }]);
      for (const metric of ['istio_request_bytes', 'istio_response_bytes']) {
        assert.deepEqual(await samples(proxy, `${metric}_count`), [{ labels, value: 2 }]);
        const [{ value }] = await samples(proxy, `${metric}_sum`);
        assert.ok(value > 8, `${metric} ${value}`);
      }
      assert.equal((await samples(proxy, 'istio_request_bytes_bucket')).length, 20);
    }
    assert.deepEqual(await samples(before, 'istio_build'), [
      { labels: { component: 'proxy', tag: '1.31.0' }, value: 1 },
    ]);
    assert.deepEqual(await samples(behind, 'istio_build'), [
      { labels: { component: 'proxy', tag: 'unknown' }, value: 1 },
    ]);
    // The peers have agreed on HTTP, not on telling each other in front of it.
    assert.deepEqual(await samples(behind, 'envoy_metadata_exchange_alpn_protocol_found'), [{ labels: {}, value: 0 }]);
  });

  /** For tests that look at the client only. */
  const anyServer = await startServer(t, server);

  await t.test('a request that goes nowhere', async (t) => {
    const before = await startClient(t, client, anyServer);
    await exchange(before.env.port('nowhere'), [requestBytes({ headers: [['host', 'nobody.test']] })]);
    await before.logLines('nowhere');
    const [{ labels, value }] = await samples(before, 'istio_requests_total');
    assert.equal(value, 1);
    assert.equal(labels.response_code, '502');
    assert.equal(labels.destination_service, 'nobody.test');
    assert.equal(labels.destination_service_name, 'BlackHoleCluster');
    assert.equal(labels.destination_workload, 'unknown');
    assert.equal(labels.destination_canonical_revision, 'latest');
  });

  await t.test('connections, of which the server speaks first', async (t) => {
    const behind = await startServer(t, server);
    const before = await startClient(t, client, behind);
    const socket = net.connect(before.env.port('tcp'), '127.0.0.1');
    let heard = '';
    socket.on('data', (data) => (heard += data));
    await until('the greeting', () => heard === 'hello\n' || undefined);
    socket.write('abc');
    await until('the echo', () => heard === 'hello\nabc' || undefined);
    const TCP = { request_protocol: 'tcp', response_flags: '-' };
    const ours = { ...SEEN_BY_CLIENT, ...TCP, connection_security_policy: 'unknown' };
    const theirs = { ...SEEN_BY_SERVER, ...TCP, connection_security_policy: 'mutual_tls' };
    // While it is open the client's proxy counts at its interval.
    await until(
      'bytes that were counted',
      async () => (await samples(before, 'istio_tcp_sent_bytes_total'))[0]?.value === 9,
    );
    assert.deepEqual(await samples(before, 'istio_tcp_connections_closed_total'), [{ labels: ours, value: 0 }]);
    socket.end();
    await Promise.all([before.logLines('tcp'), behind.logLines('tcp')]);
    for (const [proxy, labels] of [
      [before, ours],
      [behind, theirs],
    ] as const) {
      assert.deepEqual(await samples(proxy, 'istio_tcp_connections_opened_total'), [{ labels, value: 1 }]);
      assert.deepEqual(await samples(proxy, 'istio_tcp_connections_closed_total'), [{ labels, value: 1 }]);
      assert.deepEqual(await samples(proxy, 'istio_tcp_sent_bytes_total'), [{ labels, value: 9 }]);
      assert.deepEqual(await samples(proxy, 'istio_tcp_received_bytes_total'), [{ labels, value: 3 }]);
      assert.deepEqual(await samples(proxy, 'envoy_metadata_exchange_alpn_protocol_found'), [{ labels: {}, value: 1 }]);
      assert.deepEqual(await samples(proxy, 'envoy_metadata_exchange_metadata_added'), [{ labels: {}, value: 1 }]);
    }
  });

  await t.test('calls of gRPC, of which the messages count while they run', async (t) => {
    const behind = await startServer(t, server);
    const before = await startClient(t, client, behind);
    const port = before.env.port('grpc');
    const sent = async (proxy: Twin) => (await samples(proxy, 'istio_request_messages_total'))[0]?.value;
    const duplex = callTestService(t, port, 'FullDuplexCall');
    duplex.call.send(streamingOutputRequest([3, 4], 1));
    await until('a count of the open call', async () => (await sent(before)) === 1);
    assert.deepEqual(await samples(before, 'istio_response_messages_total'), [{ labels: SEEN_BY_CLIENT, value: 2 }]);
    assert.deepEqual(await samples(before, 'istio_requests_total'), []);
    duplex.call.send(streamingOutputRequest([5], 1));
    duplex.call.end();
    assert.equal((await duplex.status).code, 0);
    const failed = callTestService(t, port, 'UnaryCall');
    failed.call.send(echoStatus(5, 'no'));
    failed.call.end();
    assert.equal((await failed.status).code, 5);
    const large = callTestService(t, port, 'UnaryCall');
    large.call.send(simpleRequest(100_000, 1));
    large.call.end();
    assert.equal((await large.status).code, 0);
    await Promise.all([before.logLines('grpc', 3), behind.logLines('grpc', 3)]);
    for (const [proxy, labels, policy] of [
      [before, SEEN_BY_CLIENT, 'unknown'],
      [behind, SEEN_BY_SERVER, 'mutual_tls'],
    ] as const) {
      assert.deepEqual(await samples(proxy, 'istio_request_messages_total'), [{ labels, value: 4 }]);
      assert.deepEqual(await samples(proxy, 'istio_response_messages_total'), [{ labels, value: 4 }]);
      const grpc = { ...labels, ...REQUEST, request_protocol: 'grpc', connection_security_policy: policy };
      assert.deepEqual(await samples(proxy, 'istio_requests_total'), [
        { labels: { ...grpc, grpc_response_status: '0' }, value: 2 },
        { labels: { ...grpc, grpc_response_status: '5' }, value: 1 },
      ]);
    }
  });

  await t.test('metrics and labels that the configuration takes away', async (t) => {
    const before = await startClient(t, client, anyServer, {
      metrics: [
        { name: 'requests_total', tags_to_remove: ['source_principal', 'destination_principal'] },
        { name: 'request_bytes', drop: true },
      ],
    });
    await exchange(before.env.port('http'), [requestBytes({})]);
    await before.logLines('http');
    const [{ labels }] = await samples(before, 'istio_requests_total');
    const { source_principal: _source, destination_principal: _destination, ...rest } = SEEN_BY_CLIENT;
    assert.deepEqual(labels, { ...rest, ...REQUEST, connection_security_policy: 'unknown' });
    assert.deepEqual(await samples(before, 'istio_request_bytes_count'), []);
    const [duration] = await samples(before, 'istio_request_duration_milliseconds_count');
    assert.equal(duration.labels.source_principal, CLIENT_ID);
  });

  await t.test('labels and metrics that the configuration adds', async (t) => {
    const before = await startClient(t, client, anyServer, {
      definitions: [
        { name: 'posts_total', value: "request.method == 'POST' ? 1 : 0" },
        { name: 'body_bytes', value: 'request.size', type: 'HISTOGRAM' },
      ],
      metrics: [
        {
          name: 'requests_total',
          dimensions: {
            destination_app: "request.headers['x-app']",
            method: 'request.method',
            peer: 'upstream_peer.app',
          },
        },
        { name: 'posts_total', dimensions: { host: 'request.host' } },
      ],
    });
    const send = async (method: string, app: string, body: string) => {
      const headers: [string, string][] = [
        ['host', 'web'],
        ...(app === '' ? [] : [['x-app', app] as [string, string]]),
      ];
      await exchange(before.env.port('http'), [requestBytes({ method, headers, body })]);
    };
    await send('POST', 'a', 'four');
    await send('POST', 'a', 'fourfour');
    await send('PUT', '', '');
    await before.logLines('http', 3);
    const counted = (await samples(before, 'istio_requests_total')).map(({ labels, value }) => [
      labels.destination_app,
      labels.method,
      labels.peer,
      labels.destination_workload,
      value,
    ]);
    assert.deepEqual(counted, [
      ['a', 'POST', 'web', 'web-v1', 2],
      ['unknown', 'PUT', 'web', 'web-v1', 1],
    ]);
    assert.deepEqual(await samples(before, 'istio_posts_total'), [{ labels: { host: 'web' }, value: 2 }]);
    assert.deepEqual(await samples(before, 'istio_body_bytes_sum'), [{ labels: {}, value: 12 }]);
    // The others have no such labels.
    const [{ labels }] = await samples(before, 'istio_request_bytes_count');
    assert.deepEqual([labels.method, labels.destination_app], [undefined, 'web']);
  });
});
