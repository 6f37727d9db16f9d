// Full TLS handshakes per second through our proxy, beside Envoy, nginx and HAProxy where they are installed, in one run:
//   npm run bench handshakes -- [--scenarios ecdsa,rsa,mutual] [--only isthmus,envoy] [--seconds 4] [--rounds 3] [-o json]
// Each proxy has one worker on one processor; the clients, openssl s_time, have another. No session is resumed. What is
// compared is processor time per handshake, from /proc; handshakes per second are what came through in that time.
import { parseArgs } from 'node:util';
import type { KeyType } from '../src/ca/x509/keys.ts';
import { makeCertificates } from './proxy/certificates.ts';
import { type Contender, contenders } from './proxy/contender.ts';
import { cpuSeconds, freePort, listening, stop, Workplace, which } from './proxy/machine.ts';
import type { Certificates } from './proxy/scenario.ts';
import { chosen, median, table } from './report.ts';

const { values } = parseArgs({
  options: {
    scenarios: { type: 'string' },
    only: { type: 'string' },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    output: { type: 'string', short: 'o', default: 'text' },
  },
});

interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly keyType: KeyType;
  readonly mutual: boolean;
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'ecdsa', about: 'TLS 1.3, ECDSA P-256', keyType: 'ecdsa-p256', mutual: false },
  { name: 'rsa', about: 'TLS 1.3, RSA 2048', keyType: 'rsa-2048', mutual: false },
  { name: 'mutual', about: 'TLS 1.3, ECDSA P-256 on both sides', keyType: 'ecdsa-p256', mutual: true },
];

const PROXY_CPU = 0;
const CLIENT_CPU = 1;
/** Clients at once: while one computes, another is answered. */
const CLIENTS = 4;
/** Code that runs often is compiled again, and a machine with other work to do takes its time to come that far. */
const WARM_UP_HANDSHAKES = 2000;
const WARM_UP_AT_MOST_SECONDS = 30;
const BASELINE = 'envoy';

interface Measure {
  readonly microseconds: number;
  readonly perSecond: number;
}

const place = new Workplace();
const say = (text: string) => process.stderr.write(`${text}\n`);

/** Shakes hands for some seconds; resolves with how often. */
async function handshakes(port: number, scenario: Scenario, { cert, key }: Certificates, seconds: number) {
  const own = scenario.mutual ? ['-cert', cert, '-key', key] : [];
  const args = ['s_time', '-connect', `127.0.0.1:${port}`, '-new', '-time', String(seconds), '-tls1_3', ...own];
  const began = process.hrtime.bigint();
  const printed = await Promise.all(
    Array.from({ length: CLIENTS }, () => place.run(which('openssl')!, args, CLIENT_CPU)),
  );
  const elapsed = Number(process.hrtime.bigint() - began) / 1e9;
  const counts = printed.map((text) => Number(/^(\d+) connections in/m.exec(text)?.[1] ?? Number.NaN));
  if (counts.some((count) => !(count > 0))) throw new Error(`openssl had errors:\n${printed.join('\n')}`);
  return { count: counts.reduce((sum, count) => sum + count, 0), seconds: elapsed };
}

async function warmUp(port: number, scenario: Scenario, certs: Certificates): Promise<void> {
  let made = 0;
  for (let seconds = 0; made < WARM_UP_HANDSHAKES && seconds < WARM_UP_AT_MOST_SECONDS; seconds++)
    made += (await handshakes(port, scenario, certs, 1)).count;
}

async function measure(scenario: Scenario, contender: Contender, certs: Certificates): Promise<Measure> {
  const listen = await freePort();
  const hop = {
    listen,
    upstream: await freePort(),
    downstream: 'http1-tls' as const,
    requireClient: scenario.mutual,
    originate: false,
  };
  const [command, ...args] = contender.command(hop, certs, place);
  const proxy = place.start(command, args, PROXY_CPU);
  try {
    await listening(listen, proxy);
    await warmUp(listen, scenario, certs);
    const before = cpuSeconds(proxy);
    const { count, seconds } = await handshakes(listen, scenario, certs, Number(values.seconds));
    return { microseconds: ((cpuSeconds(proxy) - before) * 1e6) / count, perSecond: count / seconds };
  } catch (error) {
    throw new Error(`${contender.name}, ${scenario.name}: ${(error as Error).message}\n${place.lastWords()}`);
  } finally {
    await stop(proxy);
  }
}

if (which('openssl') === undefined) {
  say('openssl is not installed: its s_time makes the handshakes');
  process.exit(69);
}
const { found, missing } = contenders();
for (const name of missing)
  say(`${name} is not installed${name === 'envoy' ? ' and REFERENCE_BIN is not set' : ''}: left out`);
const proxies = chosen(found, values.only, 'proxy');
const made = new Map<KeyType, Certificates>();
const rows: object[] = [];
const cells: string[][] = [];
for (const scenario of chosen(SCENARIOS, values.scenarios, 'scenario')) {
  say(`${scenario.name}: ${scenario.about}`);
  const certs = made.get(scenario.keyType) ?? (await makeCertificates(place, scenario.keyType));
  made.set(scenario.keyType, certs);
  const measures = new Map<string, Measure[]>(proxies.map(({ name }) => [name, []]));
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const contender of proxies) {
      const one = await measure(scenario, contender, certs);
      measures.get(contender.name)!.push(one);
      say(`${scenario.name} round ${round}: ${contender.name} ${one.microseconds.toFixed(0)} µs per handshake`);
    }
  }
  const cpuOf = (name: string) => median((measures.get(name) ?? []).map((m) => m.microseconds));
  for (const { name } of proxies) {
    const microseconds = cpuOf(name);
    const ratio = measures.has(BASELINE) ? microseconds / cpuOf(BASELINE) : undefined;
    const perSecond = median(measures.get(name)!.map((m) => m.perSecond));
    const shown = { cpuMicrosecondsPerHandshake: microseconds, ratioToEnvoy: ratio, handshakesPerSecond: perSecond };
    rows.push({ scenario: scenario.name, proxy: name, ...shown });
    cells.push([
      ...[scenario.name, name, microseconds.toFixed(0), ratio?.toFixed(2) ?? '-', perSecond.toFixed(0)],
      (1e6 / microseconds).toFixed(0),
    ]);
  }
}
const HEADER = ['SCENARIO', 'PROXY', 'CPU µs/HANDSHAKE', 'RATIO TO ENVOY', 'HANDSHAKES/s', 'OF A WHOLE PROCESSOR'];
process.stdout.write(
  values.output === 'json' ? `${JSON.stringify(rows, undefined, 2)}\n` : `${table(HEADER, cells)}\n`,
);
process.exit(0);
