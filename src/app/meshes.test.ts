import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { UserError } from '../base/errors.ts';
import { MeshFolder } from '../local/mesh-folder.ts';
import { findMesh, whenGone } from './meshes.ts';

const discovery = { grpc: '127.0.0.9:15010', secureGrpc: '127.0.0.9:15012', http: '127.0.0.9:8080', monitoring: 'x' };

describe('finding a running mesh', () => {
  let home: string;
  let env: NodeJS.ProcessEnv;
  const servers: net.Server[] = [];

  before(() => {
    home = fs.mkdtempSync(path.join(os.tmpdir(), 'meshes-'));
    env = { ISTHMUS_HOME: home };
  });
  after(() => {
    for (const server of servers) server.close();
    fs.rmSync(home, { recursive: true, force: true });
  });

  /** Leaves what a mesh leaves while it runs. */
  async function record(name: string, { listens = true, pid = process.pid } = {}): Promise<MeshFolder> {
    const folder = new MeshFolder(home, name);
    fs.mkdirSync(folder.path, { recursive: true });
    const { controlSocket } = folder;
    folder.write({ name, dir: `/yaml/${name}`, pid, controlSocket, discovery, startedAt: 1 });
    if (listens) {
      const server = net.createServer((socket) => socket.end());
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(controlSocket, resolve));
    }
    return folder;
  }

  const refuses = (message: RegExp, name?: string) =>
    assert.rejects(findMesh(env, name), (error) => error instanceof UserError && message.test(error.message));

  it('says what to do when there is none, finds the only one, and asks for a name among several', async () => {
    await refuses(/^no mesh runs on this machine; start one with `isthmus up DIR`$/);
    await refuses(/^no mesh "shop" runs on this machine: none does; start one/, 'shop');

    const shop = await record('shop');
    const found = {
      name: 'shop',
      dir: '/yaml/shop',
      pid: process.pid,
      folder: shop.path,
      controlSocket: shop.controlSocket,
      discovery,
    };
    assert.deepEqual(await findMesh(env), found);
    assert.equal(await whenGone(await findMesh(env), 0), false);
    assert.equal(await whenGone({ ...(await findMesh(env)), pid: 2 ** 22 + 1 }, 0), true);
    await refuses(/^no mesh "bank" runs on this machine: there is shop \(of \/yaml\/shop\)$/, 'bank');
    await refuses(/cannot name a mesh/, '../shop');

    // Its process is gone: what it left behind counts for nothing.
    await record('ghost', { pid: 2 ** 22 + 1, listens: false });
    assert.deepEqual(await findMesh(env), found);

    await record('bank', { listens: false });
    await refuses(
      /^several meshes run: bank \(of \/yaml\/bank\), shop \(of \/yaml\/shop\); say which with --mesh NAME$/,
    );
    assert.deepEqual(await findMesh(env, 'shop'), found);
    await refuses(/^the mesh bank \(process \d+\) does not answer: it is starting or stopping/, 'bank');
  });
});
