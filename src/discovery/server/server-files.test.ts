import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { TestPki } from '../../../test/support/pki.ts';
import { scratch, until } from '../../../test/support/reference.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import type { ServerCredentials } from './server-certificate.ts';
import { followServerFiles } from './server-files.ts';

test('a certificate in files is followed, and one that is no good leaves the last one in force', async (t) => {
  const dir = scratch(t);
  const pki = await TestPki.make(path.join(dir, 'pki'));
  const paths = { chain: path.join(dir, 'tls.crt'), key: path.join(dir, 'tls.key'), roots: path.join(dir, 'ca.crt') };
  const issue = async () => {
    const { cert, key } = await pki.issue({ dnsNames: ['istiod'] });
    return { chain: cert, key, roots: pki.roots };
  };
  const write = (files: Partial<ServerCredentials>) => {
    for (const [name, text] of Object.entries(files)) {
      const file = paths[name as keyof ServerCredentials];
      fs.writeFileSync(`${file}.new`, text);
      fs.renameSync(`${file}.new`, file);
    }
  };
  const renewed: ServerCredentials[] = [];
  const problems: string[] = [];
  const log = { ...silentLogger, error: (message: string) => void problems.push(message) };
  const follow = () => followServerFiles(paths, { clock: systemClock, log, onRenewed: (next) => renewed.push(next) });
  await assert.rejects(follow(), { message: `--tlsCertFile ${paths.chain} cannot be read: it is not there.` });

  const [first, second, third] = [await issue(), await issue(), await issue()];
  write({ ...first, key: second.key });
  await assert.rejects(follow(), /--tlsKeyFile .* is not the key of the first certificate in --tlsCertFile/);
  write(first);
  const files = await follow();
  t.after(() => files.close());
  assert.deepEqual(files.credentials, first);

  write(second);
  await until('it is renewed', () => renewed.length > 0 || undefined);
  assert.deepEqual(renewed.at(-1), second);
  const count = renewed.length;
  write({ chain: third.chain });
  await until('the problem is told', () => problems.length > 0 || undefined);
  assert.match(problems[0]!, /stays what it is: --tlsKeyFile .* is not the key/);
  assert.equal(renewed.length, count);
  write(third);
  await until('it is renewed again', () => renewed.length > count || undefined);
  assert.deepEqual(renewed.at(-1), third);
});
