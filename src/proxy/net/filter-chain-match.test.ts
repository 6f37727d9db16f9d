import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { FilterChainMatchSchema } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { ConfigErrors } from '../config/errors.ts';
import { FilterChainMatcher, type MatchFacts } from './filter-chain-match.ts';

type Init = Parameters<typeof create<typeof FilterChainMatchSchema>>[1];

function matcher(chains: Record<string, Init | undefined>): (facts: Partial<MatchFacts>) => string | undefined {
  const errors = new ConfigErrors();
  const m = new FilterChainMatcher(
    Object.entries(chains).map(([chain, init]) => ({ chain, match: init && create(FilterChainMatchSchema, init) })),
    errors,
  );
  assert.equal(errors.toString(), '');
  return (facts) =>
    m.find({
      destinationAddress: '10.0.0.1',
      destinationPort: 80,
      serverName: '',
      transportProtocol: 'raw_buffer',
      applicationProtocols: [],
      directSourceAddress: '10.0.0.9',
      sourceAddress: '10.0.0.9',
      sourcePort: 5555,
      ...facts,
    });
}

test('names: exact before the longest wildcard before none', () => {
  const find = matcher({
    exact: { serverNames: ['a.b.com'] },
    long: { serverNames: ['*.b.com'] },
    short: { serverNames: ['*.com'] },
    none: {},
  });
  assert.equal(find({ serverName: 'a.b.com' }), 'exact');
  assert.equal(find({ serverName: 'x.b.com' }), 'long');
  assert.equal(find({ serverName: 'x.y.b.com' }), 'long');
  assert.equal(find({ serverName: 'b.com' }), 'short');
  assert.equal(find({ serverName: 'b.org' }), 'none');
  assert.equal(find({}), 'none');
});

test('a criterion that was met is not taken back', () => {
  const find = matcher({
    port: { destinationPort: 80, serverNames: ['a.com'] },
    other: { serverNames: ['b.com'] },
  });
  assert.equal(find({ serverName: 'a.com' }), 'port');
  assert.equal(find({ serverName: 'b.com' }), undefined);
  assert.equal(find({ serverName: 'b.com', destinationPort: 81 }), 'other');
});

test('transport and application protocols', () => {
  const find = matcher({
    mesh: { transportProtocol: 'tls', applicationProtocols: ['istio', 'istio-http/1.1'] },
    tls: { transportProtocol: 'tls' },
    http: { transportProtocol: 'raw_buffer', applicationProtocols: ['http/1.1', 'h2c'] },
    raw: { transportProtocol: 'raw_buffer' },
  });
  assert.equal(find({ transportProtocol: 'tls', applicationProtocols: ['h2', 'istio'] }), 'mesh');
  assert.equal(find({ transportProtocol: 'tls', applicationProtocols: ['h2'] }), 'tls');
  assert.equal(find({ applicationProtocols: ['h2c'] }), 'http');
  assert.equal(find({}), 'raw');
});

test('of several application protocols the first of the client decides', () => {
  const find = matcher({ http1: { applicationProtocols: ['http/1.1'] }, h2: { applicationProtocols: ['h2'] } });
  assert.equal(find({ applicationProtocols: ['h2', 'http/1.1'] }), 'h2');
  assert.equal(find({ applicationProtocols: ['h3', 'http/1.1', 'h2'] }), 'http1');
});

test('two chains for one connection are refused', () => {
  const errorsOf = (...inits: Init[]) => {
    const errors = new ConfigErrors();
    new FilterChainMatcher(
      inits.map((init, chain) => ({ chain, match: create(FilterChainMatchSchema, init) })),
      errors,
    );
    return errors.toString();
  };
  const overlap =
    'filter_chains[1].filter_chain_match: a connection could match this filter chain and filter_chains[0]';
  const range = (addressPrefix: string, prefixLen: number) => ({ prefixRanges: [{ addressPrefix, prefixLen }] });
  assert.equal(errorsOf({ serverNames: ['A.com', 'a.com'] }, { serverNames: ['b.com'] }), '');
  assert.equal(errorsOf({ serverNames: ['A.com'] }, { serverNames: ['b.com', 'a.com'] }), `${overlap} alike`);
  assert.equal(errorsOf(range('10.1.2.3', 8), range('10.0.0.0', 8)), `${overlap} alike`);
  assert.equal(errorsOf(range('10.1.2.3', 8), range('10.0.0.0', 9)), '');
  assert.equal(errorsOf({ destinationPort: 80 }, { destinationPort: 80, sourcePorts: [1] }), '');
  const ports = Array.from({ length: 1001 }, (_, i) => i);
  const names = ports.map((i) => `${i}.com`);
  assert.match(errorsOf({ sourcePorts: ports, serverNames: names }), /names more than 1000000 combinations/);
});

test('addresses: the longest prefix, sources after destinations', () => {
  const find = matcher({
    narrow: { prefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 24 }] },
    wide: { prefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 8 }] },
    source: { sourcePrefixRanges: [{ addressPrefix: '192.168.0.0', prefixLen: 16 }] },
    ports: { sourcePorts: [99] },
    local: { sourceType: 1 },
  });
  assert.equal(find({}), 'narrow');
  assert.equal(find({ destinationAddress: '10.9.0.1' }), 'wide');
  assert.equal(find({ destinationAddress: '11.0.0.1', sourceAddress: '192.168.1.1' }), 'source');
  assert.equal(find({ destinationAddress: '11.0.0.1', sourcePort: 99 }), 'ports');
  assert.equal(find({ destinationAddress: '11.0.0.1', sourceAddress: '127.0.0.1' }), 'local');
});

test('errors name the field', () => {
  const errors = new ConfigErrors();
  new FilterChainMatcher(
    [
      {
        chain: 0,
        match: create(FilterChainMatchSchema, { serverNames: ['a*.com'], prefixRanges: [{ addressPrefix: 'x' }] }),
      },
    ],
    errors,
  );
  assert.deepEqual(
    errors.list.map((e) => e.path),
    ['filter_chains[0].filter_chain_match.prefix_ranges[0]', 'filter_chains[0].filter_chain_match.server_names[0]'],
  );
});
