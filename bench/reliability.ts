// What fails when a virtual machine, its network, its certificate or the east-west gateway does, and how fast the mesh
// notices and recovers:
//   node bench/reliability.ts [--only killed,cut,away,expired,gateway]
// Needs root on Linux: the machine is a network namespace. A caller asks 20 times a second through its sidecar.

import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { parseArgs } from 'node:util';
import { ControlClient } from '../src/config/control/client.ts';
import { whyNoNamespaces } from '../src/local/capture/mesh-network.ts';
import { NetworkNamespace, removeLink, removeNamespace } from '../src/process/network-namespace.ts';
import { runTool } from '../src/process/tool.ts';
import { execute, isthmusProgram, meshRecord, ownAddress, ROOT, TestedMesh } from '../test/support/local-mesh.ts';
import { mesh as memberMesh, PROGRAM } from '../test/support/member-machine.ts';
import { type Answer, describe, outageOf } from '../test/support/outage.ts';
import { scratch, until } from '../test/support/reference.ts';
import { Endings } from './endings.ts';

const { values } = parseArgs({ options: { only: { type: 'string', default: 'killed,cut,away,expired,gateway' } } });
const wanted = new Set(values.only.split(','));
/** Long enough for the control plane to miss a machine that went without a word. */
const CUT_MS = 75_000;
const NOTICE_MS = 120_000;
const SECRET_TTL = '30s';
const REQUESTS = path.join(import.meta.dirname, 'reliability-requests.mjs');

/** A caller that goes on asking. */
class Caller {
  readonly answers: Answer[] = [];
  readonly #child: ChildProcess;

  constructor(endings: Endings, command: string, args: readonly string[], env: object = {}) {
    const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
    this.#child = child;
    let rest = '';
    child.stdout.on('data', (chunk) => {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop()!;
      for (const line of lines) if (line.startsWith('{')) this.answers.push(JSON.parse(line) as Answer);
    });
    endings.after(() => void this.#child.kill('SIGKILL'));
  }

  /** Resolves when requests that are asked from now on go well for a while. */
  async well(): Promise<void> {
    const since = Date.now();
    const isWell = () => {
      const lately = this.answers.filter(({ at }) => at > since).slice(-15);
      return lately.length === 15 && lately.every(({ result }) => result === '200');
    };
    await until('requests go well', isWell, NOTICE_MS).catch((error) => {
      throw new Error(`${error}: ${JSON.stringify(this.answers.at(-1))}`);
    });
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

/** A mesh with a member that is a machine with a network of its own. */
class MachineScene {
  readonly #endings: Endings;
  readonly #folder: string;
  readonly mesh: TestedMesh;
  readonly caller: Caller;
  readonly #namespace = `machine-${process.pid}`;
  readonly #link = `mach${process.pid}`.slice(0, 15);
  readonly #ip: string;
  /** This machine's address for it. */
  readonly gateway: string;
  #machine: ChildProcess | undefined;

  private constructor(endings: Endings, folder: string, mesh: TestedMesh, prefix: string) {
    this.#endings = endings;
    this.#folder = folder;
    this.mesh = mesh;
    this.#ip = `${prefix}.254.1`;
    this.gateway = `${prefix}.255.253`;
    const [node, main] = isthmusProgram();
    const args = [
      main,
      'run',
      '-n',
      'vms',
      '--name',
      'caller',
      '--',
      node,
      REQUESTS,
      'http://192.0.2.1/',
      'legacy.vms',
    ];
    this.caller = new Caller(endings, node, args, mesh.env);
  }

  static async start(endings: Endings): Promise<MachineScene> {
    const folder = scratch(endings);
    const program = path.join(folder, 'program.mjs');
    fs.writeFileSync(program, PROGRAM);
    // Times are as they are without a word of the user's.
    const yaml = memberMesh(program).replace(/^ *components:.*PILOT_WORKLOAD_ENTRY_GRACE_PERIOD.*$/m, '');
    const mesh = await TestedMesh.start(endings, { 'mesh.yaml': yaml }, { args: ['--capture', 'netns'] });
    const { discovery } = meshRecord(mesh);
    const prefix = discovery.grpc.split('.').slice(0, 2).join('.');
    const scene = new MachineScene(endings, folder, mesh, prefix);
    await scene.#cable(`isth${Number(prefix.split('.')[1]) - 64}`);
    const { code, stderr } = await mesh.isthmus([
      ...['workload', 'entry', 'configure', '--name', 'legacy', '-n', 'vms', '--autoregister'],
      ...['--internalIP', scene.#ip, '-o', scene.#files],
    ]);
    if (code !== 0) throw new Error(stderr);
    return scene;
  }

  get #files(): string {
    return path.join(this.#folder, 'files');
  }

  async #cable(bridge: string): Promise<void> {
    const { gateway } = this;
    const [name, link] = [this.#namespace, this.#link];
    this.#endings.after(async () => {
      await removeLink(link);
      await removeNamespace(name);
    });
    await NetworkNamespace.create({ name, link, bridge, address: `${this.#ip}/16`, gateway });
  }

  /** Switches the machine on. */
  on(env: Readonly<Record<string, string>> = {}): void {
    const [node, main] = isthmusProgram();
    const file = path.join(this.#files, 'cluster.env');
    const lines = fs
      .readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => !/^(SECRET_TTL|CA_ADDR)=/.test(line));
    for (const [variable, value] of Object.entries(env)) lines.push(`${variable}='${value}'`);
    fs.writeFileSync(file, `${lines.filter(Boolean).join('\n')}\n`);
    const [program = '', ...rest] = NetworkNamespace.entrance(this.#namespace);
    const run = [main, 'vm', 'run', this.#files, '--', node, path.join(this.#folder, 'program.mjs'), 'machine'];
    const log = fs.openSync(path.join(this.#folder, 'machine.log'), 'a');
    this.#machine = spawn(program, [...rest, '--', node, ...run], { stdio: ['ignore', log, log], detached: true });
    fs.closeSync(log);
    this.#endings.after(() => this.off());
  }

  /** Switches it off, as one pulls a plug. */
  async off(): Promise<void> {
    const machine = this.#machine;
    this.#machine = undefined;
    if (machine?.pid === undefined) return;
    const ended = new Promise((resolve) => machine.once('close', resolve));
    process.kill(-machine.pid, 'SIGKILL');
    await ended;
  }

  /** When the certificate expires that the machine presents, milliseconds since 1970. */
  expiry(): Promise<number> {
    return new Promise((resolve, reject) => {
      const socket = tls.connect(
        { host: this.#ip, port: 9000, ALPNProtocols: ['istio'], rejectUnauthorized: false },
        () => {
          resolve(Date.parse(socket.getPeerCertificate().valid_to));
          socket.destroy();
        },
      );
      socket.once('error', reject);
    });
  }

  /** Pulls the network cable out, or plugs it in. */
  async cable(state: 'up' | 'down'): Promise<void> {
    await runTool('ip', ['link', 'set', this.#link, state]);
  }

  /** Whether the mesh sends requests to the machine. */
  async #isKnown(): Promise<boolean> {
    const control = new ControlClient(meshRecord(this.mesh).controlSocket);
    const caller = (await control.proxies()).proxies.find(({ name }) => name === 'caller')!;
    const text = await (await fetch(`http://${caller.admin}/clusters`)).text();
    return text.includes(`outbound|80||legacy.vms.svc.cluster.local::${this.#ip}:9000::`);
  }

  /** Milliseconds until the caller's sidecar no longer has the machine among its endpoints, or has it again. */
  async noticed(known: boolean): Promise<number> {
    const begun = Date.now();
    await until(`the machine is ${known ? 'known' : 'gone'}`, async () => (await this.#isKnown()) === known, NOTICE_MS);
    return Date.now() - begun;
  }
}

async function machineScenes(endings: Endings): Promise<void> {
  const scene = await MachineScene.start(endings);
  const { caller } = scene;
  scene.on();
  await caller.well();

  if (wanted.has('killed')) {
    const event = Date.now();
    await scene.off();
    const notice = await scene.noticed(false);
    const back = Date.now();
    scene.on();
    await caller.well();
    const whole = outageOf(caller.answers, back);
    console.log(`machine killed: it is no endpoint any more after ${seconds(notice)}`);
    console.log(
      `  until then: ${describe(
        outageOf(
          caller.answers.filter(({ at }) => at < event + notice),
          event,
        ),
      )}`,
    );
    console.log(`  switched on again: the first good answer after ${whole.to?.toFixed(1)} s`);
  }

  if (wanted.has('cut')) {
    const event = Date.now();
    await scene.cable('down');
    const notice = await scene.noticed(false).catch(() => undefined);
    await pause(Math.max(0, event + CUT_MS - Date.now()));
    const back = Date.now();
    await scene.cable('up');
    await caller.well();
    console.log(
      `network cut: ${notice === undefined ? 'not noticed' : `it is no endpoint any more after ${seconds(notice)}`}`,
    );
    const until = event + (notice ?? CUT_MS);
    console.log(
      `  until then: ${describe(
        outageOf(
          caller.answers.filter(({ at }) => at < until),
          event,
        ),
      )}`,
    );
    console.log(`  plugged in again: the first good answer after ${outageOf(caller.answers, back).to?.toFixed(1)} s`);
  }

  if (wanted.has('expired')) await expired(scene, endings);

  if (wanted.has('away')) {
    await scene.off();
    scene.on({ SECRET_TTL });
    await caller.well();
    const event = Date.now();
    await scene.cable('down');
    await pause(CUT_MS);
    const back = Date.now();
    await scene.cable('up');
    await caller.well();
    const { to } = outageOf(caller.answers, back);
    console.log(
      `certificate expired while away: valid for ${SECRET_TTL}, the network cut for ${seconds(back - event)}`,
    );
    console.log(`  plugged in again: the first good answer after ${to?.toFixed(1)} s, with a new certificate`);
  }
}

/** Every request on a connection of its own, which needs a handshake. */
const NO_REUSE = `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: legacy, namespace: vms},
  spec: {host: legacy, trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 1}}}}}`;

/** The authority does not answer until the certificate has expired, and then it does; all else is well. */
async function expired(scene: MachineScene, endings: Endings): Promise<void> {
  const { caller, mesh } = scene;
  const authority = await Relay.open(endings, scene.gateway, meshRecord(mesh).discovery.secureGrpc);
  await scene.off();
  scene.on({ SECRET_TTL, CA_ADDR: authority.address });
  await caller.well();
  const { code, stderr } = await mesh.isthmus(['apply', '--wait', '-f', '-'], NO_REUSE);
  if (code !== 0) throw new Error(stderr);
  authority.cut();
  const event = await scene.expiry();
  await pause(event - Date.now());
  const notice = (await scene.noticed(false)) + Date.now() - event;
  const entry = await mesh.isthmus(['get', 'workloadentry', '-n', 'vms', '-o', 'json']);
  await pause(5000);
  const back = Date.now();
  const before = outageOf(
    caller.answers.filter(({ at }) => at < back),
    event,
  );
  await authority.mend();
  await caller.well();
  await mesh.isthmus(['delete', 'destinationrule', 'legacy', '-n', 'vms']);
  console.log(`certificate expired, the authority away: it is no endpoint any more after ${seconds(notice)}`);
  console.log(`  until the authority was back: ${describe(before)}`);
  console.log(`  the entry: ${/there is no valid certificate[^"]*/.exec(entry.stdout)?.[0]}`);
  console.log(`  the authority back: the first good answer after ${outageOf(caller.answers, back).to?.toFixed(1)} s`);
}

/** A way to a place, that can be cut. */
class Relay {
  readonly #sockets = new Set<net.Socket>();
  readonly #server: net.Server;
  #port = 0;
  readonly #host: string;

  private constructor(host: string, target: string) {
    const [to = '', port] = target.split(':');
    this.#host = host;
    this.#server = net.createServer((socket) => {
      const other = net.connect(Number(port), to);
      for (const one of [socket, other]) {
        this.#sockets.add(one);
        one.on('error', () => {});
        one.on('close', () => {
          this.#sockets.delete(one);
          socket.destroy();
          other.destroy();
        });
      }
      socket.pipe(other).pipe(socket);
    });
  }

  static async open(endings: Endings, host: string, target: string): Promise<Relay> {
    const relay = new Relay(host, target);
    await relay.mend();
    endings.after(() => relay.cut());
    return relay;
  }

  get address(): string {
    return `${this.#host}:${this.#port}`;
  }

  async mend(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, this.#host, resolve));
    this.#port = (this.#server.address() as net.AddressInfo).port;
  }

  cut(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

async function gatewayScenes(endings: Endings): Promise<void> {
  const folder = path.join(scratch(endings), 'vm-mesh');
  const isLeftOver = (file: string) => /(^|\/)(\.local|cacerts\.yaml)$/.test(file);
  fs.cpSync(path.join(ROOT, 'examples/vm-mesh'), folder, { recursive: true, filter: (file) => !isLeftOver(file) });
  const [gateway, machine] = [ownAddress(), ownAddress()];
  const [node, main] = isthmusProgram();
  const env = { ISTHMUS: `${node} ${main}`, GATEWAY: gateway, VM_HOST: machine };
  const setUp = await execute('/bin/sh', [path.join(folder, 'set-up.sh')], { env });
  if (setUp.code !== 0) throw new Error(setUp.stderr);
  const mesh = await TestedMesh.start(endings, folder, { address: gateway });
  const proxy = spawn(node, [main, 'proxy', '-c', path.join(folder, '.local/vm1/envoy.yaml')], { stdio: 'ignore' });
  endings.after(() => void proxy.kill('SIGKILL'));
  const caller = new Caller(endings, node, [REQUESTS, `http://${machine}:8080/frontend`]);
  await caller.well();
  const status = new ControlClient(meshRecord(mesh).controlSocket);
  const pod = async () => (await status.status()).pods.find(({ name }) => name.startsWith('istio-eastwestgateway'))!;

  const crash = Date.now();
  process.kill((await pod()).containers.find(({ pid }) => pid !== undefined)!.pid!, 'SIGKILL');
  await until('the crash is known', async () => (await pod()).restarts > 0, NOTICE_MS);
  const restarted = Date.now() - crash;
  const isReady = async () => {
    const { ready, size } = await pod();
    return ready === size;
  };
  await until('it is ready again', isReady, NOTICE_MS);
  const ready = Date.now() - crash;
  await caller.well();
  console.log(`east-west gateway killed: ${describe(outageOf(caller.answers, crash))}`);
  console.log(
    `  "isthmus status" counts the crash after ${seconds(restarted)}, and says ready after ${seconds(ready)}`,
  );

  const restart = Date.now();
  const { code, stderr } = await mesh.isthmus(['restart', '-n', 'istio-system', 'deploy/istio-eastwestgateway']);
  if (code !== 0) throw new Error(stderr);
  await caller.well();
  console.log(`east-west gateway restarted: ${describe(outageOf(caller.answers, restart))}`);
}

async function main(): Promise<void> {
  const endings = new Endings();
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  const work = async () => {
    if (wanted.has('gateway')) await gatewayScenes(endings);
    if (['killed', 'cut', 'away', 'expired'].some((name) => wanted.has(name))) {
      const reason = await whyNoNamespaces();
      if (reason !== undefined) console.log(`the machine's scenes are left out: ${reason}`);
      else await machineScenes(endings);
    }
  };
  try {
    await Promise.race([work(), interrupted]);
  } finally {
    await endings.run();
  }
}

await main();
