import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener } from '../support/envoy-config.ts';
import { until, withoutReference } from '../support/reference.ts';
import { type Twin, twinProxies } from '../support/twin-proxies.ts';

/**
 * Attempts beside others that take long. The path is the plan: `/200@900,503@0` has the first attempt answered with 200
 * after 900 ms, and the second with 503 at once; `reset` breaks the connection, `never` says nothing.
 */

const PER_TRY = '0.8s';

async function planned(t: TestContext): Promise<number> {
  const server = http.createServer((request, response) => {
    const attempt = Number(request.headers['x-envoy-attempt-count']);
    const [what, after] = (request.url!.slice(1).split('?')[0].split(',')[attempt - 1] ?? '599@0').split('@');
    // Of the ten seconds that a request has in all, or of one try.
    const ms = Number(request.headers['x-envoy-expected-rq-timeout-ms']);
    const left = ms === 10_000 ? 'all the time' : ms > 1000 ? 'the rest of the time' : 'the time of a try';
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    if (what === 'never') return;
    const timer = setTimeout(() => {
      if (what === 'reset') request.socket.destroy();
      else response.writeHead(Number(what)).end(`attempt ${attempt} ${body}${left}`);
    }, Number(after));
    response.on('close', () => clearTimeout(timer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const hedged = { hedge_policy: { hedge_on_per_try_timeout: true } };
const retry = (fields: JsonObject = {}) => ({
  retry_policy: { retry_on: '5xx', num_retries: 1, per_try_timeout: PER_TRY, ...fields },
});

interface Case {
  readonly plan: string;
  readonly route?: JsonObject;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Status and the attempt that it is of. */
  readonly want: string;
}

const CASES: Readonly<Record<string, Case>> = {
  'the second is faster': { plan: '200@6000,200@0', want: '200 attempt 2' },
  'the first is faster after all': { plan: '200@1300,200@10000', want: '200 attempt 1' },
  'the first is bad, and the second is waited for': { plan: '503@1300,200@2400', want: '200 attempt 2' },
  'the second is bad, and the first is waited for': { plan: '200@3000,503@0', want: '200 attempt 1' },
  'both are bad': { plan: '503@2400,502@0', want: '503 attempt 1' },
  'the first is broken off': { plan: 'reset@1300,200@2400', want: '200 attempt 2' },
  'the second is broken off': { plan: '200@2400,reset@0', want: '200 attempt 1' },
  'both are broken off': { plan: 'reset@2400,reset@0', want: '503' },
  'neither answers': { plan: 'never,never', route: { timeout: '2.4s' }, want: '504' },
  'neither of three answers': {
    plan: 'never,never,never',
    route: { timeout: '4s', ...retry({ num_retries: 2 }) },
    want: '504',
  },
  'the third is fastest': {
    plan: '200@10000,200@10000,200@0',
    route: retry({ num_retries: 2 }),
    want: '200 attempt 3',
  },
  'the second is bad, the third is not': {
    plan: '200@10000,503@0,200@0',
    route: retry({ num_retries: 2 }),
    want: '200 attempt 3',
  },
  'none that could be made': { plan: '200@1300', route: retry({ num_retries: 0 }), want: '200 attempt 1' },
  'a status that is not retried wins': { plan: '404@1300,200@2400', want: '404 attempt 1' },
  'no retry policy': {
    plan: '200@1300',
    route: { retry_policy: { per_try_timeout: PER_TRY } },
    want: '200 attempt 1',
  },
  'all in time': { plan: '200@0', want: '200 attempt 1' },
  'with a body': { plan: '200@6000,200@0', body: 'hello ', want: '200 attempt 2 hello' },
  'as the request wants it': {
    plan: '200@6000,200@0',
    route: { hedge_policy: { hedge_on_per_try_timeout: false } },
    headers: { 'x-envoy-hedge-on-per-try-timeout': 'true' },
    want: '200 attempt 2',
  },
  'not, as the request wants it': {
    plan: '200@1300,200@2400',
    route: retry({ num_retries: 1, per_try_timeout: '1s' }),
    headers: { 'x-envoy-hedge-on-per-try-timeout': 'false' },
    want: '504',
  },
  'not, as the request says nothing that is known': {
    plan: '200@6000,200@0',
    headers: { 'x-envoy-hedge-on-per-try-timeout': 'maybe' },
    want: '200 attempt 2',
  },
  'retried without hedging': {
    plan: '503@0,200@0',
    route: { hedge_policy: { hedge_on_per_try_timeout: false } },
    want: '200 attempt 2',
  },
  'bad at once, and once more beside it': {
    plan: '503@0,200@6000,200@0',
    route: retry({ num_retries: 2 }),
    want: '200 attempt 3',
  },
  'nothing comes for a while': {
    plan: '200@6000,200@0',
    route: { retry_policy: { retry_on: '5xx', num_retries: 1, per_try_idle_timeout: PER_TRY } },
    want: '200 attempt 2',
  },
};
const NAMES = Object.keys(CASES);

const STATS =
  '(retry\\.)?upstream_rq_(total|completed|retry|retry_.*|timeout|per_try_timeout|per_try_idle_timeout|cancelled|rx_reset|tx_reset|.xx|200|404|50.|pending_active|active)';

test('requests are hedged as by Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    servers: { planned },
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            logFormat: '%UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_CLUSTER%',
            // What comes from inside may steer retries.
            manager: {
              use_remote_address: true,
              internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] },
            },
            virtualHost: { include_request_attempt_count: true, include_attempt_count_in_response: true },
            routes: NAMES.map((name, i) => ({
              match: { prefix: '/', headers: [{ name: 'x-case', string_match: { exact: String(i) } }] },
              route: { cluster: `c${i}`, timeout: '10s', ...hedged, ...retry(), ...CASES[name].route },
            })),
          }),
        ],
        clusters: NAMES.map((_, i) => cluster(`c${i}`, env.backend('planned'))),
      },
    }),
  });
  const ask = async (twin: Twin, name: string) => {
    const { plan, headers, body } = CASES[name];
    const i = NAMES.indexOf(name);
    const response = await fetch(`http://127.0.0.1:${twin.env.port('main')}/${plan}`, {
      headers: { 'x-case': String(i), ...headers },
      ...(body === undefined ? {} : { method: 'POST', body }),
    });
    const answer = `${response.status} ${await response.text()}`;
    // What is given up at the end is counted a turn later.
    await until(`the attempts of ${name} are over`, async () => {
      return /_active: 0$/m.test(await twin.admin(`/stats?filter=^cluster\\.c${i}\\.upstream_rq_active`));
    });
    return { answer, attempts: response.headers.get('x-envoy-attempt-count') };
  };
  const seen = async (twin: Twin) => {
    const answers = await Promise.all(NAMES.map((name) => ask(twin, name)));
    const lines = (await twin.logLines('main', NAMES.length)).sort();
    const stats = (await twin.admin(`/stats?filter=${encodeURIComponent(`^cluster\\.c\\d+\\.${STATS}`)}`)).split('\n');
    return NAMES.map((name, i) => ({
      name,
      ...answers[i],
      log: lines.filter((line) => line.endsWith(` c${i}`)),
      stats: stats.filter((line) => line.startsWith(`cluster.c${i}.`)).sort(),
    }));
  };
  const [envoy, isthmus] = await Promise.all([seen(twins.envoy), seen(twins.isthmus)]);
  for (const [i, name] of NAMES.entries()) {
    await t.test(name, () => {
      assert.ok(envoy[i].answer.startsWith(CASES[name].want), envoy[i].answer);
      assert.deepEqual(isthmus[i], envoy[i]);
    });
  }
});
