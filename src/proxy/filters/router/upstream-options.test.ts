import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stubConnection } from '../../../../test/support/filter-callbacks.ts';
import { Headers } from '../../../wire/headers.ts';
import { UPSTREAM_ALPN, UPSTREAM_SANS, UPSTREAM_SNI } from '../../observe/filter-state.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import { upstreamOptions } from './upstream-options.ts';

const PLAIN = { autoSni: false, autoSanValidation: false, autoSniHeader: '' };

function options(authority: string, cluster: Partial<typeof PLAIN>, state: Readonly<Record<string, unknown>> = {}) {
  const connection = stubConnection();
  const info = new StreamInfo(connection, 0, 0);
  for (const [name, value] of Object.entries(state)) info.setFilterState(name, value);
  const headers = Headers.request('GET', '/', authority);
  headers.set('x-name', 'named');
  return upstreamOptions(headers, info, connection, { priority: 'high' }, { ...PLAIN, ...cluster });
}

test('the name of the server comes from the request where the cluster says so', () => {
  const cases: [string, Partial<typeof PLAIN>, string | undefined, readonly string[] | undefined][] = [
    ['a.b:8443', {}, undefined, undefined],
    ['a.b:8443', { autoSni: true }, 'a.b', undefined],
    ['a.b', { autoSanValidation: true }, undefined, ['a.b']],
    ['[::1]:8443', { autoSni: true, autoSanValidation: true }, '::1', ['::1']],
    ['a.b', { autoSni: true, autoSniHeader: 'x-name' }, 'named', undefined],
    ['a.b', { autoSni: true, autoSniHeader: 'x-missing' }, 'a.b', undefined],
  ];
  for (const [authority, cluster, sni, names] of cases) {
    const { sni: given, subjectAltNames } = options(authority, cluster);
    assert.deepEqual([given, subjectAltNames], [sni, names]);
  }
});

test('what filters have set comes first', () => {
  const state = { [UPSTREAM_SNI]: 'set', [UPSTREAM_SANS]: ['spiffe://x'], [UPSTREAM_ALPN]: ['istio'] };
  const { sni, subjectAltNames, alpn } = options('a.b', { autoSni: true, autoSanValidation: true }, state);
  assert.deepEqual([sni, subjectAltNames, alpn], ['set', ['spiffe://x'], ['istio']]);
});

test('priority and protocol are those of the request', () => {
  const { priority, downstreamProtocol } = options('a.b', {});
  assert.deepEqual([priority, downstreamProtocol], ['high', 'HTTP/1.1']);
});
