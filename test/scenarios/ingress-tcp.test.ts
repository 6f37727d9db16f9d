import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import net from 'node:net';
import { test } from 'node:test';
import { apply, backend, gateway, meshFiles, routeTo, service, virtualService } from '../support/ingress.ts';
import { underLoad } from '../support/load.ts';
import { HttpClient, refused, TcpClient } from '../support/load-clients.ts';
import { execute, isListening, TestedMesh } from '../support/local-mesh.ts';

const ECHO = `
import net from 'node:net';
const { HOST, PORT } = process.env;
net.createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).pipe(socket)).listen(Number(PORT), HOST);
`;

const workload = (app: string, command: string[], port: number) => `${JSON.stringify({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: app },
  spec: { selector: { app }, ports: [{ name: 'tcp', port }] },
})}
---
${JSON.stringify({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: app },
  spec: {
    selector: { matchLabels: { app } },
    template: {
      metadata: { labels: { app } },
      spec: { containers: [{ name: app, command, ports: [{ containerPort: port }] }] },
    },
  },
})}
---
`;

const PORT = 31400;
const TCP = gateway('tcp', { port: PORT, protocol: 'TCP', name: 'tcp', hosts: ['*'] });
const to = (host: string, port: number) =>
  virtualService('tcp', '*', 'tcp', {
    tcp: [{ match: [{ port: PORT }], route: [{ destination: { host, port: { number: port } } }] }],
  });

const withoutRedis = ['redis-server', 'redis-cli'].some((name) => spawnSync(name, ['--version']).status !== 0)
  ? 'no redis-server and redis-cli on this machine'
  : false;

test('ingress of TCP beside HTTP', async (t) => {
  const files = meshFiles(backend('web', 'v1'), service('web'), workload('echo', ['node', 'echo.mjs'], 9000));
  const redis = withoutRedis
    ? ''
    : workload('redis', ['sh', '-c', 'exec redis-server --bind $HOST --port $PORT --save "" --appendonly no'], 6379);
  const mesh = await TestedMesh.start(t, { ...files, 'echo.mjs': ECHO, 'redis.yaml': redis });
  const host = 'api.example.com';
  await apply(
    mesh,
    gateway('edge', { port: 80, protocol: 'HTTP', name: 'http', hosts: [host] }),
    virtualService('web', host, 'edge', routeTo('web')),
  );
  const web = () => new HttpClient({ url: `http://${mesh.gateway(80)}/`, host });
  const [address = '', port = ''] = mesh.gateway(PORT).split(':');

  /** Sends everything and ends its side; resolves with all that came back until the other side ended. */
  const exchange = (data: Buffer) =>
    new Promise<Buffer>((resolve, reject) => {
      const chunks: Buffer[] = [];
      const socket = net.connect({ host: address, port: Number(port), allowHalfOpen: true });
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.on('end', () => resolve(Buffer.concat(chunks)));
      socket.on('error', reject);
      socket.end(data);
    });

  await t.test(
    'an echo: bytes both ways, half-closed, and a connection that lives on while configuration changes',
    async () => {
      assert.equal(await isListening(address, Number(port)), false);
      await underLoad(web(), (load) =>
        load.change({
          make: () => apply(mesh, TCP, to('echo', 9000)),
          sees: 'hello',
          by: new TcpClient(mesh.gateway(PORT), 'hello'),
        }),
      );
      const data = Buffer.alloc(1_000_000, 'bytes that are no protocol of anybody \0\xff');
      assert.ok((await exchange(data)).equals(data));

      const socket = net.connect({ host: address, port: Number(port) });
      t.after(() => void socket.destroy());
      const said = async (text: string) => {
        const answer = new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(String(chunk))));
        socket.write(text);
        return answer;
      };
      assert.equal(await said('one'), 'one');
      // Another port and another host: neither concerns this connection.
      const more = gateway('more', { port: 8085, protocol: 'HTTP', name: 'http', hosts: ['more.example.com'] });
      await underLoad(new TcpClient(mesh.gateway(PORT), 'hello'), (load) =>
        load.change({
          make: () => apply(mesh, more, virtualService('more', 'more.example.com', 'more', routeTo('web'))),
          sees: '200',
          by: new HttpClient({ url: `http://${mesh.gateway(8085)}/`, host: 'more.example.com' }),
        }),
      );
      assert.equal(await said('two'), 'two');
    },
  );

  await t.test('Redis, by its own client', { skip: withoutRedis }, async () => {
    const open = net.connect({ host: address, port: Number(port) });
    t.after(() => void open.destroy());
    await new Promise<void>((resolve) => open.once('connect', () => resolve()));
    await underLoad(new TcpClient(mesh.gateway(PORT), 'PING\r\n'), async (load) => {
      await load.change({ make: () => apply(mesh, to('redis', 6379)), sees: '+PONG\r\n' });
      assert.deepEqual([...load.answers.keys()], ['PING\r\n', '+PONG\r\n']);
    });
    const answered = new Promise<string>((resolve) => open.once('data', (chunk) => resolve(String(chunk))));
    open.write('still the echo');
    assert.equal(await answered, 'still the echo', 'a connection stays where it went');

    const redisCli = async (...args: string[]) => {
      const { stdout, stderr } = await execute('redis-cli', ['-h', address, '-p', port, ...args]);
      assert.equal(stderr, '');
      return stdout.trim();
    };
    assert.equal(await redisCli('ping'), 'PONG');
    assert.equal(await redisCli('set', 'key', 'value'), 'OK');
    assert.equal(await redisCli('get', 'key'), 'value');
  });

  await t.test('the port closes with its Gateway', async () => {
    await underLoad(web(), (load) =>
      load.change({
        make: async () => assert.equal((await mesh.isthmus(['delete', 'gateway', 'tcp', '--wait'])).code, 0),
        sees: 'refused',
        by: refused(new TcpClient(mesh.gateway(PORT), 'hello')),
      }),
    );
    assert.equal(await isListening(address, Number(port)), false);
  });
});
