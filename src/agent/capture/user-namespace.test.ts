import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type dgram from 'node:dgram';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { ownAddress } from '../../../test/support/local-mesh.ts';
import { scratch, until } from '../../../test/support/reference.ts';
import { listeningSockets } from '../../process/listening-sockets.ts';
import { within } from '../../process/within.ts';
import { originalDestination } from '../../proxy/net/original-destination.ts';
import { outsideCaptureOptions } from './options.ts';
import { UserNamespace, userNamespaceEntrance, userNamespaceRules, whyNoUserNamespaces } from './user-namespace.ts';

test('everything goes to the sidecar: pods on the same loopback too, nothing past it', () => {
  assert.equal(
    userNamespaceRules(outsideCaptureOptions({}, '127.64.0.0/16')),
    `*nat
:ISTIO_INBOUND - [0:0]
:ISTIO_REDIRECT - [0:0]
:ISTIO_IN_REDIRECT - [0:0]
:ISTIO_OUTPUT - [0:0]
:ISTIO_OUTPUT_DNS - [0:0]
-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_OUTPUT_DNS
-A ISTIO_OUTPUT_DNS -p tcp --dport 53 -j REDIRECT --to-ports 15053
-A ISTIO_OUTPUT_DNS -p udp --dport 53 -j REDIRECT --to-ports 15053
-A ISTIO_OUTPUT -d 127.64.0.0/16 -p tcp -j ISTIO_REDIRECT
-A ISTIO_OUTPUT -d 127.0.0.0/8 -j RETURN
-A ISTIO_OUTPUT -p tcp -j ISTIO_REDIRECT
COMMIT
*filter
-A OUTPUT ! -d 127.0.0.0/8 -p tcp -j REJECT --reject-with tcp-reset
-A OUTPUT ! -d 127.0.0.0/8 -j REJECT
COMMIT
`,
  );
});

const ADDRESS = '127.64.0.9';
const ANNOTATIONS = { 'traffic.sidecar.istio.io/excludeOutboundPorts': '3306' };

/** Runs a script of Node's among the programs; what it prints. */
async function inside(link: string, script: string): Promise<string> {
  const { command, args } = within(userNamespaceEntrance(link), process.execPath, ['-e', script]);
  const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  await once(child, 'close');
  return text.trim();
}

async function open(t: TestContext): Promise<{ space: UserNamespace; link: string } | undefined> {
  const reason = await whyNoUserNamespaces();
  if (reason !== undefined) {
    t.skip(`no user namespaces can be made here: ${reason}`);
    return undefined;
  }
  const link = path.join(scratch(t), 'ns');
  const rules = userNamespaceRules(outsideCaptureOptions(ANNOTATIONS, '127.64.0.0/16'));
  const space = await UserNamespace.open({ address: ADDRESS, rules, link, onEnd: () => {} });
  t.after(() => space.close());
  return { space, link };
}

test('what programs send arrives outside, with where it was going and from which pod', async (t) => {
  const { space, link } = (await open(t)) ?? {};
  if (space === undefined || link === undefined) return;
  const server = net.createServer((socket) => {
    const { address, port } = originalDestination(socket) ?? {};
    socket.end(`${address}:${port} from ${socket.remoteAddress}`);
  });
  server.listen(await space.listenTcp(15001));
  t.after(() => server.close());
  const connect = (host: string, port: number) =>
    inside(
      link,
      `require('net').connect(${port}, '${host}').on('error', (e) => console.log(e.code)).pipe(process.stdout)`,
    );
  assert.equal(await connect('192.0.2.7', 81), `192.0.2.7:81 from ${ADDRESS}`);
  assert.match(await connect('127.64.0.3', 80), /^127\.64\.0\.3:80 from 127\./);
  assert.equal(await connect('192.0.2.7', 3306), 'ECONNREFUSED', 'excluded, and there is no other way');
  assert.equal(await connect('127.0.0.1', 80), 'ECONNREFUSED', 'localhost is their own');
});

test('names are asked outside', async (t) => {
  const { space, link } = (await open(t)) ?? {};
  if (space === undefined || link === undefined) return;
  const socket: dgram.Socket = await space.listenUdp(15053);
  t.after(() => socket.close());
  socket.on('message', (message, from) => socket.send(`heard ${message}`, from.port, from.address));
  const script = `const s = require('dgram').createSocket('udp4');
    s.on('message', (m, f) => { console.log(m + ' by ' + f.address); s.close(); });
    s.send('x', 53, '192.0.2.53');`;
  assert.equal(await inside(link, script), 'heard x by 192.0.2.53');
});

test('what comes in is handed on to a program that knows of nothing', async (t) => {
  const { space, link } = (await open(t)) ?? {};
  if (space === undefined || link === undefined) return;
  const host = ownAddress();
  await space.admit(80, host, 18080);
  const program = `require('net').createServer((s) => s.end('hello ' + s.remoteAddress)).listen(80, '0.0.0.0')`;
  const { command, args } = within(userNamespaceEntrance(link), process.execPath, ['-e', program]);
  const child = spawn(command, [...args], { stdio: 'inherit' });
  t.after(() => child.kill('SIGKILL'));
  const ask = async () => {
    let text = '';
    for await (const chunk of net.connect(18080, host)) text += String(chunk);
    return text;
  };
  assert.equal(await until('the program answers', async () => (await ask()) || undefined), 'hello 127.0.0.6');
  assert.ok(listeningSockets(space.pid!).some(({ address, port }) => address === '0.0.0.0' && port === 80));
  space.dismiss(80);
  await until('nothing is let in', () =>
    ask().then(
      () => false,
      (error) => error.code === 'ECONNREFUSED',
    ),
  );
});

test('when it is closed, nobody can enter it', async (t) => {
  const { space, link } = (await open(t)) ?? {};
  if (space === undefined || link === undefined) return;
  assert.match(fs.readlinkSync(link), /^\/proc\/\d+\/ns$/);
  space.close();
  assert.equal(fs.existsSync(link), false);
  await assert.rejects(space.listenTcp(15001), { message: /^no network namespace of its own: closed/ });
});
