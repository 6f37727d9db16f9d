import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { MeshNetwork, whyNoNamespaces } from '../../src/local/capture/mesh-network.ts';
import { JoinServer } from '../../src/local/join-server.ts';
import { takeSlot } from '../../src/local/slot.ts';
import { NetworkNamespace } from '../../src/process/network-namespace.ts';
import { within } from '../../src/process/within.ts';
import { execute } from '../support/local-mesh.ts';

/** What `isthmus join` says of firewalls between a machine and the mesh, each way blocked for itself in a kernel. */

const JOIN = path.join(import.meta.dirname, '../../src/app/join.ts');
const PREFLIGHT = `
const { openInvitation, checkWay } = await import(${JSON.stringify(JOIN)});
const ways = await openInvitation(process.argv[1], undefined).then(checkWay, (error) => error.message);
console.log(JSON.stringify(ways));
`;
const PORTS = [9000, 9001];

interface Case {
  readonly name: string;
  /** Arguments of iptables in the network of the machine; `CONTROL` is the control plane's port. */
  readonly rule: string;
  /** What is said of the control plane and of the machine's two ports; or instead of all. */
  readonly said: readonly (string | undefined)[] | RegExp;
}

const CASES: readonly Case[] = [
  { name: 'nothing', rule: '', said: [undefined, undefined, undefined] },
  {
    name: 'in, rejected',
    rule: '-A INPUT -p tcp --dport 9000 -j REJECT --reject-with tcp-reset',
    said: [undefined, 'refused: a firewall rejects it, or the address leads to another machine', undefined],
  },
  {
    name: 'in, dropped',
    rule: '-A INPUT -p tcp --dport 9001 -j DROP',
    said: [undefined, undefined, 'nothing came back within 3 s: a firewall may drop it'],
  },
  {
    name: 'out to the control plane, rejected',
    rule: '-A OUTPUT -p tcp --dport CONTROL -j REJECT --reject-with tcp-reset',
    said: ['refused: nothing listens, or a firewall rejects it', undefined, undefined],
  },
  {
    name: 'out to the control plane, dropped',
    rule: '-A OUTPUT -p tcp --dport CONTROL -j DROP',
    said: ['nothing came back within 5 s: a firewall may drop it', undefined, undefined],
  },
  {
    name: 'out to where machines are taken in',
    rule: '-A OUTPUT -p tcp --dport 15019 -j REJECT --reject-with tcp-reset',
    said: /^blocked: this machine does not reach the mesh at \S+:15019: refused: the mesh does not run, or a firewall/,
  },
];

test('the preflight of a machine names what is blocked, in both directions', async (t) => {
  const reason = await whyNoNamespaces();
  if (reason !== undefined) {
    t.skip(`no network namespaces can be made here: ${reason}`);
    return;
  }
  const slot = await takeSlot('netns');
  t.after(() => slot.release());
  const network = await MeshNetwork.open(slot.number, 'preflight');
  t.after(() => network.close());
  const { host } = network;
  const control = net.createServer().listen(0, host);
  t.after(() => control.close());
  await new Promise((resolve) => control.once('listening', resolve));
  const { port } = control.address() as net.AddressInfo;
  const server = await JoinServer.open({
    address: host,
    look: () => Promise.resolve({ namespace: 'vms', group: 'legacy', discovery: `${host}:${port}`, ports: PORTS }),
    files: () => Promise.reject(new Error('nobody joins')),
  });
  t.after(() => server.close());
  const invited = { namespace: 'vms', group: 'legacy', expiresAt: Date.now() + 600_000, tokenTtlMs: 1000 };
  await Promise.all(
    CASES.map(async ({ name, rule, said }, i) => {
      const [machine, address] = [`test/machine${i}`, `${slot.pool.podPrefix}0.${i + 1}`];
      const namespace = await network.addPod(machine, address, undefined);
      if (rule !== '') await namespace.run('iptables', rule.replace('CONTROL', String(port)).split(' '));
      const code = server.invite(invited, host);
      const enter = NetworkNamespace.entrance(network.nameOf(machine));
      const words = ['--input-type=module', '-e', PREFLIGHT, code];
      const { command, args } = within(enter, process.execPath, words);
      const { stdout, stderr } = await execute(command, args);
      const found = JSON.parse(stdout || JSON.stringify(stderr)) as string | { way: string; problem?: string }[];
      if (said instanceof RegExp) {
        assert.match(String(found), said, name);
        return;
      }
      assert.deepEqual(
        found,
        [
          `this machine reaches the control plane at ${host}:${port}`,
          ...PORTS.map((p) => `the mesh reaches this machine at ${address}:${p}`),
        ].map((way, at) => ({ way, ...(said[at] !== undefined && { problem: said[at] }) })),
        name,
      );
    }),
  );
});
