import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { ownAddress } from '../../test/support/local-mesh.ts';
import { occupiedPorts } from './machine-ports.ts';

test('who is where the sidecar of a machine has to be is named, once for each address', async (t) => {
  const [ip, localAddress] = [ownAddress(), ownAddress()];
  const occupy = async (port: number, host: string) => {
    const server = net.createServer().listen(port, host);
    t.after(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
  };
  assert.deepEqual(await occupiedPorts({ ip, localAddress }), []);
  await occupy(15053, localAddress);
  await occupy(15021, ip);
  await occupy(15090, ip);
  const [outward, inward, ...more] = await occupiedPorts({ ip, localAddress });
  assert.match(outward!, new RegExp(`^${ip}:15021 is in use by process ${process.pid} .* with --ip$`));
  assert.match(inward!, new RegExp(`^${localAddress}:15053 is in use by process .* with --local-address$`));
  assert.deepEqual(more, []);
  assert.match(
    (await occupiedPorts({ ip, localAddress: ip })).join(),
    /^127\S+ is where the program listens; give another/,
  );
  assert.match(
    (await occupiedPorts({ ip: '192.0.2.1', localAddress: ownAddress() }))[0]!,
    /^192\.0\.2\.1:15020 cannot be/,
  );
});
