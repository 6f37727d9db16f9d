import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { ownAddress, TestedMesh } from '../support/local-mesh.ts';
import { Machine, mesh, PROGRAM } from '../support/member-machine.ts';
import { scratch, until } from '../support/reference.ts';

/** The short way into a mesh: a code that is good once, and a look at what is in the way before. */

test('a machine joins with a code', async (t) => {
  const folder = scratch(t);
  const program = path.join(folder, 'program.mjs');
  fs.writeFileSync(program, PROGRAM);
  const address = ownAddress();
  const tested = await TestedMesh.start(t, { 'mesh.yaml': mesh(program) }, { address });
  const [ip, local] = [ownAddress(), ownAddress()];
  const files = path.join(folder, 'files');
  const invite = async (...args: string[]) => {
    const { code, stdout, stderr } = await tested.isthmus(['vm', 'invite', 'legacy', '-n', 'vms', ...args]);
    assert.equal(code, 0, stderr);
    return /^isthmus join (\S+)\n$/.exec(stdout)![1]!;
  };
  const addresses = ['--ip', ip, '--local-address', local];
  const join = (code: string, ...args: string[]) =>
    tested.isthmus(['join', code, ...addresses, '--dir', files, ...args]);
  const [discovery] = /127[\d.]+:15012/.exec((await tested.isthmus(['status'])).stdout)!;
  const code = await invite();

  await t.test('both directions are tried first, and the code stays good', async () => {
    assert.deepEqual(await join(code, '--check'), {
      code: 0,
      stdout: [
        `invited to vms/legacy; this machine is ${ip}`,
        'ok: the ports of the sidecar are free on this machine',
        `ok: this machine reaches the control plane at ${discovery}`,
        `ok: the mesh reaches this machine at ${ip}:9000`,
        '',
      ].join('\n'),
      stderr: '',
    });
    assert.ok(!fs.existsSync(files));
  });

  await t.test('what is in the way is named', async () => {
    const others = [9000, 15021].map((port) => net.createServer().listen(port, ip));
    await Promise.all(others.map((other) => new Promise((resolve) => other.once('listening', resolve))));
    const { code: exit, stdout, stderr } = await join(code);
    for (const other of others) other.close();
    assert.equal(exit, 1);
    assert.match(
      stdout,
      new RegExp(
        `^blocked: the sidecar of this machine: ${ip}:15021 is in use by .*; stop that, or .* with --ip$`,
        'm',
      ),
    );
    assert.match(
      stdout,
      new RegExp(`^blocked: the mesh reaches this machine at ${ip}:9000: something listens there`, 'm'),
    );
    assert.match(stderr, /^Error: 2 ways are blocked; the code is still good\./);
    assert.ok(!fs.existsSync(files));
  });

  await t.test('one command makes it a member', async () => {
    const command = ['join', code, ...addresses, '--dir', files];
    const machine = new Machine(t, [...command, '--', process.execPath, program, 'machine']);
    await machine.says(/this machine is in the mesh as/);
    const call = ['exec', 'deploy/web', '-n', 'vms', '--', 'curl', '-s', '-m', '5', 'http://legacy/'];
    await until('the mesh is answered', async () => {
      const { stdout } = await tested.isthmus(call);
      return stdout === 'machine to spiffe://cluster.local/ns/vms/sa/default';
    });
    assert.equal(fs.statSync(path.join(files, 'istio-token')).mode & 0o777, 0o600);
    await machine.end('SIGTERM');
  });

  await t.test('a code is good once, and not for ever', async () => {
    const refused = /^Error: the code has expired, was used already, or is of an earlier run of the mesh/;
    assert.match((await join(code)).stderr, refused);
    const altered = await invite();
    const wrong = `${altered.slice(0, 12)}${altered[12] === 'A' ? 'B' : 'A'}${altered.slice(13)}`;
    assert.match((await join(wrong)).stderr, refused);
    assert.match((await tested.isthmus(['vm', 'invite', 'legacy', '-n', 'vms', '--ttl', '1s'])).stderr, /10 seconds/);
  });

  await t.test('a mesh that is not the one of the code hears nothing of it', async () => {
    const whole = await invite();
    const bytes = Buffer.from(whole.slice('isthmus1-'.length), 'base64url');
    bytes[20]! ^= 1;
    const { stderr } = await join(`isthmus1-${bytes.toString('base64url')}`);
    assert.match(stderr, /somebody else answers there: its certificate is not the one that the code names/);
  });

  await t.test('a mesh that cannot be reached, a code that is none, a group that is not there', async () => {
    const away = await invite('--host', ownAddress());
    assert.match(
      (await join(away)).stderr,
      /^Error: blocked: this machine does not reach the mesh at .*:15019: refused/,
    );
    assert.match((await join(away.slice(0, 20))).stderr, /^Error: this is no code of "isthmus vm invite"/);
    const { stderr } = await tested.isthmus(['vm', 'invite', 'none', '-n', 'vms']);
    assert.match(stderr, /workloadgroups\.networking\.istio\.io "none" not found/);
  });

  assert.equal(await tested.stop(), 0);
});
