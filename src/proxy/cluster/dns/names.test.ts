import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { scratch } from '../../../../test/support/reference.ts';
import { parseHosts } from './hosts-file.ts';
import { DEFAULT_RESOLVER, DnsResolver, DnsStats } from './resolver.ts';
import { candidates, parseResolvConf } from './search-domains.ts';

test('hosts(5)', () => {
  const names = parseHosts(
    '# comment\n127.0.0.1 localhost Alias # more\n\n::1\tlocalhost\n127.0.0.1 localhost\n10.0.0.1\n',
  );
  assert.deepEqual(
    [...names],
    [
      ['localhost', ['127.0.0.1', '::1']],
      ['alias', ['127.0.0.1']],
    ],
  );
});

test("a hosts file of its own counts before the machine's, and is read again when it changes", async (t) => {
  const file = path.join(scratch(t, 'hosts-'), 'hosts');
  fs.writeFileSync(file, '10.0.0.1 one.test\n');
  const resolver = new DnsResolver(DEFAULT_RESOLVER, new DnsStats(), file);
  const resolve = async (name: string) =>
    (await resolver.resolve(name, 'v4-only')).addresses.map(({ address }) => address);
  assert.deepEqual(await resolve('One.test.'), ['10.0.0.1']);
  fs.writeFileSync(file, '10.0.0.22 one.test localhost\n');
  assert.deepEqual(await resolve('one.test'), ['10.0.0.22']);
  assert.deepEqual(await resolve('localhost'), ['10.0.0.22']);
  fs.rmSync(file);
  assert.deepEqual(await resolve('localhost'), ['127.0.0.1']);
});

test('resolv.conf(5)', () => {
  const text =
    'nameserver 10.0.0.1\ndomain old.test\nsearch a.test b.test. ; comment\noptions timeout:1 ndots:5 ndots:99\n';
  assert.deepEqual(parseResolvConf(text), { domains: ['a.test', 'b.test'], ndots: 15 });
  assert.deepEqual(parseResolvConf(''), { domains: [], ndots: 1 });
});

test('the names to ask for in turn', () => {
  const rules = { domains: ['a.test', 'b.test'], ndots: 2 };
  assert.deepEqual(candidates('x', rules), ['x.a.test', 'x.b.test', 'x']);
  assert.deepEqual(candidates('x.y.z', rules), ['x.y.z', 'x.y.z.a.test', 'x.y.z.b.test']);
  assert.deepEqual(candidates('x.y.', rules), ['x.y']);
});
