import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { isAnyAddress, listeningSocketsOf, ownerOf, parse } from './listening-sockets.ts';

test('the tables of the kernel', () => {
  const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
  const rest = '00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n';
  const line = (local: string, state: string) => `   0: ${local} 00000000:0000 ${state} ${rest}`;
  assert.deepEqual(
    parse(head + line('0100007F:1F90', '0A') + line('0100007F:1F91', '01') + line('00000000:0050', '0A')),
    [
      { address: '127.0.0.1', port: 8080, inode: 4711 },
      { address: '0.0.0.0', port: 80, inode: 4711 },
    ],
  );
  const six = (address: string) => parse(head + line(`${address}:0050`, '0A'))[0]?.address;
  assert.equal(six('00000000000000000000000000000000'), '::');
  assert.equal(six('0000000000000000FFFF00000100007F'), '127.0.0.1');
  assert.equal(six('00000000000000000000000001000000'), '0:0:0:0:0:0:0:1');
  assert.ok(isAnyAddress('::') && isAnyAddress('0.0.0.0') && !isAnyAddress('127.0.0.1'));
  assert.deepEqual(parse(''), []);
});

const linux = process.platform === 'linux' ? false : 'there is no /proc';

test('who listens is found by address and port', { skip: linux }, async (t) => {
  const server = net.createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  assert.equal(ownerOf('127.0.0.1', port)?.pid, process.pid);
  assert.equal(ownerOf('0.0.0.0', port)?.pid, process.pid);
  assert.match(ownerOf('127.0.0.1', port)?.command ?? '', /node/);
  assert.equal(ownerOf('127.0.0.2', port), undefined);
});

test('where a program and its children listen is found by their group', { skip: linux }, async (t) => {
  const script = 'require("net").createServer().listen(0, "0.0.0.0", function () { console.log(this.address().port) })';
  const child = spawn('/bin/sh', ['-c', '"$0" -e "$1"; exit', process.execPath, script], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => process.kill(-child.pid!, 'SIGKILL'));
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  const found = listeningSocketsOf(child.pid!);
  assert.deepEqual(
    found.map(({ address, port }) => ({ address, port })),
    [{ address: '0.0.0.0', port: Number(line.toString()) }],
  );
});
