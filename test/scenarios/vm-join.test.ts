import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { execute, ownAddress, TestedMesh } from '../support/local-mesh.ts';
import { Machine, mesh, PROGRAM } from '../support/member-machine.ts';
import { scratch, until } from '../support/reference.ts';

/** A machine that is a member of the mesh: WorkloadGroup, five files, one command. */

test('a machine joins with five files, is found by its name, watched, and forgotten', async (t) => {
  const folder = scratch(t);
  const program = path.join(folder, 'program.mjs');
  fs.writeFileSync(program, PROGRAM);
  const tested = await TestedMesh.start(t, { 'mesh.yaml': mesh(program) });
  const [ip, local] = [ownAddress(), ownAddress()];
  const files = path.join(folder, 'files');
  const configure = () =>
    tested.isthmus([
      ...['workload', 'entry', 'configure', '--name', 'legacy', '-n', 'vms', '--autoregister'],
      ...['--internalIP', ip, '-o', files],
    ]);
  const { code, stderr } = await configure();
  assert.equal(code, 0, stderr);
  const start = () =>
    new Machine(t, ['vm', 'run', files, '--local-address', local, '--', process.execPath, program, 'machine']);
  const fromMesh = async () => {
    const { stdout } = await tested.isthmus([
      ...['exec', 'deploy/web', '-n', 'vms', '--', 'curl', '-s', '-m', '5', '-w', ' %{http_code}', 'http://legacy/'],
    ]);
    return stdout;
  };
  const entry = async () => {
    const found = await tested.isthmus(['get', 'workloadentry', `legacy-${ip}`, '-n', 'vms', '-o', 'json']);
    return found.code === 0
      ? (JSON.parse(found.stdout) as { metadata: { annotations: object }; spec: object })
      : undefined;
  };
  const answers = (expected: RegExp) =>
    until(`the mesh is answered ${expected}`, async () => expected.test(await fromMesh()));

  const machine = start();
  await machine.says(/this machine is in the mesh as/);

  await t.test('the mesh calls the machine by its name', async () => {
    await answers(/^machine to spiffe:\/\/cluster\.local\/ns\/vms\/sa\/default 200$/);
    const { metadata, spec } = (await entry())!;
    assert.equal((metadata.annotations as Record<string, string>)['istio.io/autoRegistrationGroup'], 'legacy');
    assert.deepEqual(spec, {
      address: ip,
      labels: {
        app: 'legacy',
        version: 'v1',
        'service.istio.io/canonical-name': 'legacy',
        'service.istio.io/canonical-revision': 'v1',
      },
      ports: { http: 9000 },
      serviceAccount: 'legacy',
    });
  });

  await t.test('the machine calls the mesh by its names', async () => {
    const args = ['-sS', '-m', '10', '--noproxy', 'none', '-x', `http://${local}:15002`, 'http://web.vms/'];
    const { stdout } = await execute('curl', args);
    assert.equal(stdout, 'web to spiffe://cluster.local/ns/vms/sa/legacy');
  });

  await t.test('the agent answers for the names of the mesh, long and short', async () => {
    const resolver = new Resolver();
    resolver.setServers([`${local}:15053`]);
    const { stdout } = await tested.isthmus(['get', 'pods', '-n', 'vms', '-l', 'app=web', '-o', 'json']);
    const [pod] = (JSON.parse(stdout) as { items: { status: { podIP: string } }[] }).items;
    for (const name of ['web', 'web.vms', 'web.vms.svc', 'web.vms.svc.cluster.local'])
      assert.deepEqual(await resolver.resolve4(name), [pod!.status.podIP], name);
    const [virtual] = await resolver.resolve4('db.example.com');
    assert.match(virtual!, /^240\.240\.\d+\.\d+$/);
    const more = `{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: more, namespace: vms},
      spec: {hosts: [more.example.com], ports: [{number: 1, name: tcp, protocol: TCP}], resolution: STATIC}}`;
    assert.equal((await tested.isthmus(['apply', '-f', '-'], more)).code, 0);
    await until('the new name', async () => (await resolver.resolve4('more.example.com')).length === 1);
    assert.deepEqual(await resolver.resolve4('db.example.com'), [virtual], 'others keep theirs');
  });

  await t.test('a program that is not well gets no requests until it is', async () => {
    await fetch(`http://${local}:9000/status/500`);
    await answers(/ 503$/);
    await fetch(`http://${local}:9000/status/200`);
    await answers(/^machine .* 200$/);
  });

  await t.test('a machine that is switched off is forgotten', async () => {
    await machine.end('SIGKILL');
    await until('the entry is gone', async () => (await entry()) === undefined);
  });

  await t.test('switched on again, its last certificate proves who it is, whatever its token is worth', async () => {
    fs.writeFileSync(path.join(files, 'istio-token'), 'expired');
    const again = start();
    await again.says(/this machine is in the mesh as/);
    await answers(/^machine .* 200$/);
    await again.end('SIGTERM');
    // The sidecar waits for what the program says when it is told to end.
    assert.match(again.output, /last words to web to spiffe:/);
    assert.equal(again.process.exitCode, 3);
  });

  await t.test(
    'after so long that its certificate has expired, it waits for a token and takes it at once',
    async () => {
      fs.rmSync(path.join(files, 'agent/var/lib'), { recursive: true });
      const late = start();
      await late.says(/no new certificate from the authority/);
      assert.equal((await configure()).code, 0);
      await late.says(/this machine is in the mesh as/);
      await answers(/^machine .* 200$/);
      await late.end('SIGTERM');
    },
  );

  await t.test('a machine of another service account is not taken for a member', async () => {
    const group = `{apiVersion: networking.istio.io/v1, kind: WorkloadGroup, metadata: {name: legacy, namespace: vms},
      spec: {template: {serviceAccount: somebody-else}}}`;
    assert.equal((await tested.isthmus(['apply', '-f', '-'], group)).code, 0);
    await until('the entry is gone', async () => (await entry()) === undefined);
    const other = start();
    await other.says(/auto-registration failed: members of WorkloadGroup vms\/legacy have the service account/);
    assert.equal(await entry(), undefined);
  });

  assert.equal(await tested.stop(), 0);
});
