import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { captureOptionsOf } from '../../src/agent/capture/options.ts';
import { MeshNetwork, PROXY_GROUP, whyNoNamespaces } from '../../src/local/capture/mesh-network.ts';
import { takeSlot } from '../../src/local/slot.ts';
import { NetworkNamespace } from '../../src/process/network-namespace.ts';
import { within } from '../../src/process/within.ts';
import { execute } from '../support/local-mesh.ts';

/** What each annotation of Istio's does to the traffic of a pod, in a kernel: who gets a connection is told by its answer. */

/** Listens on the ports of its arguments, `NAME:PORT`, and says its name to whoever comes. */
const LISTENER = `
const net = require('net');
const places = process.argv.slice(1).map((text) => text.split(':'));
let left = places.length;
for (const [name, port] of places)
  net.createServer((socket) => socket.on('error', () => {}).end(name)).listen(Number(port), '0.0.0.0', () => --left || console.log('ready'));
`;
/** Says for each \`IP:PORT\` who answers there. */
const CALLER = `
const net = require('net');
const ask = (place) => new Promise((resolve) => {
  const [host, port] = place.split(':');
  let text = '';
  const socket = net.connect({ host, port: Number(port) }).setTimeout(3000, () => resolve('silence'));
  socket.on('data', (chunk) => (text += chunk)).on('end', () => resolve(text)).on('error', (error) => resolve(error.code));
});
Promise.all(process.argv.slice(1).map(ask)).then((answers) => console.log(JSON.stringify(answers)));
`;
const PREFIX = 'traffic.sidecar.istio.io/';
/** Ports of programs, in the pod and outside of it. */
const PORTS = [8080, 9000];

interface Case {
  /** Without the prefix; `HOST` is the address outside of the pod. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Who answers at port 8080 and 9000 of the pod, asked from outside. */
  readonly inward: readonly string[];
  /** Who answers at port 8080 and 9000 outside, asked from the pod. */
  readonly outward: readonly string[];
}

const [IN, OUT] = ['inbound', 'outbound'];
const BOTH = { inward: [IN, IN], outward: [OUT, OUT] };
const ELSEWHERE = '192.0.2.0/24';
const CASES: readonly Case[] = [
  { annotations: {}, ...BOTH },
  { annotations: { includeInboundPorts: '8080' }, ...BOTH, inward: [IN, 'pod'] },
  { annotations: { includeInboundPorts: '' }, ...BOTH, inward: ['pod', 'pod'] },
  { annotations: { excludeInboundPorts: '8080' }, ...BOTH, inward: ['pod', IN] },
  { annotations: { excludeOutboundPorts: '9000' }, ...BOTH, outward: [OUT, 'other'] },
  { annotations: { includeOutboundIPRanges: ELSEWHERE }, ...BOTH, outward: ['other', 'other'] },
  { annotations: { includeOutboundIPRanges: 'HOST/32' }, ...BOTH },
  {
    annotations: { includeOutboundIPRanges: ELSEWHERE, includeOutboundPorts: '8080' },
    ...BOTH,
    outward: [OUT, 'other'],
  },
  { annotations: { excludeOutboundIPRanges: 'HOST/32' }, ...BOTH, outward: ['other', 'other'] },
  { annotations: { excludeInterfaces: 'eth0' }, inward: ['pod', 'pod'], outward: ['other', 'other'] },
];

function start(t: TestContext, enter: readonly string[], words: readonly string[]): Promise<void> {
  const { command, args } = within(enter, process.execPath, ['-e', LISTENER, ...words]);
  const child: ChildProcess = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return new Promise((resolve) => child.stdout!.once('data', () => resolve()));
}

async function answersOf(enter: readonly string[], places: readonly string[]): Promise<string[]> {
  const { command, args } = within(enter, process.execPath, ['-e', CALLER, ...places]);
  const { stdout, stderr } = await execute(command, args);
  assert.equal(stderr, '');
  return JSON.parse(stdout) as string[];
}

test('annotations say what of the traffic of a pod its sidecar gets', async (t) => {
  const reason = await whyNoNamespaces();
  if (reason !== undefined) {
    t.skip(`no network namespaces can be made here: ${reason}`);
    return;
  }
  const slot = await takeSlot('netns');
  t.after(() => slot.release());
  const network = await MeshNetwork.open(slot.number, 'annotations');
  t.after(() => network.close());
  const host = network.host;
  for (const port of PORTS) {
    const server = net.createServer((socket) => socket.on('error', () => {}).end('other')).listen(port, host);
    t.after(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
  }
  await Promise.all(
    CASES.map(async ({ annotations: written, inward, outward }, i) => {
      const [name, address] = [`test/pod${i}`, `${slot.pool.podPrefix}0.${i + 1}`];
      const annotations = Object.fromEntries(
        Object.entries(written).map(([key, value]) => [PREFIX + key, value.replace('HOST', host)]),
      );
      const rules = { ...captureOptionsOf(annotations), proxyUids: [], proxyGids: [PROXY_GROUP] };
      await network.addPod(name, address, rules);
      const enter = NetworkNamespace.entrance(network.nameOf(name));
      await start(t, [...enter, '--setgid', String(PROXY_GROUP)], [`${OUT}:15001`, `${IN}:15006`]);
      await start(
        t,
        enter,
        PORTS.map((port) => `pod:${port}`),
      );
      const at = (ip: string) => PORTS.map((port) => `${ip}:${port}`);
      const found = { inward: await answersOf([], at(address)), outward: await answersOf(enter, at(host)) };
      assert.deepEqual(found, { inward, outward }, JSON.stringify(annotations));
    }),
  );
});
