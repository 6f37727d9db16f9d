import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { RuntimeSchema } from '../../src/api/gen/envoy/service/runtime/v3/rtds_pb.ts';
import { cluster, HTTP2, httpListener, percent } from '../support/envoy-config.ts';
import { exchange } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import { requestBytes, type Twin, twinProxies } from '../support/twin-proxies.ts';

const gated = (key: string): JsonObject => ({
  match: { prefix: `/${key}`, runtime_fraction: { runtime_key: `gate.${key}`, default_value: percent(0) } },
  direct_response: { status: 200, body: { inline_string: 'open' } },
});

/** A tree of runtime values that can take the place of another. */
function tree(folder: string, name: string, files: Readonly<Record<string, string>>): string {
  const root = path.join(folder, name);
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    fs.writeFileSync(path.join(root, file), text);
  }
  return root;
}

/** Moves a link to a tree into place. */
function point(folder: string, link: string, target: string): void {
  fs.symlinkSync(target, path.join(folder, 'draft'));
  fs.renameSync(path.join(folder, 'draft'), path.join(folder, link));
}

const FIRST = {
  'runtime/gate/disk': '100\n',
  'runtime/texts/long': '# a comment\none\n\ntwo  \n# the end\n',
  'runtime/texts/spaces': ' x \n',
  'runtime/texts/none': '# nothing\n',
  'runtime/numbers/one': '1.5',
  'runtime/layered': 'disk',
  'clusters/node-cluster/layered': 'cluster',
  'clusters/other/layered': 'other',
};

/** What /runtime and the routes say, and what was counted of loads. */
async function seen(twin: Twin) {
  const { entries, layers } = JSON.parse(await twin.admin('/runtime'));
  const answers: Record<string, string> = {};
  for (const key of ['disk', 'file', 'ads']) {
    const { body } = await exchange(twin.env.port('main'), [requestBytes({ path: `/${key}` })]);
    answers[key] = String(body) === 'open' ? 'open' : 'closed';
  }
  const stats = await twin.admin('/stats?filter=^runtime');
  const [names, values] = [/^(.*): .*$/, /^(runtime\.(?:num_|load_error|admin).*): (.*)$/].map((shape) =>
    stats.split('\n').flatMap((line) => shape.exec(line)?.slice(1).join(' ') ?? []),
  );
  return { entries, layers, answers, names: names!.filter((name) => !/deprecated|control_plane/.test(name)), values };
}

test('layers of the runtime come out of folders and by discovery', { skip: withoutReference }, async (t) => {
  const planes = new Map<number, ScriptedControlPlane>();
  const xds = async (context: TestContext) => {
    const plane = new ScriptedControlPlane();
    const port = await plane.listen();
    planes.set(port, plane);
    context.after(() => plane.close());
    return port;
  };
  const runtime = (name: string, layer: JsonObject): JsonObject => ({ [name]: { name, layer } });
  const putFile = (folder: string, layer: JsonObject) => {
    const resource = { '@type': 'type.googleapis.com/envoy.service.runtime.v3.Runtime', name: 'filed', layer };
    fs.writeFileSync(path.join(folder, 'draft'), JSON.stringify({ version_info: '1', resources: [resource] }));
    fs.renameSync(path.join(folder, 'draft'), path.join(folder, 'rtds.json'));
  };
  const grpc = { transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }] };
  const twins = await twinProxies(t, {
    listeners: ['main'],
    servers: { xds },
    bootstrap(env): JsonObject {
      const { folder } = env;
      point(folder, 'current', tree(folder, 'first', FIRST));
      putFile(folder, { gate: { file: 100 }, layered: 'file' });
      const plane = planes.get(env.backend('xds'))!;
      plane.set(RuntimeSchema, {
        ...runtime('by-ads', { gate: { ads: 100 }, 'dotted.key': true }),
      } as never);
      plane.push();
      const disk = (subdirectory: string, more: JsonObject = {}): JsonObject => ({
        disk_layer: { symlink_root: path.join(folder, 'current'), subdirectory, ...more },
      });
      return {
        node: { id: 'node-id', cluster: 'node-cluster' },
        dynamic_resources: { ads_config: { api_type: 'GRPC', ...grpc } },
        layered_runtime: {
          layers: [
            { name: 'static', static_layer: { layered: 'static', 'only.static': 7 } },
            { name: 'disk', ...disk('runtime') },
            { name: 'cluster', ...disk('clusters', { append_service_cluster: true }) },
            { name: 'missing', ...disk('nothing') },
            {
              name: 'file',
              rtds_layer: {
                name: 'filed',
                rtds_config: {
                  path_config_source: { path: path.join(folder, 'rtds.json') },
                  resource_api_version: 'V3',
                },
              },
            },
            { name: 'ads', rtds_layer: { name: 'by-ads', rtds_config: { ads: {}, resource_api_version: 'V3' } } },
            { name: 'admin', admin_layer: {} },
          ],
        },
        static_resources: {
          listeners: [
            httpListener('main', {
              port: env.port('main'),
              log: env.log('main'),
              routes: [
                ...['disk', 'file', 'ads'].map(gated),
                { match: { prefix: '/' }, direct_response: { status: 404 } },
              ],
            }),
          ],
          clusters: [cluster('xds', env.backend('xds'), HTTP2)],
        },
      };
    },
  });
  const both = [twins.envoy, twins.isthmus] as const;
  const same = async () => {
    const [theirs, ours] = await Promise.all(both.map(seen));
    assert.deepEqual(ours, theirs);
    return theirs!;
  };
  const reached = (key: string, answer: string) =>
    Promise.all(
      both.map((twin) =>
        until(
          `${twin.program}: ${key} is ${answer}`,
          async () => (await seen(twin)).answers[key] === answer || undefined,
        ),
      ),
    );
  await t.test('at the start', async () => {
    const { layers, answers, entries } = await same();
    assert.deepEqual(layers, ['static', 'disk', 'cluster', 'file', 'ads', 'admin']);
    assert.deepEqual(answers, { disk: 'open', file: 'open', ads: 'open' });
    assert.equal(entries.layered.final_value, 'file');
  });
  await t.test('another tree in the place of the first', async () => {
    for (const twin of both) {
      const { folder } = twin.env;
      const second = { 'runtime/gate/disk': '0', 'clusters/node-cluster/layered': 'changed', 'nothing/now': 'there' };
      point(folder, 'current', tree(folder, 'second', second));
    }
    await reached('disk', 'closed');
    const { layers } = await same();
    assert.ok(layers.includes('missing'));
  });
  await t.test('discovered anew', async () => {
    for (const twin of both) {
      putFile(twin.env.folder, { layered: 'file again' });
      const plane = planes.get(twin.env.backend('xds'))!;
      plane.set(RuntimeSchema, {
        ...runtime('by-ads', { gate: { ads: 0 } }),
      } as never);
      plane.push();
    }
    for (const key of ['file', 'ads']) await reached(key, 'closed');
    await same();
  });
  await t.test('a tree that cannot be taken is left out', async () => {
    for (const twin of both) {
      const { folder } = twin.env;
      const deep = `runtime/${Array.from({ length: 17 }, (_, i) => `d${i}`).join('/')}/file`;
      point(folder, 'current', tree(folder, 'third', { [deep]: '1', 'clusters/node-cluster/layered': 'third' }));
    }
    await Promise.all(
      both.map((twin) =>
        until(`${twin.program} has the third`, async () => {
          const { entries } = await seen(twin);
          return entries.layered.layer_values.includes('third') || undefined;
        }),
      ),
    );
    const { layers, values } = await same();
    assert.ok(!layers.includes('disk'));
    assert.ok(values!.includes('runtime.load_error 3'), String(values));
  });
});
