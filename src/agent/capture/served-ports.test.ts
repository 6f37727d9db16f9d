import assert from 'node:assert/strict';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { ServedPorts } from './served-ports.ts';

async function listen(t: TestContext, host: string): Promise<net.Server> {
  const server = net.createServer().listen(0, host);
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  return server;
}
const portOf = (server: net.Server) => (server.address() as net.AddressInfo).port;

test('ports on which somebody listens for everybody come and go', { skip: process.platform !== 'linux' }, async (t) => {
  const log: string[] = [];
  let refused = 0;
  const gate = {
    pid: process.pid,
    async admit(port: number) {
      if (port === refused) throw new Error('in use');
      log.push(`admit ${port}`);
    },
    dismiss: (port: number) => void log.push(`dismiss ${port}`),
  };
  const declared = await listen(t, '0.0.0.0');
  const served = new ServedPorts([portOf(declared)], gate, (problem) => void log.push(problem));
  t.after(() => served.close());
  await served.open();
  assert.deepEqual([log.splice(0), served.ports], [[`admit ${portOf(declared)}`], [portOf(declared)]]);

  const [open, own, bad] = [await listen(t, '::'), await listen(t, '127.0.0.1'), await listen(t, '0.0.0.0')];
  refused = portOf(bad);
  let changes = 0;
  const forget = served.onChange(() => changes++);
  for (let i = 0; i < 2; i++) await served.look();
  // Other programs of this machine listen as well.
  const about = (server: net.Server) => log.filter((line) => line.includes(`${portOf(server)}`));
  assert.deepEqual(about(open), [`admit ${portOf(open)}`]);
  assert.deepEqual([about(own), about(declared)], [[], []]);
  assert.deepEqual(about(bad), [`port ${refused} of the programs is not reached: in use`]);
  assert.ok(changes >= 1);
  assert.ok(served.ports.includes(portOf(open)) && !served.ports.includes(refused));

  const port = portOf(open);
  await new Promise((resolve) => open.close(resolve));
  forget();
  const before = changes;
  await served.look();
  assert.ok(!served.ports.includes(port) && served.ports.includes(portOf(declared)));
  assert.deepEqual(log.at(-1), `dismiss ${port}`);
  assert.equal(changes, before);
});
