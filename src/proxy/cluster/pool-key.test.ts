import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UpstreamOptions } from './cluster.ts';
import { poolKey } from './pool-key.ts';

const OPTIONS: UpstreamOptions = {
  priority: 'default',
  downstreamProtocol: 'HTTP/1.1',
  alpn: undefined,
  sni: undefined,
  subjectAltNames: undefined,
};
const key = (more: Partial<UpstreamOptions>) => poolKey('http1', { ...OPTIONS, ...more }, false, false);

test('requests that want something else of a connection never share one', () => {
  const keys = [
    key({}),
    key({ priority: 'high' }),
    key({ alpn: ['h2'] }),
    key({ alpn: ['h2', 'http/1.1'] }),
    key({ alpn: ['h2,http/1.1'] }),
    key({ sni: 'a' }),
    key({ sni: 'b' }),
    // Expected names alone are reason enough: the connection was admitted because of them.
    key({ subjectAltNames: ['a'] }),
    key({ subjectAltNames: ['b'] }),
    key({ subjectAltNames: ['a', 'b'] }),
    key({ subjectAltNames: [] }),
    key({ sni: 'a\nsan ["b"]' }),
    key({ sni: 'a', subjectAltNames: ['b'] }),
    key({ source: { address: { address: '10.0.0.1', port: 0, family: 4 }, mark: 0 } }),
    key({ source: { address: { address: '10.0.0.1', port: 0, family: 4 }, mark: 1 } }),
    key({ source: { address: { address: '10.0.0.2', port: 0, family: 4 }, mark: 0 } }),
    poolKey('http2', OPTIONS, false, false),
    poolKey('auto', OPTIONS, false, false),
  ];
  assert.equal(new Set(keys).size, keys.length);
});

test('requests that want the same share one', () => {
  assert.equal(key({ sni: 'a', subjectAltNames: ['b'] }), key({ sni: 'a', subjectAltNames: ['b'] }));
  assert.equal(key({ downstreamProtocol: 'HTTP/2' }), key({}));
});

test('who the client is counts only where the server is told, or where each has a pool of its own', () => {
  const from = (id: number, port: number) =>
    ({
      id,
      remote: { address: '10.0.0.1', port, family: 4 },
      local: { address: '10.0.0.2', port: 80, family: 4 },
    }) as unknown as UpstreamOptions['downstream'];
  const of = (id: number, port: number, perDownstream: boolean, tells: boolean) =>
    poolKey('http1', { ...OPTIONS, downstream: from(id, port) }, perDownstream, tells);
  assert.equal(of(1, 1, false, false), of(2, 2, false, false));
  assert.notEqual(of(1, 1, true, false), of(2, 1, true, false));
  assert.notEqual(of(1, 1, false, true), of(1, 2, false, true));
  assert.equal(of(1, 1, false, true), of(2, 1, false, true));
});
