import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Sample } from './metrics-text.ts';
import { pairsOf, readCounters, since } from './pairs.ts';

const ID = (account: string) => `spiffe://cluster.local/ns/shop/sa/${account}`;

/** A line of a proxy's metrics. */
function line(labels: Readonly<Record<string, string>>, value: number, metric = 'istio_requests_total'): string {
  const all = { request_protocol: 'http', response_flags: '-', ...labels };
  const text = Object.entries(all).map(([name, of]) => `${name}="${of}"`);
  return `${metric}{${text.join(',')}} ${value}\n`;
}

const from = (workload: string, account = workload) => ({
  source_workload: workload,
  source_workload_namespace: workload === 'unknown' ? 'unknown' : 'shop',
  source_principal: account === 'unknown' ? 'unknown' : ID(account),
});
const to = (workload: string, account = workload, service = `${workload}.shop.svc.cluster.local`) => ({
  destination_workload: workload,
  destination_workload_namespace: workload === 'unknown' ? 'unknown' : 'shop',
  destination_principal: account === 'unknown' ? 'unknown' : ID(account),
  destination_service: service,
  destination_service_name: service.split('.')[0]!,
});
const SEEN = { reporter: 'destination', connection_security_policy: 'mutual_tls' };
const PLAIN = { reporter: 'destination', connection_security_policy: 'none' };
const SENT = { reporter: 'source', connection_security_policy: 'unknown' };

const measured = (...lines: string[]) =>
  new Map<string, Sample[]>(lines.map((text, i) => [`proxy-${i}`, readCounters(text)]));
const short = (...lines: string[]) =>
  pairsOf(measured(...lines)).map(({ source, destination, services, protocol, security, count }) =>
    [source.workload || '?', destination.workload || services.join(), protocol, security, count].join(' '),
  );

describe('pairs of workloads', () => {
  it('are what the destination has counted, over all its pods and outcomes', () => {
    const pairs = pairsOf(
      measured(
        line({ ...SEEN, ...from('web'), ...to('db'), response_code: '200' }, 2) +
          line({ ...SEEN, ...from('web'), ...to('db', 'db', 'other.shop.svc.cluster.local'), response_code: '503' }, 1),
        line({ ...SEEN, ...from('web'), ...to('db'), response_code: '200' }, 4),
        line({ ...SENT, ...from('web'), ...to('db') }, 7),
      ),
    );
    assert.deepEqual(pairs, [
      {
        source: { namespace: 'shop', workload: 'web', principal: ID('web') },
        destination: { namespace: 'shop', workload: 'db', principal: ID('db') },
        services: ['db.shop.svc.cluster.local', 'other.shop.svc.cluster.local'],
        protocol: 'http',
        security: 'mutual_tls',
        count: 7,
      },
    ]);
  });

  it('are told apart by protocol, security and identities; plaintext comes first', () => {
    assert.deepEqual(
      short(
        line({ ...SEEN, ...from('web'), ...to('db') }, 1) +
          line({ ...SEEN, ...from('web'), ...to('db'), request_protocol: 'grpc' }, 2) +
          line({ ...SEEN, ...from('web'), ...to('db') }, 3, 'istio_tcp_connections_opened_total') +
          line({ ...SEEN, ...from('web', 'old'), ...to('db') }, 4) +
          line({ ...PLAIN, ...from('web', 'unknown'), ...to('db', 'unknown') }, 5) +
          line({ ...PLAIN, ...from('unknown', 'unknown'), ...to('db', 'unknown') }, 6) +
          line({ ...SEEN, ...from('api'), ...to('db') }, 7) +
          line({ ...SEEN, ...from('api'), ...to('web') }, 0),
      ),
      [
        '? db http none 6',
        'web db http none 5',
        'api db http mutual_tls 7',
        'web db http mutual_tls 4',
        'web db grpc mutual_tls 2',
        'web db http mutual_tls 1',
        'web db tcp mutual_tls 3',
      ],
    );
  });

  it('a client without a proxy keeps the identity of its certificate', () => {
    const labels = { ...from('unknown', 'edge'), source_workload_namespace: 'shop' };
    const [pair] = pairsOf(measured(line({ ...SEEN, ...labels, ...to('db') }, 1)));
    assert.deepEqual(pair?.source, { namespace: 'shop', workload: '', principal: ID('edge') });
  });

  it('what only the source can count is unknown, and only what has left it', () => {
    const nobody = (service: string) => to('unknown', 'unknown', service);
    assert.deepEqual(
      short(
        line({ ...SENT, ...from('web'), ...nobody('customs.shop.svc.cluster.local') }, 1) +
          line({ ...SENT, ...from('web'), ...to('books', 'unknown', 'www.example.com') }, 2) +
          line({ ...SENT, ...from('web'), ...nobody('db.shop.svc.cluster.local'), response_flags: 'UH' }, 3) +
          line({ ...SENT, ...from('web'), ...nobody('unknown') }, 4) +
          line({ ...SENT, ...from('cli'), ...to('tunnel', 'unknown'), response_flags: 'DC', response_code: '200' }, 6) +
          line({ ...SENT, ...from('cli'), ...to('away', 'unknown'), response_flags: 'DC', response_code: '0' }, 7) +
          line({ ...SENT, ...from('web'), ...nobody('BlackHoleCluster') }, 5),
      ),
      ['cli tunnel http unknown 6', 'web customs.shop.svc.cluster.local http unknown 1', 'web books http unknown 2'],
    );
  });

  it('a gateway counts nothing that comes to it: both identities at the source tell of mutual TLS', () => {
    assert.deepEqual(short(line({ ...SENT, ...from('web'), ...to('egress') }, 1)), ['web egress http mutual_tls 1']);
  });

  it('within a time: what has been counted since, and everything of a proxy that started anew', () => {
    const counted = (web: number, api: number) =>
      line({ ...SEEN, ...from('web'), ...to('db') }, web) + line({ ...SEEN, ...from('api'), ...to('db') }, api);
    const difference = since(measured(counted(5, 5), counted(9, 9)), measured(counted(5, 8), counted(2, 10)));
    assert.deepEqual(
      [...difference.values()].map((samples) => samples.map(({ value }) => value)),
      [
        [0, 3],
        [2, 10],
      ],
    );
    assert.deepEqual(
      pairsOf(since(new Map(), measured(counted(1, 0)))).map(({ count }) => count),
      [1],
      'a proxy that has come',
    );
  });
});
