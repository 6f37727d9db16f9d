import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import dnsPacket, { type Packet } from 'dns-packet';
import type { PublishedUrl } from '../../config/control/mesh-api.ts';
import { answer, hostAddresses, resolveOptions } from './host-names.ts';

const url = (text: string, ...hosts: string[]): PublishedUrl => ({ gateway: 'gw', port: 80, url: text, hosts });

const URLS = [
  url('http://127.0.0.1:8080', 'Shop.example', '*.wide.example'),
  url('https://127.0.0.1:8443', 'shop.example', 'api.wide.example'),
  url('https://127.0.0.2:8443', 'shop.example', '*.deep.wide.example'),
  url('127.0.0.3:31400'),
];

const ask = (question: Partial<Packet>, urls = URLS) =>
  answer({ type: 'query', id: 7, flags: dnsPacket.RECURSION_DESIRED, ...question }, hostAddresses(urls));

/** A name and type, and what is answered: addresses, or an RCODE. */
const table: readonly (readonly [string, string, readonly string[] | number])[] = [
  ['A', 'shop.example', ['127.0.0.1', '127.0.0.2']],
  ['A', 'SHOP.example', ['127.0.0.1', '127.0.0.2']],
  ['AAAA', 'shop.example', []],
  ['TXT', 'shop.example', []],
  ['A', 'a.wide.example', ['127.0.0.1']],
  ['A', 'a.b.wide.example', ['127.0.0.1']],
  ['A', 'a.deep.wide.example', ['127.0.0.2']],
  ['A', 'wide.example', 5],
  ['A', 'example', 5],
  ['A', 'www.other.example', 5],
];

describe('answers', () => {
  for (const [type, name, expected] of table) {
    test(`${type} ${name}`, () => {
      const reply = ask({ questions: [{ type: type as 'A', name }] })!;
      const encoded = dnsPacket.decode(dnsPacket.encode(reply));
      assert.deepEqual([encoded.type, encoded.id, encoded.questions?.[0]?.name], ['response', 7, name]);
      const code = (encoded.flags ?? 0) & 0xf;
      const addresses = (encoded.answers ?? []).map((a) => (a as { data: string }).data);
      assert.deepEqual(code === 0 ? addresses : code, expected);
    });
  }
});

test('a gateway for every host answers for every name', () => {
  const every = [url('http://127.0.0.1:8080', '*')];
  const reply = ask({ questions: [{ type: 'A', name: 'any.thing' }] }, every);
  assert.equal(reply?.answers?.length, 1);
});

test('what is no question of one name is not answered, or refused', () => {
  assert.equal(answer({ type: 'response', id: 1 }, new Map()), undefined);
  for (const query of [
    { questions: [] },
    { questions: [{ type: 'A', name: 'shop.example' } as const, { type: 'A', name: 'shop.example' } as const] },
    { flags: 2 << 11, questions: [{ type: 'A', name: 'shop.example' } as const] },
  ]) {
    assert.equal((ask(query)?.flags ?? 0) & 0xf, 4);
  }
});

test('options of curl', () => {
  assert.deepEqual(resolveOptions(URLS), [
    '--resolve Shop.example:8080:127.0.0.1',
    '--resolve shop.example:8443:127.0.0.1',
    '--resolve api.wide.example:8443:127.0.0.1',
    '--resolve shop.example:8443:127.0.0.2',
  ]);
  assert.deepEqual(resolveOptions([url('127.0.0.1:15443', '*')]), ["--resolve '*:15443:127.0.0.1'"]);
  assert.deepEqual(resolveOptions([url('https://127.0.0.1:8443', '*', 'a.example')]), ["--resolve '*:8443:127.0.0.1'"]);
});
