import assert from 'node:assert/strict';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, httpListener, tcpListener } from '../support/envoy-config.ts';
import { encodeMessage, exchange } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { requestBytes, type Twin, twinProxies } from '../support/twin-proxies.ts';
import { bothReach, clusterStats, sameStats } from '../support/twin-stats.ts';

const options = (fields: JsonObject): JsonObject => ({
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      { explicit_http_config: { http_protocol_options: {} }, ...fields },
    ),
  },
});
const breakers = (thresholds: JsonObject, more: JsonObject = {}): JsonObject => ({
  circuit_breakers: { thresholds: [{ track_remaining: true, ...thresholds }], ...more },
});
const proxyProtocol = (config: JsonObject): JsonObject => ({
  transport_socket: {
    name: 'envoy.transport_sockets.upstream_proxy_protocol',
    typed_config: any('envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport', {
      config,
      transport_socket: {
        name: 'envoy.transport_sockets.raw_buffer',
        typed_config: any('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
      },
    }),
  },
});

const CLUSTERS: Readonly<Record<string, JsonObject>> = {
  plain: {},
  once: options({ common_http_protocol_options: { max_requests_per_connection: 1 } }),
  twice: options({ common_http_protocol_options: { max_requests_per_connection: 2 } }),
  idle: options({ common_http_protocol_options: { idle_timeout: '0.1s' } }),
  lifetime: options({ common_http_protocol_options: { max_connection_duration: '0.1s' } }),
  ahead: { preconnect_policy: { per_upstream_preconnect_ratio: 3 } },
  requests: breakers({ max_requests: 1 }),
  pending: breakers({ max_connections: 1, max_pending_requests: 1 }),
  none: breakers({ max_pending_requests: 0 }),
  host: { circuit_breakers: { per_host_thresholds: [{ max_connections: 1 }] } },
  budget: breakers({ retry_budget: { budget_percent: { value: 0 }, min_retry_concurrency: 0 } }),
  retries: breakers({ max_retries: 0 }),
  pools: breakers({ max_connection_pools: 1 }),
  'per-connection': { connection_pool_per_downstream_connection: true },
  refused: {},
};

/** How it is with requests that come together: `hold` of them are not answered before all have come. */
const HELD = /^GET \/(requests|pending|host|ahead|pools)\b/;

test('connections are pooled and limited as Envoy does', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main', 'v1', 'v2', 'capped'],
    backends: () => ({
      backend: ({ startLine }) => {
        if (HELD.test(startLine)) return '';
        if (/^GET \/(budget|retries)/.test(startLine)) return encodeMessage('HTTP/1.1 503 No', [], 'no');
        return encodeMessage('HTTP/1.1 200 OK', [], 'ok');
      },
    }),
    servers: { bytes: echoFirst },
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            routes: Object.keys(CLUSTERS).map((name) => ({
              match: { path: `/${name}` },
              route: {
                cluster: name,
                timeout: '1s',
                ...(/budget|retries/.test(name) && { retry_policy: { retry_on: '5xx', num_retries: 3 } }),
              },
            })),
          }),
          ...['v1', 'v2', 'capped'].map((name) =>
            tcpListener(name, { port: env.port(name), log: env.log(name), proxy: { cluster: name } }),
          ),
        ],
        clusters: [
          ...Object.entries(CLUSTERS).map(([name, fields]) =>
            cluster(name, name === 'refused' ? 1 : env.backend('backend'), fields),
          ),
          cluster('v1', env.backend('bytes'), proxyProtocol({ version: 'V1' })),
          cluster('v2', env.backend('bytes'), proxyProtocol({ version: 'V2' })),
          cluster('capped', env.backend('bytes'), breakers({ max_connections: 1 })),
        ],
      },
    }),
  });
  const both = [twins.envoy, twins.isthmus];

  const send = async (twin: Twin, name: string) =>
    (await exchange(twin.env.port('main'), [requestBytes({ path: `/${name}` })])).status;
  /** Statuses of requests one after another, or together. */
  const inTurn = async (name: string, count: number) => {
    const results = await Promise.all(
      both.map(async (twin) => {
        const statuses: number[] = [];
        for (let i = 0; i < count; i++) statuses.push(await send(twin, name));
        return statuses;
      }),
    );
    assert.deepEqual(results[1], results[0]);
    return results[0];
  };
  const together = async (name: string, count: number) => {
    const results = await Promise.all(
      both.map(async (twin) => (await Promise.all(Array.from({ length: count }, () => send(twin, name)))).sort()),
    );
    assert.deepEqual(results[1], results[0]);
    return results[0];
  };
  const quiet = (name: string) => bothReach(twins, name, 'upstream_cx_active', 0);

  await t.test('one connection for requests in turn', async () => {
    assert.deepEqual(await inTurn('plain', 3), [200, 200, 200]);
    assert.equal((await sameStats(twins, 'plain')).get('upstream_cx_total'), 1);
  });
  await t.test('max_requests_per_connection', async () => {
    await inTurn('once', 3);
    await quiet('once');
    assert.equal((await sameStats(twins, 'once')).get('upstream_cx_max_requests'), 3);
    await inTurn('twice', 3);
    await bothReach(twins, 'twice', 'upstream_cx_active', 1);
    assert.equal((await sameStats(twins, 'twice')).get('upstream_cx_total'), 2);
  });
  await t.test('idle_timeout', async () => {
    await inTurn('idle', 1);
    await quiet('idle');
    assert.equal((await sameStats(twins, 'idle')).get('upstream_cx_idle_timeout'), 1);
  });
  await t.test('max_connection_duration', async () => {
    await inTurn('lifetime', 1);
    await quiet('lifetime');
    assert.equal((await sameStats(twins, 'lifetime')).get('upstream_cx_max_duration_reached'), 1);
  });
  await t.test('per_upstream_preconnect_ratio', async () => {
    await together('ahead', 1);
    await bothReach(twins, 'ahead', 'upstream_cx_total', 3);
  });
  await t.test('max_requests', async () => {
    assert.deepEqual(await together('requests', 3), [503, 503, 504]);
    await sameStats(twins, 'requests', /upstream_(cx|rq_pending_total)|remaining|http1/);
  });
  await t.test('max_connections and max_pending_requests', async () => {
    const first = both.map((twin) => send(twin, 'pending'));
    await bothReach(twins, 'pending', 'upstream_rq_active', 1);
    assert.deepEqual(await together('pending', 3), [503, 503, 504]);
    assert.deepEqual(await Promise.all(first), [504, 504]);
    await bothReach(twins, 'pending', 'upstream_rq_pending_overflow', 2);
  });
  await t.test('no pending requests at all', async () => {
    assert.deepEqual(await inTurn('none', 2), [503, 503]);
    await sameStats(twins, 'none');
  });
  await t.test('per_host_thresholds', async () => {
    // The second one comes when the first has the connection: while one is being made, another is not tried.
    const first = both.map((twin) => send(twin, 'host'));
    await bothReach(twins, 'host', 'upstream_rq_active', 1);
    assert.deepEqual(await together('host', 1), [504]);
    assert.deepEqual(await Promise.all(first), [504, 504]);
    await bothReach(twins, 'host', 'upstream_cx_overflow', 1);
  });
  await t.test('retry budgets and max_retries', async () => {
    for (const name of ['budget', 'retries']) {
      assert.deepEqual(await inTurn(name, 1), [503]);
      await bothReach(twins, name, 'upstream_rq_retry_overflow', 1);
      await sameStats(twins, name);
    }
  });
  await t.test('connection_pool_per_downstream_connection', async () => {
    await inTurn('per-connection', 3);
    await bothReach(twins, 'per-connection', 'upstream_cx_total', 3);
  });
  await t.test('a host that refuses', async () => {
    assert.deepEqual(await inTurn('refused', 1), [503]);
    await sameStats(twins, 'refused');
  });
  await t.test('max_connections of TCP', async () => {
    for (const twin of both) {
      const first = net.connect(twin.env.port('capped'), '127.0.0.1');
      t.after(() => first.destroy());
      first.on('error', () => {});
      first.write('x');
      await until(`${twin.program} connects`, async () => {
        return (await clusterStats(twin, 'capped')).get('upstream_cx_active') === 1;
      });
      assert.equal(await firstBytes(twin.env.port('capped')), '');
    }
    await sameStats(twins, 'capped', /upstream_cx_(rx|tx)/);
  });
  await t.test('PROXY protocol', async () => {
    const shown = async (twin: Twin, name: string) => await firstBytes(twin.env.port(name));
    for (const twin of both) {
      assert.match(
        await shown(twin, 'v1'),
        new RegExp(`^PROXY TCP4 127.0.0.1 127.0.0.1 \\d+ ${twin.env.port('v1')}\r\nhello$`),
      );
      const v2 = Buffer.from(await shown(twin, 'v2'), 'latin1');
      assert.equal(
        v2.subarray(0, 24).toString('hex'),
        '0d0a0d0a000d0a515549540a2111000c7f0000017f000001',
        twin.program,
      );
      assert.equal(v2.readUInt16BE(26), twin.env.port('v2'));
      assert.equal(v2.subarray(28).toString(), 'hello');
    }
  });
});

/** Sends back what it gets, and closes. */
async function echoFirst(t: TestContext): Promise<number> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

function firstBytes(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    socket.end('hello');
  });
}
