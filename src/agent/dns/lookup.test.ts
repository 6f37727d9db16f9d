import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Packet } from 'dns-packet';
import { decodeNameTable, encodeNameTable, type NameInfo } from '../../api/name-table.ts';
import { NameLookup } from './lookup.ts';
import { parseResolvConf } from './resolv-conf.ts';

const kubernetes = (name: string, namespace: string, ...ips: string[]): [string, NameInfo] => [
  `${name}.${namespace}.svc.cluster.local`,
  { ips, registry: 'Kubernetes', shortname: name, namespace },
];
const external = (host: string, ...ips: string[]): [string, NameInfo] => [
  host,
  { ips, registry: 'External', shortname: '', namespace: '' },
];

const table = new Map([
  kubernetes('web', 'vms', '10.0.0.1', 'fd00::1'),
  kubernetes('web', 'other', '10.0.0.2'),
  external('db.example.com', '240.240.0.1'),
  external('*.example.com', '240.240.0.2'),
  external('*.a.example.com', '240.240.0.3'),
]);
const lookup = new NameLookup(table, 'vms', ['vms.svc.cluster.local', 'corp.']);

/** What the answer has, or `-` where somebody else is asked. */
function ask(name: string, type: 'A' | 'AAAA' | 'MX'): string {
  const query: Packet = { type: 'query', id: 7, flags: 0x0100, questions: [{ name, type }] };
  const answer = lookup.answer(query);
  if (answer === undefined) return '-';
  assert.deepEqual([answer.id, answer.type, answer.questions], [7, 'response', query.questions]);
  return (answer.answers ?? []).map((a) => `${a.type} ${a.name} ${'data' in a ? a.data : ''}`).join('; ');
}

describe('names', () => {
  const cases: readonly (readonly [string, 'A' | 'AAAA' | 'MX', string])[] = [
    ['web.vms.svc.cluster.local', 'A', 'A web.vms.svc.cluster.local 10.0.0.1'],
    ['web.vms.svc.cluster.local', 'AAAA', 'AAAA web.vms.svc.cluster.local fd00::1'],
    ['WEB.vms.svc.Cluster.local.', 'A', 'A WEB.vms.svc.Cluster.local. 10.0.0.1'],
    ['web', 'A', 'A web 10.0.0.1'],
    ['web.other', 'A', 'A web.other 10.0.0.2'],
    ['web.other.svc', 'A', 'A web.other.svc 10.0.0.2'],
    ['web.other', 'AAAA', ''],
    ['web.other', 'MX', ''],
    ['db.example.com', 'A', 'A db.example.com 240.240.0.1'],
    ['x.example.com', 'A', 'A x.example.com 240.240.0.2'],
    ['x.a.example.com', 'A', 'A x.a.example.com 240.240.0.3'],
    ['db.example.com.corp', 'A', 'CNAME db.example.com.corp db.example.com; A db.example.com 240.240.0.1'],
    ['example.com', 'A', '-'],
    ['unknown', 'A', '-'],
    ['corp', 'A', '-'],
  ];
  for (const [name, type, expected] of cases) test(`${name} ${type}`, () => assert.equal(ask(name, type), expected));
});

test('a file of hosts is asked after the mesh', () => {
  const hosts = new Map([
    ['shop.example', ['100.64.255.254']],
    ['web', ['192.0.2.1']],
  ]);
  const ask = (name: string) => {
    const query: Packet = { type: 'query', id: 7, questions: [{ name, type: 'A' }] };
    return lookup.answer(query, hosts)?.answers?.map((a) => `${a.name} ${'data' in a ? a.data : ''}`);
  };
  assert.deepEqual(ask('Shop.example'), ['Shop.example 100.64.255.254']);
  assert.deepEqual(ask('web'), ['web 10.0.0.1']);
  assert.equal(ask('www.shop.example'), undefined);
});

test('a table is read as it was written', () => {
  assert.deepEqual(new Map([...decodeNameTable(encodeNameTable(table))].sort()), new Map([...table].sort()));
  assert.throws(() => decodeNameTable(Buffer.from([0x0a, 0x05])));
});

test('resolv.conf', () => {
  assert.deepEqual(
    parseResolvConf('# a\nnameserver 10.0.0.2\nnameserver x\nsearch a b ; c\nnameserver fd00::2\noptions ndots:5\n'),
    {
      nameServers: [
        { host: '10.0.0.2', port: 53 },
        { host: 'fd00::2', port: 53 },
      ],
      search: ['a', 'b'],
    },
  );
});
