import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newHost } from '../../../test/support/hosts.ts';
import type { UpstreamOptions } from './cluster.ts';
import { type ConnectingCluster, checkConnection, requestConnection } from './connect-options.ts';
import type { HealthCheckConfig } from './health/config.ts';

const SOCKETS = [
  { name: 'tls', match: { tls: 'yes' }, transport: undefined, preamble: undefined },
  { name: 'plain', match: {}, transport: undefined, preamble: () => new Uint8Array(1) },
];

const CLUSTER: ConnectingCluster = {
  config: { connectTimeoutMs: 5000, bufferLimit: 1000, tcpKeepalive: undefined, binding: undefined },
  sockets: SOCKETS,
  stats: { bind_errors: 0 },
  filters: [],
};

const REQUEST: UpstreamOptions = {
  priority: 'default',
  downstreamProtocol: 'HTTP/1.1',
  alpn: undefined,
  sni: 'a.b',
  subjectAltNames: ['spiffe://x'],
};

/** A host that has been given its transport socket. */
function hostOf(more: Parameters<typeof newHost>[1] = {}) {
  const host = newHost(80, more);
  host.transportIndex = 0;
  return host;
}

test('ALPN goes by the protocol of the pool, unless the request brings its own', () => {
  const cases = [
    ['http1', undefined, ['http/1.1']],
    ['http2', undefined, ['h2']],
    ['auto', ['h2', 'http/1.1'], undefined],
    ['tcp', undefined, undefined],
  ] as const;
  for (const [protocol, alpn, defaultAlpn] of cases) {
    const { tls } = requestConnection(CLUSTER, hostOf(), REQUEST, protocol);
    assert.deepEqual([tls.alpn, tls.defaultAlpn], [alpn, defaultAlpn]);
  }
  const { tls } = requestConnection(CLUSTER, hostOf(), { ...REQUEST, alpn: ['istio'] }, 'auto');
  assert.deepEqual([tls.alpn, tls.sni, tls.subjectAltNames], [['istio'], 'a.b', ['spiffe://x']]);
});

test('the transport socket is the one that the host has, and other addresses come behind the first', () => {
  const other = { address: '10.0.0.2', port: 80, family: 4 } as const;
  const host = hostOf({ otherAddresses: [other], hostname: 'h' });
  host.transportIndex = 1;
  const options = requestConnection(CLUSTER, host, REQUEST, 'http1');
  assert.deepEqual(options.addresses, [host.description.address, other]);
  assert.equal(options.preamble, SOCKETS[1].preamble);
  assert.deepEqual([options.tls.hostname, options.timeoutMs, options.downstream], ['h', 5000, undefined]);
});

const check = (more: object): HealthCheckConfig =>
  ({ altPort: 0, alpn: undefined, transportMatch: undefined, check: { kind: 'TCP' }, ...more }) as HealthCheckConfig;

test('where checks go', () => {
  const own = { address: '10.0.0.9', port: 9, family: 4 } as const;
  const portOf = (host: ReturnType<typeof newHost>, more: object) =>
    checkConnection(CLUSTER, host, check(more)).addresses[0].port;
  assert.equal(portOf(hostOf(), {}), 80);
  assert.equal(portOf(hostOf(), { altPort: 81 }), 81);
  assert.equal(portOf(hostOf({ healthCheckAddress: own }), { altPort: 81 }), 9);
  const pipe = { address: '/x', port: 0, family: 0 } as const;
  assert.equal(portOf(hostOf({ address: pipe }), { altPort: 81 }), 0);
});

test('how checks speak', () => {
  const cases: [object, readonly string[] | undefined][] = [
    [{ kind: 'TCP' }, undefined],
    [{ kind: 'HTTP', http2: false }, ['http/1.1']],
    [{ kind: 'HTTP', http2: true }, ['h2']],
    [{ kind: 'GRPC' }, ['h2']],
  ];
  for (const [kind, alpn] of cases) {
    assert.deepEqual(checkConnection(CLUSTER, hostOf(), check({ check: kind })).tls.defaultAlpn, alpn);
  }
  const host = hostOf();
  const labelled = checkConnection(CLUSTER, host, check({ transportMatch: { tls: 'no' } }));
  assert.equal(labelled.preamble, SOCKETS[1].preamble);
});
