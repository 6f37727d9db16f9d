import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { silentLogger } from '../base/log.ts';
import { configurationProblem, type DataPlane, type DataPlaneEnd, splitLogLevel } from './data-plane/data-plane.ts';
import { envoyArguments } from './data-plane/envoy.ts';
import { terminate } from './terminate.ts';

function setUp(
  untilIdle: { minimumMs: number } | undefined,
  connections: (number | undefined | Error)[] = [],
  limitMs?: number,
) {
  const clock = new ManualClock();
  const steps: string[] = [];
  let end: (end: DataPlaneEnd) => void = () => {};
  const proxy = {
    ended: new Promise<DataPlaneEnd>((resolve) => (end = resolve)),
    drain: async (inboundOnly: boolean) => void steps.push(`drain ${inboundOnly}`),
    activeConnections: async () => {
      const count = connections.shift();
      steps.push(`connections ${count}`);
      if (count instanceof Error) throw count;
      return count;
    },
  } as unknown as DataPlane;
  let done = false;
  const options = { proxy, inboundOnly: true, drainMs: 5000, untilIdle, limitMs, log: silentLogger, clock };
  const over = terminate(options).then(() => {
    done = true;
  });
  /** Lets promises go on, then time pass. */
  const pass = async (ms: number) => {
    await new Promise(setImmediate);
    clock.advance(ms);
    await new Promise(setImmediate);
  };
  return { steps, pass, over, end, isDone: () => done, clock };
}

test('a proxy is drained for a time', async () => {
  const { steps, pass, isDone } = setUp(undefined);
  await pass(4999);
  assert.deepEqual([steps, isDone()], [['drain true'], false]);
  await pass(1);
  assert.equal(isDone(), true);
});

test('a proxy that ends by itself is not waited for', async () => {
  const { end, over } = setUp(undefined);
  end({ exitCode: 0, reason: '' });
  await over;
});

test('a proxy is drained until it has no connections', async () => {
  const { steps, pass, isDone } = setUp({ minimumMs: 3000 }, [2, new Error('away'), 1, 0]);
  await pass(2999);
  assert.deepEqual(steps.splice(0), ['drain true']);
  await pass(1);
  for (let i = 0; i < 2; i++) await pass(1000);
  assert.deepEqual([steps.splice(0), isDone()], [['connections 2', 'connections Error: away', 'connections 1'], false]);
  await pass(1000);
  assert.deepEqual([steps, isDone()], [['connections 0'], true]);
});

test('who would be killed ends before, whatever connections are left', async () => {
  const { pass, over, isDone } = setUp({ minimumMs: 0 }, Array(20).fill(3), 4500);
  for (let i = 0; i < 4; i++) await pass(1000);
  assert.equal(isDone(), false);
  await pass(500);
  await over;
});

test('nothing is waited for any more when it is over', async () => {
  const { steps, pass, over, end, clock } = setUp({ minimumMs: 0 }, Array(20).fill(3), 4500);
  await pass(1000);
  end({ exitCode: 0, reason: '' });
  await over;
  const before = steps.length;
  for (let i = 0; i < 5; i++) await pass(1000);
  assert.deepEqual([steps.length, clock.pending], [before, 0]);
});

test('a proxy that does not count is stopped, and so is one that cannot be asked', async () => {
  const unknown = setUp({ minimumMs: 0 }, [undefined]);
  await unknown.pass(0);
  await unknown.over;
  const broken = setUp({ minimumMs: 0 }, Array(20).fill(new Error('away')));
  for (let i = 0; i < 12; i++) await broken.pass(1000);
  await broken.over;
  assert.equal(broken.steps.length, 11);
});

test('what is missing of a configuration is told in the words of pilot-agent', () => {
  const of = (cdsSuccess: number, cdsRejected: number, ldsSuccess: number, ldsRejected: number) =>
    configurationProblem({ cdsSuccess, cdsRejected, ldsSuccess, ldsRejected });
  assert.equal(of(1, 3, 1, 0), undefined);
  assert.equal(
    of(0, 0, 0, 0),
    'config not received from XDS server (is Istiod running?): cds updates: 0 successful, 0 rejected; lds updates: 0 successful, 0 rejected',
  );
  assert.match(of(1, 0, 0, 0) ?? '', /^config not fully received from XDS server: cds updates: 1 successful/);
  assert.match(of(1, 0, 0, 2) ?? '', /^config received from XDS server, but was rejected: .*2 rejected$/);
});

test('the command line of Envoy', () => {
  assert.deepEqual(splitLogLevel('warning,misc:error,http:debug'), {
    level: 'warning',
    components: 'misc:error,http:debug',
  });
  const options = {
    program: 'envoy',
    bootstrapFile: './b.json',
    bootstrapOverride: undefined,
    cwd: '/',
    env: {},
    admin: { host: '127.0.0.1', port: 15000 },
    logLevel: 'warning,misc:error',
    componentLogLevel: 'http:debug',
    concurrency: 0,
    drainMs: 45_000,
    skipDeprecatedLogs: true,
    ipVersion: 'v4',
    ownPorts: [],
    log: silentLogger,
  } as const;
  const common =
    '-c ./b.json --drain-time-s 45 --drain-strategy immediate --local-address-ip-version v4 --file-flush-interval-msec 1000 ' +
    '--disable-hot-restart --allow-unknown-static-fields';
  assert.equal(
    envoyArguments(options).join(' '),
    `${common} -l warning --component-log-level misc:error --skip-deprecated-logs`,
  );
  const other = { ...options, logLevel: 'info', concurrency: 2, skipDeprecatedLogs: false, bootstrapOverride: '{}' };
  assert.equal(
    envoyArguments(other).join(' '),
    `${common.replace('./b.json', './b.json --config-yaml {}')} -l info --component-log-level http:debug --concurrency 2`,
  );
});
