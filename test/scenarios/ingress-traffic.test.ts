import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apply, backend, curl, gateway, meshFiles, routeTo, service, virtualService } from '../support/ingress.ts';
import { Load, underLoad } from '../support/load.ts';
import { HttpClient } from '../support/load-clients.ts';
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
  const client = () =>
    new HttpClient({ url, host: HOST, sort: ({ status, headers }) => `${status} ${headers['x-version']}` });
  /** So many answers, and no other request than those. */
  const exactly = async (count: number) => {
    const load = new Load(client());
    await load.more(count);
    await load.end();
    return load;
  };
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
    await underLoad(client(), async (load) => {
      await apply(mesh, backend('web', 'v2'));
      await until('v2 is ready', async () => {
        const { pods } = await meshStatus(mesh);
        return pods.some((pod) => pod.name.startsWith('web-v2-') && pod.ready === pod.size) || undefined;
      });
      await load.more(200);
      assert.deepEqual([...load.answers.keys()], ['200 v1'], 'the route names v1');
      await load.change({
        make: () => route({ route: [{ destination: { host: 'web' } }] }),
        sees: ['200 v1', '200 v2'],
      });
    });
  });

  await t.test('90 to 10, within what chance allows', async () => {
    await route({ route: [to('v1')] });
    await underLoad(client(), async (load) => {
      await load.change({ make: () => route({ route: [to('v1', 90), to('v2', 10)] }), sees: ['200 v1', '200 v2'] });
    });

    const split = await exactly(4000);
    const second = split.answers.get('200 v2') ?? 0;
    assert.equal((split.answers.get('200 v1') ?? 0) + second, split.sent);
    // Six standard deviations: one run in 500 million is further off.
    const bound = 6 * Math.sqrt(split.sent * 0.1 * 0.9);
    assert.ok(Math.abs(second - split.sent * 0.1) <= bound, `${second} of ${split.sent} went to v2`);

    await underLoad(client(), async (load) => {
      await load.change({
        make: () => route({ route: [to('v1', 0), to('v2', 100)] }),
        sees: '200 v2',
      });
    });
    assert.deepEqual([...(await exactly(200)).answers.keys()], ['200 v2'], 'a share of 0 is none');
  });

  await t.test('a mirror has every request, and its answers are never seen', async () => {
    const mirror = { host: 'web', subset: 'v2' };
    await route({ route: [to('v1')] });
    await underLoad(client(), async (load) => {
      const before = await countOf('v2');
      await load.change({
        make: () => route({ route: [to('v1')], mirror, mirrorPercentage: { value: 100 } }),
        sees: '200 v1',
        count: 200,
      });
      const mirrored = (await countOf('v2')) - before;
      assert.ok(mirrored >= 200, `${mirrored} requests were mirrored`);
      assert.deepEqual([...load.answers.keys()], ['200 v1'], 'answers come from v1 alone');
    });

    const [first, second] = [await countOf('v1'), await countOf('v2')];
    const { sent, answers } = await exactly(2000);
    assert.deepEqual([...answers], [['200 v1', sent]], 'answers come from v1 alone');
    assert.equal((await countOf('v1')) - first, sent);
    // A mirrored request is not waited for: the last may still be on their way.
    await until('the mirror has had them all', async () => (await countOf('v2')) - second === sent || undefined);
  });
});
