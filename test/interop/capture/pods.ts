import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { CAPTURE_DEFAULTS, type CaptureMode, DNS_PORT } from '../../../src/agent/capture/options.ts';
import { MeshNetwork, PROXY_GROUP } from '../../../src/local/capture/mesh-network.ts';
import { takeSlot } from '../../../src/local/slot.ts';
import { NetworkNamespace } from '../../../src/process/network-namespace.ts';
import { within } from '../../../src/process/within.ts';
import { execute, isthmusProgram } from '../../support/local-mesh.ts';
import { VANILLA } from '../../support/mesh-yaml.ts';
import { TestPki } from '../../support/pki.ts';
import { scratch, until } from '../../support/reference.ts';
import { Istiod } from '../translation/istiod.ts';
import type { CaptureCase, Expected, Places } from './cases.ts';

/** Pods with network namespaces of their own, whose sidecars a real istiod drives. */

const MESH = { enableAutoMtls: false, accessLogFile: '/dev/stdout', defaultProviders: {}, extensionProviders: [] };
const OWN = ['http:app:8080', 'first:db:8081'];
const PROGRAMS = path.join(import.meta.dirname, 'programs.mjs');

const RULES = { ...CAPTURE_DEFAULTS, proxyUids: [], dns: { port: DNS_PORT, servers: '*' as const } };

/** A process that ends with the test. What it prints is in the file. */
function start(t: TestContext, enter: readonly string[], words: readonly string[], env: object, log: string): void {
  const { command, args } = within(enter, words[0]!, words.slice(1));
  const fd = fs.openSync(log, 'w');
  const child = spawn(command, [...args], {
    stdio: ['ignore', fd, fd],
    env: { PATH: process.env.PATH, ...env },
    cwd: path.dirname(log),
    detached: true,
  });
  fs.closeSync(fd);
  const ended = new Promise((resolve) => child.once('close', resolve));
  t.after(async () => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // It has ended.
    }
    await ended;
  });
}

/** Certificates of another workload of the mesh. */
function peerFolder({ folder }: Scene): string {
  return path.join(folder, 'peer');
}

/** A pod without a sidecar; its programs are `KIND:NAME:PORT`. */
export async function startServers(
  t: TestContext,
  scene: Scene,
  address: string,
  servers: readonly string[],
): Promise<void> {
  const { network, enter, folder } = scene;
  await network.addPod('test/servers', address, undefined);
  const words = [process.execPath, PROGRAMS, ...servers];
  start(t, enter('servers'), words, { CERTS: peerFolder(scene) }, path.join(folder, 'servers.log'));
}

function writeCertificates(folder: string, { cert, key }: { cert: string; key: string }, roots: string): void {
  fs.mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries({ 'cert-chain': cert, key, 'root-cert': roots }))
    fs.writeFileSync(path.join(folder, `${name}.pem`), text, { mode: 0o600 });
}

export interface Scene {
  readonly network: MeshNetwork;
  readonly istiod: Istiod;
  readonly pki: TestPki;
  readonly folder: string;
  /** The end of an address -> the address. */
  readonly at: (end: number) => string;
  readonly enter: (pod: string) => string[];
}

/** Istiod, and a network for pods. */
export async function setUp(t: TestContext): Promise<Scene> {
  const folder = scratch(t);
  const slot = await takeSlot('netns');
  t.after(() => slot.release());
  const network = await MeshNetwork.open(slot.number, 'interop');
  t.after(() => network.close());
  const istiod = await Istiod.start({
    config: { 'vanilla.yaml': VANILLA },
    mesh: MESH,
    env: { PILOT_ENABLE_METADATA_EXCHANGE: 'false' },
    host: network.host,
  });
  t.after(() => istiod.stop());
  const pki = await TestPki.make(path.join(folder, 'pki'));
  writeCertificates(
    path.join(folder, 'peer'),
    await pki.issue({ uris: ['spiffe://cluster.local/ns/default/sa/peer'] }),
    pki.roots,
  );
  const enter = (pod: string) => NetworkNamespace.entrance(network.nameOf(`test/${pod}`));
  return { network, istiod, pki, folder, at: (end) => `${slot.pool.podPrefix}0.${end}`, enter };
}

export interface SidecarOptions {
  readonly name: string;
  readonly address: string;
  readonly mode: CaptureMode;
  /** A proxy in place of our own. */
  readonly proxy?: string;
}

/** A pod with its programs and a sidecar: our agent with our proxy, or with another one. */
export async function startPod(
  t: TestContext,
  scene: Scene,
  { name, address, mode, proxy }: SidecarOptions,
): Promise<void> {
  const { network, istiod, pki, folder, enter } = scene;
  const dir = path.join(folder, name);
  fs.mkdirSync(path.join(dir, 'etc/istio/pod'), { recursive: true });
  fs.writeFileSync(path.join(dir, 'etc/istio/pod/labels'), 'app="client"\nversion="v7"\n');
  const identity = await pki.issue({ uris: ['spiffe://cluster.local/ns/default/sa/client'] });
  writeCertificates(path.join(dir, 'etc/certs'), identity, pki.roots);
  await network.addPod(`test/${name}`, address, { ...RULES, inboundMode: mode });
  start(t, enter(name), [process.execPath, PROGRAMS, ...OWN], {}, path.join(folder, `${name}-programs.log`));
  const env = {
    POD_NAME: `${name}-0`,
    POD_NAMESPACE: 'default',
    INSTANCE_IP: address,
    SERVICE_ACCOUNT: 'client',
    FILE_MOUNTED_CERTS: 'true',
    ISTIO_META_INTERCEPTION_MODE: mode,
    ISTIO_META_DNS_CAPTURE: 'true',
    ISTIO_META_DNS_AUTO_ALLOCATE: 'true',
    // Nobody is behind it: names that are not there yet must not be waited for.
    DNS_FORWARD_TIMEOUT: '100ms',
    PROXY_CONFIG: JSON.stringify({ discoveryAddress: istiod.address, controlPlaneAuthPolicy: 'NONE' }),
  };
  const words = [...isthmusProgram(), 'agent', 'sidecar', '--dir', dir, '--concurrency', '1'];
  if (proxy !== undefined) words.push('--proxy', proxy);
  const log = path.join(folder, `${name}.log`);
  start(t, [...enter(name), '--setgid', String(PROXY_GROUP)], words, env, log);
  await until(`${name} is ready`, async () => (await fetch(`http://${address}:15021/healthz/ready`)).ok, 60_000).catch(
    (error) => assert.fail(`${error}\n${fs.readFileSync(log, 'utf8').split('\n').slice(-20).join('\n')}`),
  );
}

/** An istiod's name for the pods, as a workload of the mesh. */
export function workloadEntries(pods: Readonly<Record<string, string>>): string {
  const entries = Object.entries(pods).map(
    ([name, address]) => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ${name}, namespace: default}
spec: {address: ${address}, labels: {app: client}}
---
`,
  );
  return entries.join('');
}

/** Body and status; of a server that speaks first what it said; `curl CODE` where curl failed. */
async function ask(enter: readonly string[], words: readonly string[], said = 'hi\n'): Promise<string> {
  const raw = words.at(-1)!.startsWith('telnet:');
  const more = raw ? [] : ['-w', ' %{http_code}'];
  const { command, args } = within(enter, 'curl', ['-sS', '-m', '3', '--noproxy', '*', ...more, ...words]);
  const { code, stdout } = await execute(command, args, { input: raw ? said : '' });
  // A connection that is refused after it was accepted is a reset, or an end without a byte.
  return code === 0 ? stdout : raw && code === 56 ? '' : `curl ${code}`;
}

const matches = (answer: string, expected: Expected) =>
  typeof expected === 'string' ? answer === expected : expected.test(answer);

/** Asks what every case asks, of each of the pods, by name. */
export async function runCases(
  t: TestContext,
  scene: Scene,
  run: {
    readonly cases: readonly CaptureCase[];
    readonly pods: Readonly<Record<string, string>>;
    readonly servers: string;
  },
): Promise<void> {
  const { istiod, enter } = scene;
  const { cases, pods, servers } = run;
  const peer = peerFolder(scene);
  const first = Object.values(pods)[0]!;
  for (const { name, yaml, requests } of cases) {
    istiod.write('case.yaml', yaml({ servers, pod: first, peer }));
    for (const [pod, address] of Object.entries(pods)) {
      await t.test(`${name}: ${pod}`, async () => {
        const places: Places = { servers, pod: address, peer };
        for (const request of requests) {
          const words = request.curl(places);
          const expected = typeof request.expected === 'function' ? request.expected(places) : request.expected;
          let answer = '';
          const look = async () => {
            answer = await ask(enter(request.from === 'pod' ? pod : 'servers'), words, request.said);
            return matches(answer, expected);
          };
          // The configuration of the case is on its way.
          await until('the answer', look, 15_000).catch(() => {});
          if (typeof expected === 'string') assert.equal(answer, expected, words.join(' '));
          else assert.match(answer, expected, words.join(' '));
        }
      });
    }
  }
}
