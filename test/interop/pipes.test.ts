import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, start, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

const pipe = (file: string, mode?: number): JsonObject => ({
  pipe: { path: file, ...(mode !== undefined && { mode }) },
});

/** A cluster whose one endpoint is a socket with a name. */
const through = (name: string, file: string): JsonObject => ({
  ...cluster(name, 0),
  load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: pipe(file) } }] }] },
});

/** A listener at a path that sends everything on to `backend`. */
const at = (env: TwinEnv, name: string, address: JsonObject): JsonObject => ({
  ...httpListener(name, { port: 0, log: env.log(name) }),
  address,
});

/** A socket that nobody listens at any more. */
async function leftBehind(file: string): Promise<void> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(`${file}.own`, resolve));
  fs.linkSync(`${file}.own`, file);
  await new Promise((resolve) => server.close(resolve));
  assert.ok(fs.lstatSync(file).isSocket());
}

test('listeners and endpoints at paths and at names of the system', { skip: withoutReference }, async (t) => {
  const folders: string[] = [];
  const twins = await twinProxies(t, {
    listeners: ['main', 'abstract'],
    bootstrap(env) {
      const file = path.join(env.folder, 'in.sock');
      const name = `@isthmus-test-${crypto.randomUUID()}`;
      folders.push(file);
      return {
        static_resources: {
          listeners: [
            at(env, 'file', pipe(file, 0o600)),
            at(env, 'name', pipe(name)),
            httpListener('main', {
              port: env.port('main'),
              log: env.log('main'),
              routes: [{ match: { prefix: '/' }, route: { cluster: 'file' } }],
              logFormat: '%UPSTREAM_HOST%',
            }),
            httpListener('abstract', {
              port: env.port('abstract'),
              log: env.log('abstract'),
              routes: [{ match: { prefix: '/' }, route: { cluster: 'name' } }],
            }),
          ],
          clusters: [through('file', file), through('name', name), cluster('backend', env.backend('backend'))],
        },
      };
    },
  });
  await compare(t, twins, [
    { name: 'through a file', want: { status: 200, upstream: 1, log: /<folder>\/in\.sock$/ } },
    { name: 'through a name', listener: 'abstract', want: { status: 200, upstream: 1 } },
  ]);
  for (const file of folders) assert.equal((fs.statSync(file).mode & 0o777).toString(8), '600', file);
});

test('a socket that was left behind is replaced', { skip: withoutReference }, async (t) => {
  for (const program of ['envoy', 'isthmus'] as const) {
    const folder = fs.mkdtempSync(path.join(fs.realpathSync('/tmp'), 'isthmus-pipe-'));
    t.after(() => fs.rmSync(folder, { recursive: true }));
    const file = path.join(folder, 'in.sock');
    await leftBehind(file);
    const bootstrap = (env: TwinEnv): JsonObject => ({
      static_resources: {
        listeners: [at(env, 'file', pipe(file))],
        clusters: [cluster('backend', env.backend('backend'))],
      },
    });
    await start(t, program, { listeners: [], bootstrap });
  }
});
