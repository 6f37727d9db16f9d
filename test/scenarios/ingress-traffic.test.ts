import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apply, backend, curl, gateway, meshFiles, routeTo, service, virtualService } from '../support/ingress.ts';
import { Load } from '../support/load.ts';
import { meshStatus, TestedMesh } from '../support/local-mesh.ts';
import { until } from '../support/reference.ts';

const HOST = 'api.example.com';

const subsets = `${JSON.stringify({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'web' },
  spec: { host: 'web', subsets: ['v1', 'v2'].map((version) => ({ name: version, labels: { version } })) },
})}
---
`;

const to = (subset: string, weight?: number) => ({
  destination: { host: 'web', subset },
  ...(weight === undefined ? {} : { weight }),
});

test('traffic is split and mirrored at the edge', async (t) => {
  const mesh = await TestedMesh.start(t, meshFiles(backend('web', 'v1'), service('web'), subsets));
  const url = `http://${mesh.gateway(80)}/`;
  const route = (http: object) => apply(mesh, virtualService('web', HOST, 'edge', { http: [http] }));
  const load = () =>
    Load.start(t, { url, host: HOST, sort: (answer) => `${answer.statusCode} ${answer.headers['x-version']}` });
  await apply(
    mesh,
    gateway('edge', { port: 80, protocol: 'HTTP', name: 'http', hosts: [HOST] }),
    virtualService('web', HOST, 'edge', routeTo('web')),
  );

  /** How many requests a version has had; asked past its sidecar's gateway, from within the mesh. */
  const countOf = async (version: string) => {
    const { pods } = await meshStatus(mesh);
    const pod = pods.find(({ name }) => name.startsWith(`web-${version}-`));
    return Number((await curl(mesh, `http://${pod?.programAddress}:3000/count`)).body);
  };

  await t.test('a second version comes: it takes its share of the service, and nothing is lost', async () => {
    await route({ route: [to('v1')] });
    const steady = load();
    await steady.see('200 v1');
    await apply(mesh, backend('web', 'v2'));
    await until('v2 is ready', async () => {
      const { pods } = await meshStatus(mesh);
      return pods.some((pod) => pod.name.startsWith('web-v2-') && pod.ready === pod.size) || undefined;
    });
    await steady.more(500);
    assert.deepEqual([...steady.answers.keys()], ['200 v1'], 'the route names v1');
    await route({ route: [{ destination: { host: 'web' } }] });
    await steady.see('200 v2');
    await steady.stop();
    assert.deepEqual([steady.failed, steady.failures], [0, []]);
    assert.equal(steady.count('200 v1') + steady.count('200 v2'), steady.sent);
  });

  await t.test('90 to 10, within what chance allows', async () => {
    await route({ route: [to('v1')] });
    const before = load();
    await before.see('200 v1');
    await route({ route: [to('v1', 90), to('v2', 10)] });
    await before.see('200 v2');
    await before.stop();
    assert.deepEqual([before.failed, before.failures], [0, []]);

    const split = load();
    await split.more(4000);
    await split.stop();
    assert.deepEqual([split.failed, split.failures], [0, []]);
    const n = split.sent;
    const second = split.count('200 v2');
    assert.equal(split.count('200 v1') + second, n);
    // Six standard deviations: one run in 500 million is further off.
    const bound = 6 * Math.sqrt(n * 0.1 * 0.9);
    assert.ok(Math.abs(second - n * 0.1) <= bound, `${second} of ${n} went to v2`);

    const all = load();
    await all.see('200 v1');
    await route({ route: [to('v1', 0), to('v2', 100)] });
    await all.see('200 v2');
    await all.stop();
    assert.deepEqual([all.failed, all.failures], [0, []]);
    const after = load();
    await after.more(200);
    await after.stop();
    assert.deepEqual([...after.answers.keys()], ['200 v2'], 'a share of 0 is none');
  });

  await t.test('a mirror has every request, and its answers are never seen', async () => {
    await route({ route: [to('v1')] });
    const steady = load();
    await steady.see('200 v1');
    await route({ route: [to('v1')], mirror: { host: 'web', subset: 'v2' }, mirrorPercentage: { value: 100 } });
    await steady.more(200);
    await steady.stop();
    assert.deepEqual([steady.failed, steady.failures], [0, []]);

    const [first, second] = [await countOf('v1'), await countOf('v2')];
    const mirrored = load();
    await mirrored.more(2000);
    await mirrored.stop();
    assert.deepEqual([mirrored.failed, mirrored.failures], [0, []]);
    assert.deepEqual([...mirrored.answers.keys()], ['200 v1'], 'answers come from v1 alone');
    assert.equal(mirrored.count('200 v1'), mirrored.sent);
    assert.equal((await countOf('v1')) - first, mirrored.sent);
    // A mirrored request is not waited for: the last may still be on their way.
    await until(
      'the mirror has had them all',
      async () => (await countOf('v2')) - second === mirrored.sent || undefined,
    );
  });
});
