import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHosts } from './hosts-file.ts';
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
