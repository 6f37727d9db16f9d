// Certificates per second of our CSR service beside istiod's, in one run:
//   npm run bench certificates -- [--only isthmus,istiod] [--requests 3000] [--rounds 3] [-o json]
// Both sign with one intermediate, and are asked by workloads that prove with their certificates who they are. The service
// has one processor, the clients have another. What is compared is processor time per certificate, from /proc.
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { makeIntermediate, makeLeaf, makeRoot } from '../src/ca/offline/make.ts';
import { generatePrivateKey } from '../src/ca/x509/keys.ts';
import { createRequest } from '../src/ca/x509/request.ts';
import { cpuSeconds, freePort, listening, stop, Workplace } from './proxy/machine.ts';
import { chosen, median, table } from './report.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    requests: { type: 'string', default: '3000' },
    rounds: { type: 'string', default: '3' },
    output: { type: 'string', short: 'o', default: 'text' },
  },
});

const ROOT = path.join(import.meta.dirname, '..');
const SERVER_CPU = 0;
const CLIENT_CPU = 1;
/** Each may have 500 certificates at once before our service holds it back. */
const WORKLOADS = 32;
const BASELINE = 'istiod';
const DAY_MS = 86_400_000;

interface Service {
  readonly name: string;
  readonly command: string;
  args(ports: { readonly secure: number; readonly other: readonly [number, number, number] }): string[];
}

interface Measure {
  readonly microseconds: number;
  readonly perSecond: number;
}

const place = new Workplace();
const say = (text: string) => process.stderr.write(`${text}\n`);
const files = (...names: string[]) => path.join(place.folder, ...names);

/** An authority as a folder, the services' own certificate, and workloads with certificates and requests. */
async function prepare(): Promise<void> {
  const common = { keyType: 'ecdsa-p256' as const, ttlMs: 30 * DAY_MS, now: Date.now(), force: false };
  const authority = files('cacerts');
  await makeRoot({ ...common, dir: files('root'), subject: [['O', 'bench']] });
  await makeIntermediate({
    ...common,
    dir: authority,
    subject: [['O', 'mesh']],
    authority: files('root'),
    pathLength: 0,
  });
  const leaf = { ...common, authority, subject: [], layout: 'tls' as const, server: true, client: true };
  await makeLeaf({ ...leaf, dir: files('server'), names: { dnsNames: ['istiod.istio-system.svc'] } });
  fs.mkdirSync(files('workloads'));
  fs.copyFileSync(files('cacerts', 'root-cert.pem'), files('workloads', 'roots.pem'));
  for (let i = 0; i < WORKLOADS; i++) {
    const uris = [`spiffe://cluster.local/ns/bench/sa/w${i}`];
    await makeLeaf({ ...leaf, dir: files(`w${i}`), names: { uris } });
    fs.copyFileSync(files(`w${i}`, 'tls.crt'), files('workloads', `${i}.crt`));
    fs.copyFileSync(files(`w${i}`, 'tls.key'), files('workloads', `${i}.key`));
    const csr = await createRequest(await generatePrivateKey('ecdsa-p256'), { uris });
    fs.writeFileSync(files('workloads', `${i}.csr`), csr);
  }
  fs.mkdirSync(files('config'));
  place.write('mesh.yaml', '{}\n');
}

const tlsFiles = () => [
  ...['--tlsCertFile', files('server', 'tls.crt'), '--tlsKeyFile', files('server', 'tls.key')],
  ...['--caCertFile', files('server', 'ca.crt')],
];
const own: Service = {
  name: 'isthmus',
  command: process.execPath,
  args: ({ secure, other: [grpc, http, monitoring] }) => [
    path.join(ROOT, 'dist/cli/main.js'),
    ...['discovery', '--configDir', files('config'), '--meshConfig', files('mesh.yaml')],
    ...['--cacertsDir', files('cacerts'), '--secureGRPCAddr', `127.0.0.1:${secure}`, '--grpcAddr', `127.0.0.1:${grpc}`],
    ...['--httpAddr', `127.0.0.1:${http}`, '--monitoringAddr', `127.0.0.1:${monitoring}`, ...tlsFiles()],
  ],
};
const istiod = (program: string): Service => ({
  name: 'istiod',
  command: '/usr/bin/env',
  args: ({ secure, other: [grpc, http, monitoring] }) => [
    ...[`ROOT_CA_DIR=${files('cacerts')}`, 'POD_NAMESPACE=istio-system', 'GOMAXPROCS=1', program],
    ...['discovery', '--registries=', '--configDir', files('config'), '--meshConfig', files('mesh.yaml')],
    ...['--secureGRPCAddr', `127.0.0.1:${secure}`, '--grpcAddr', `127.0.0.1:${grpc}`, '--httpsAddr', ''],
    ...['--httpAddr', `127.0.0.1:${http}`, '--monitoringAddr', `127.0.0.1:${monitoring}`, '--ctrlz_port', '0'],
    ...tlsFiles(),
  ],
});

async function measure(service: Service): Promise<Measure> {
  const secure = await freePort();
  const other = [await freePort(), await freePort(), await freePort()] as const;
  const server = place.start(service.command, service.args({ secure, other }), SERVER_CPU);
  try {
    await listening(secure, server);
    const client = path.join(import.meta.dirname, 'certificates/client.ts');
    const ask = async (requests: number) => {
      const args = [client, `127.0.0.1:${secure}`, files('workloads'), String(WORKLOADS), String(requests)];
      const printed = await place.run(process.execPath, args, CLIENT_CPU);
      return JSON.parse(printed.slice(printed.indexOf('{'))) as { requests: number; seconds: number };
    };
    await ask(Math.ceil(Number(values.requests) / 4));
    const before = cpuSeconds(server);
    const { requests, seconds } = await ask(Number(values.requests));
    // Each client opens its connection and asks once before time counts; that is in the processor time of both services.
    return {
      microseconds: ((cpuSeconds(server) - before) * 1e6) / (requests + WORKLOADS),
      perSecond: requests / seconds,
    };
  } catch (error) {
    throw new Error(`${service.name}: ${(error as Error).message}\n${place.lastWords()}`);
  } finally {
    await stop(server);
  }
}

const reference = process.env.REFERENCE_BIN && path.join(process.env.REFERENCE_BIN, 'pilot-discovery');
if (!reference) say('REFERENCE_BIN is not set: istiod is left out');
await prepare();
const services = chosen([own, ...(reference ? [istiod(reference)] : [])], values.only, 'service');
const measures = new Map<string, Measure[]>(services.map(({ name }) => [name, []]));
for (let round = 1; round <= Number(values.rounds); round++) {
  for (const service of services) {
    const one = await measure(service);
    measures.get(service.name)!.push(one);
    say(`round ${round}: ${service.name} ${one.microseconds.toFixed(0)} µs per certificate`);
  }
}
const cpuOf = (name: string) => median((measures.get(name) ?? []).map((m) => m.microseconds));
const rows = services.map(({ name }) => ({
  service: name,
  cpuMicrosecondsPerCertificate: cpuOf(name),
  ratioToIstiod: measures.has(BASELINE) ? cpuOf(name) / cpuOf(BASELINE) : undefined,
  certificatesPerSecond: median(measures.get(name)!.map((m) => m.perSecond)),
}));
const cells = rows.map((row) => [
  row.service,
  row.cpuMicrosecondsPerCertificate.toFixed(0),
  row.ratioToIstiod?.toFixed(2) ?? '-',
  row.certificatesPerSecond.toFixed(0),
  (1e6 / row.cpuMicrosecondsPerCertificate).toFixed(0),
]);
const HEADER = ['SERVICE', 'CPU µs/CERTIFICATE', 'RATIO TO ISTIOD', 'CERTIFICATES/s', 'OF A WHOLE PROCESSOR'];
process.stdout.write(
  values.output === 'json' ? `${JSON.stringify(rows, undefined, 2)}\n` : `${table(HEADER, cells)}\n`,
);
process.exit(0);
