// Changes the certificates of a running mesh, leaf, intermediate and root, while requests go through three hops of mutual
// TLS and everyone shakes hands with everyone, and prints how many of both there were and how long the old chain lasted:
//   npm run bench rotation -- [--seconds 20] [--pause 100] [-o json]
// 1,000 requests a second are asked for; each passes the gateway, three sidecars and three programs. Time counts from the
// start of the command that has the new certificates issued, and each new chain is watched for so many seconds.
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parseCertificates } from '../src/ca/x509/certificate.ts';
import { cacertsSecret, makeAuthorities } from '../test/support/authorities.ts';
import { type Handshake, HandshakeProber, type IsNew, PROBED_ANNOTATIONS } from '../test/support/handshakes.ts';
import type { Load } from '../test/support/load.ts';
import { TestedMesh } from '../test/support/local-mesh.ts';
import { scratch, until } from '../test/support/reference.ts';
import { relayLoad, relayMesh } from '../test/support/relay-mesh.ts';
import { Endings } from './endings.ts';
import { table } from './report.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    pause: { type: 'string', default: '100' },
    output: { type: 'string', short: 'o', default: 'text' },
  },
});

interface Row {
  readonly rotated: string;
  readonly requests: number;
  readonly failed: number;
  readonly requestsPerSecond: number;
  /** Handshakes begun since the command in which a certificate of the chain from before it was seen. */
  readonly oldHandshakes: number;
  /** The same of the new chain: those of gateway and sidecars as servers, and as clients of each other. */
  readonly newAsServer: number;
  readonly newAsClient: number;
  readonly failedHandshakes: number;
  /** From the command to the beginning of the last handshake on the old chain; undefined if there was none. */
  readonly lastOldSeconds: number | undefined;
}

const WARM_UP_REQUESTS = 5000;
const NEXT = ['ca', 'rotate', 'next', '--wait'];

class Bench {
  readonly #mesh: TestedMesh;
  readonly #prober: HandshakeProber;
  readonly #load: Load;

  constructor(mesh: TestedMesh, prober: HandshakeProber, load: Load) {
    this.#mesh = mesh;
    this.#prober = prober;
    this.#load = load;
  }

  async isthmus(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#mesh.isthmus(args);
    if (code !== 0) throw new Error(`isthmus ${args.join(' ')}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Everything from one moment on. */
  async watch(rotated: string, command: () => Promise<unknown>, isNew: () => IsNew, ms: number): Promise<Row> {
    const [load, prober] = [this.#load, this.#prober];
    const [sent, failed, broken, from] = [load.sent, load.failed, prober.failures.length, prober.seen.length];
    const began = Date.now();
    await command();
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, began + ms - Date.now())));
    const seconds = (Date.now() - began) / 1000;
    const requests = load.sent - sent;
    const judge = isNew();
    const seen = prober.seen.slice(from).filter(({ at }) => at >= began);
    const isNewOne = (one: Handshake) => judge(prober.certificateOf(one));
    const old = seen.filter((one) => !isNewOne(one));
    const count = (part: string) => seen.filter((one) => one.who.endsWith(part) && isNewOne(one)).length;
    return {
      rotated,
      requests,
      failed: load.failed - failed,
      requestsPerSecond: requests / seconds,
      oldHandshakes: old.length,
      newAsServer: count('as server'),
      newAsClient: count('as client'),
      failedHandshakes: prober.failures.length - broken,
      lastOldSeconds: old.length === 0 ? undefined : (Math.max(...old.map(({ at }) => at)) - began) / 1000,
    };
  }

  /** The rotation under way may go on. */
  async isComplete(): Promise<void> {
    await until('every workload has come along', async () => {
      const { rotation } = JSON.parse(await this.isthmus(['ca', 'rotate', 'status', '-o', 'json']));
      return rotation.waiting.length === 0 || undefined;
    });
  }

  /** Tells leaves of the authority that the rotation under way leads to. */
  ofTheNext(): IsNew {
    const [name] = fs.readdirSync(path.join(this.#mesh.home, 'meshes'));
    const file = path.join(this.#mesh.home, 'meshes', name!, 'state', 'rotation', 'next-ca-cert.pem');
    const [signer] = parseCertificates(fs.readFileSync(file, 'utf8'), file);
    return (leaf) => leaf.isSignedBy(signer!);
  }

  /** Tells leaves from those that have been seen so far. */
  notYetSeen(): IsNew {
    const seen = new Set(this.#prober.leaves);
    return (leaf) => !seen.has(leaf);
  }
}

async function run(endings: Endings): Promise<Row[]> {
  const folder = scratch(endings);
  await makeAuthorities(folder, ['one', 'two']);
  const more = cacertsSecret(path.join(folder, 'one'));
  const mesh = await TestedMesh.start(endings, relayMesh({ more, annotations: PROBED_ANNOTATIONS, fresh: true }));
  const prober = await HandshakeProber.start(endings, mesh, Number(values.pause));
  const load = relayLoad(endings, mesh);
  await load.more(WARM_UP_REQUESTS);
  const bench = new Bench(mesh, prober, load);
  const ms = Number(values.seconds) * 1000;
  const ofTheNext = () => bench.ofTheNext();

  const fresh = bench.notYetSeen();
  const renew = () => bench.isthmus(['certs', 'renew']);
  const rows = [await bench.watch('every leaf', renew, () => fresh, ms)];
  const start = ['ca', 'rotate', 'start', '--ca', path.join(folder, 'two')];
  rows.push(await bench.watch('intermediate', () => bench.isthmus(start), ofTheNext, ms));
  await bench.isthmus(NEXT);
  await bench.isthmus(['ca', 'rotate', 'start']);
  await bench.isComplete();
  rows.push(await bench.watch('root', () => bench.isthmus(NEXT), ofTheNext, ms));
  const last = bench.ofTheNext();
  const drop = async () => {
    await bench.isthmus(NEXT);
    await bench.isthmus(NEXT);
  };
  rows.push(await bench.watch('old root dropped', drop, () => last, ms));
  await load.stop();
  await prober.stop();
  return rows;
}

const HEADER = [
  ...['ROTATED', 'REQUESTS', 'FAILED', 'REQUESTS/s'],
  ...['HANDSHAKES OLD', 'NEW, SERVER', 'NEW, CLIENT', 'FAILED', 'LAST OLD ONE AFTER'],
];
const cellsOf = (row: Row): string[] => [
  ...[row.rotated, String(row.requests), String(row.failed), row.requestsPerSecond.toFixed(0)],
  ...[row.oldHandshakes, row.newAsServer, row.newAsClient, row.failedHandshakes].map(String),
  row.lastOldSeconds === undefined ? '-' : `${row.lastOldSeconds.toFixed(2)} s`,
];

const endings = new Endings();
try {
  const rows = await run(endings);
  process.stdout.write(
    values.output === 'json' ? `${JSON.stringify(rows, undefined, 2)}\n` : `${table(HEADER, rows.map(cellsOf))}\n`,
  );
} finally {
  await endings.run();
}
