// Compares our proxy with Envoy, and with nginx and HAProxy where they are installed, in one run:
//   npm run bench -- [--scenarios http1,tls,mtls,http2,bulk,bulk-tls,bulk-http2] [--only isthmus,envoy] [--seconds 5] [--rounds 3] [-o json]
// Each proxy has one worker on one processor; load and backend have another. What is compared is processor time per
// request, from /proc: unlike requests per second it says the same on a busy machine. Rounds take turns.

import path from 'node:path';
import { parseArgs } from 'node:util';
import { makeCertificates } from './proxy/certificates.ts';
import { type Contender, contenders } from './proxy/contender.ts';
import { generatorOf, load } from './proxy/generator.ts';
import { cpuSeconds, freePort, listening, residentMegabytes, stop, Workplace, which } from './proxy/machine.ts';
import { type Certificates, hopsOf, SCENARIOS, type Scenario } from './proxy/scenario.ts';
import { chosen, median, table } from './report.ts';

const { values } = parseArgs({
  options: {
    scenarios: { type: 'string' },
    only: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    output: { type: 'string', short: 'o', default: 'text' },
  },
});

const PROXY_CPU = 0;
const BACKEND_CPU = 1;
const WARM_UP_SECONDS = 2;
const BASELINE = 'envoy';

interface Measure {
  readonly microseconds: number;
  readonly perSecond: number;
  readonly megabytes: number;
}

interface Row {
  readonly scenario: string;
  readonly proxy: string;
  /** Processor time per request, median of the rounds. */
  readonly cpuMicrosecondsPerRequest: number;
  /** The same divided by Envoy's; undefined without Envoy. */
  readonly ratioToEnvoy: number | undefined;
  readonly requestsPerSecond: number;
  readonly residentMegabytes: number;
}

const place = new Workplace();
const say = (text: string) => process.stderr.write(`${text}\n`);

async function startBackend(): Promise<number> {
  const port = await freePort();
  const nginx = which('nginx');
  place.write('mebibyte', 'a'.repeat(1024 * 1024));
  const file =
    nginx &&
    place.write(
      'backend.conf',
      `daemon off; master_process off; error_log stderr; pid ${place.folder}/backend.pid;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
  client_body_temp_path ${place.folder}; proxy_temp_path ${place.folder};
  fastcgi_temp_path ${place.folder}; uwsgi_temp_path ${place.folder}; scgi_temp_path ${place.folder};
  server { listen 127.0.0.1:${port}; location / { return 200 "hello\\n"; } location /mebibyte { root ${place.folder}; sendfile on; } } }
`,
    );
  const child = file
    ? place.start(nginx!, ['-c', file], BACKEND_CPU)
    : place.start(process.execPath, [path.join(import.meta.dirname, 'proxy/backend.ts'), String(port)], BACKEND_CPU);
  await listening(port, child);
  return port;
}

async function measure(
  scenario: Scenario,
  contender: Contender,
  certs: Certificates,
  backend: number,
): Promise<Measure> {
  const hops = hopsOf(scenario, [await freePort(), await freePort()], backend);
  const proxies = hops.map((hop) => {
    const [command, ...args] = contender.command(hop, certs, place);
    return place.start(command, args, PROXY_CPU);
  });
  try {
    for (const [i, hop] of hops.entries()) await listening(hop.listen, proxies[i]!);
    await load(scenario, hops[0]!.listen, WARM_UP_SECONDS, place);
    const cpu = () => proxies.reduce((sum, child) => sum + cpuSeconds(child), 0);
    const before = cpu();
    const { requests, seconds } = await load(scenario, hops[0]!.listen, Number(values.seconds), place);
    const used = cpu() - before;
    return {
      microseconds: (used * 1e6) / requests,
      perSecond: requests / seconds,
      megabytes: proxies.reduce((sum, child) => sum + residentMegabytes(child), 0),
    };
  } catch (error) {
    throw new Error(`${contender.name}, ${scenario.name}: ${(error as Error).message}\n${place.lastWords()}`);
  } finally {
    await Promise.all(proxies.map(stop));
  }
}

async function compare(scenario: Scenario, all: readonly Contender[], certs: Certificates, backend: number) {
  const measures = new Map<string, Measure[]>(all.map(({ name }) => [name, []]));
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const contender of all) {
      const one = await measure(scenario, contender, certs, backend);
      measures.get(contender.name)!.push(one);
      say(`${scenario.name} round ${round}: ${contender.name} ${one.microseconds.toFixed(1)} µs per request`);
    }
  }
  const cpuOf = (name: string) => median((measures.get(name) ?? []).map((m) => m.microseconds));
  const baseline = measures.has(BASELINE) ? cpuOf(BASELINE) : undefined;
  return all.map(({ name }): Row => {
    const own = measures.get(name)!;
    return {
      scenario: scenario.name,
      proxy: name,
      cpuMicrosecondsPerRequest: cpuOf(name),
      ratioToEnvoy: baseline === undefined ? undefined : cpuOf(name) / baseline,
      requestsPerSecond: median(own.map((m) => m.perSecond)),
      residentMegabytes: median(own.map((m) => m.megabytes)),
    };
  });
}

const HEADER = ['SCENARIO', 'PROXY', 'CPU µs/REQUEST', 'RATIO TO ENVOY', 'REQUESTS/s', 'RESIDENT MB'];
const cellsOf = (row: Row): string[] => [
  row.scenario,
  row.proxy,
  row.cpuMicrosecondsPerRequest.toFixed(1),
  row.ratioToEnvoy?.toFixed(2) ?? '-',
  row.requestsPerSecond.toFixed(0),
  row.residentMegabytes.toFixed(0),
];

const { found, missing } = contenders();
for (const name of missing)
  say(`${name} is not installed${name === 'envoy' ? ' and REFERENCE_BIN is not set' : ''}: left out`);
const scenarios = chosen(SCENARIOS, values.scenarios, 'scenario');
const proxies = chosen(found, values.only, 'proxy');
const certs = await makeCertificates(place);
const backend = await startBackend();
const rows: Row[] = [];
for (const scenario of scenarios) {
  say(`${scenario.name}: ${scenario.about}; load from ${generatorOf(scenario)}`);
  rows.push(...(await compare(scenario, proxies, certs, backend)));
}
process.stdout.write(
  values.output === 'json' ? `${JSON.stringify(rows, undefined, 2)}\n` : `${table(HEADER, rows.map(cellsOf))}\n`,
);
process.exit(0);
