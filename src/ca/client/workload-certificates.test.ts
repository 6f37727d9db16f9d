import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { buildRoot } from '../authority/self-signed.ts';
import { until } from '../openssl.test.ts';
import { generatePrivateKey } from '../x509/keys.ts';
import { formatPem } from '../x509/pem.ts';
import type { Issued } from './issue.ts';
import type { WorkloadState } from './state.ts';
import { WorkloadCertificates, type WorkloadCertificatesOptions } from './workload-certificates.ts';

const HOUR = 3_600_000;

async function makeRoot(name: string): Promise<string> {
  const key = await generatePrivateKey('ecdsa-p256');
  return formatPem('CERTIFICATE', await buildRoot(key, [['CN', name]], 0, Date.UTC(2040, 0, 1)));
}

/** An authority that the test plays: every request waits for an answer. */
async function scene(options: Partial<WorkloadCertificatesOptions> = {}) {
  const clock = new ManualClock();
  const [rootA, rootB] = await Promise.all([makeRoot('a'), makeRoot('b')]);
  const requests: { ttlMs: number; resolve: (issued: Issued) => void; reject: (error: Error) => void }[] = [];
  let serial = 0;
  const certificates = new WorkloadCertificates({
    issue: (ttlMs) => new Promise((resolve, reject) => requests.push({ ttlMs, resolve, reject })),
    clock,
    random: () => 0.5,
    ...options,
  });
  const states: WorkloadState[] = [];
  certificates.subscribe((state) => states.push(state));
  const settle = async (act: () => void) => {
    const before = states.length;
    act();
    await until(() => states.length > before);
  };
  return {
    clock,
    certificates,
    states,
    requests,
    rootA,
    rootB,
    grant: (roots = rootA, lifeMs = 24 * HOUR, root?: string) =>
      settle(() => {
        const now = clock.now();
        const certificate = {
          key: 'k',
          chain: 'c',
          identity: 'id',
          serial: String(++serial),
          notBefore: now - 120_000,
          notAfter: now + lifeMs,
          root,
        };
        requests.shift()!.resolve({ certificate, roots });
      }),
    refuse: (message = 'no') => settle(() => requests.shift()!.reject(new Error(message))),
    /** Moves to the moment of the next attempt. */
    advanceToRenewal: () => clock.advance(certificates.nextRenewal! - clock.now()),
  };
}

test('obtains a certificate at once and renews it at half its life', async () => {
  const { clock, certificates, states, requests, rootA, grant } = await scene();
  assert.deepEqual(
    { ...certificates.state },
    {
      certificate: undefined,
      roots: '',
      lastRenewal: undefined,
      lastError: undefined,
    },
  );
  assert.equal(requests[0].ttlMs, 24 * HOUR);
  assert.equal(certificates.nextRenewal, undefined);
  const start = clock.now();
  await grant();
  assert.deepEqual([states[0].certificate?.serial, states[0].roots, states[0].lastRenewal], ['1', rootA, start]);
  assert.equal(certificates.nextRenewal, start + 12 * HOUR);
  clock.advance(12 * HOUR - 1);
  assert.equal(requests.length, 0);
  clock.advance(1);
  assert.equal(requests.length, 1);
  assert.equal(states.length, 1, 'the old one is served meanwhile');
  await grant();
  assert.deepEqual([certificates.state.certificate?.serial, certificates.state.lastRenewal], ['2', start + 12 * HOUR]);
  certificates.close();
  assert.equal(clock.pending, 0);
});

test('ratio and jitter decide when; extremes are kept in bounds', async () => {
  const share = async (options: Partial<WorkloadCertificatesOptions>, lifeMs = 100 * HOUR) => {
    const { clock, certificates, grant } = await scene(options);
    await grant(undefined, lifeMs);
    certificates.close();
    return (certificates.nextRenewal! - clock.now()) / lifeMs;
  };
  const close = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);
  close(await share({ random: () => 0 }), 0.51);
  close(await share({ random: () => 1 }), 0.49);
  close(await share({ gracePeriodRatio: 0.2, gracePeriodRatioJitter: 0 }), 0.8);
  close(await share({ gracePeriodRatio: 0.1, gracePeriodRatioJitter: 0.5, random: () => 0 }), 1);
  close(await share({ gracePeriodRatio: 1, gracePeriodRatioJitter: 0 }), 1 / (100 * 3600));
  close(await share({ gracePeriodRatio: 1, gracePeriodRatioJitter: 0 }, 1000), 0.25);
});

test('the first attempts back off, and a success starts over', async () => {
  const { clock, certificates, states, refuse, grant, advanceToRenewal } = await scene({ random: () => 1 });
  const delays: number[] = [];
  for (let i = 0; i < 8; i++) {
    await refuse(`attempt ${i}`);
    delays.push(certificates.nextRenewal! - clock.now());
    advanceToRenewal();
  }
  assert.deepEqual(delays, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  assert.equal(states[7].lastError?.message, 'attempt 7');
  assert.equal(states[7].certificate, undefined);
  await grant();
  assert.equal(certificates.state.lastError, undefined);
  advanceToRenewal();
  await refuse();
  assert.equal(certificates.nextRenewal! - clock.now(), 1000);
  certificates.close();
});

test('a failing renewal keeps the old certificate until it expires, and not longer', async () => {
  const { clock, certificates, states, requests, refuse, grant, advanceToRenewal, rootA } = await scene();
  await grant();
  const { notAfter } = certificates.state.certificate!;
  let attempts = 0;
  advanceToRenewal();
  while (clock.now() < notAfter - 60_000) {
    await refuse('authority is away');
    attempts++;
    assert.equal(certificates.state.certificate?.serial, '1');
    advanceToRenewal();
  }
  assert.ok(attempts > 1000 && attempts < 2000, `${attempts} attempts in twelve hours`);
  await refuse('authority is away');
  const seen = states.length;
  // The last attempt hangs; expiry does not wait for it.
  advanceToRenewal();
  assert.equal(requests.length, 1);
  clock.advance(notAfter - clock.now() - 1);
  assert.equal(states.length, seen);
  clock.advance(1);
  assert.deepEqual(
    [states.length, certificates.state.certificate, certificates.state.roots],
    [seen + 1, undefined, rootA],
  );
  assert.equal(certificates.state.lastError?.message, 'authority is away');
  await refuse();
  assert.ok(certificates.nextRenewal! - clock.now() <= 200, 'attempts come close together again');
  advanceToRenewal();
  await grant();
  assert.equal(certificates.state.certificate?.serial, '2');
  certificates.close();
});

test('after a sleep of the machine, in which timers stood still, what is overdue is noticed within a minute', async () => {
  let skew = 0;
  const inner = new ManualClock();
  const clock = { now: () => inner.now() + skew, setTimer: inner.setTimer.bind(inner) };
  const { certificates, requests, grant } = await scene({ clock });
  await grant();
  inner.advance(1000);
  skew = 11.9 * HOUR;
  inner.advance(60_000);
  assert.equal(requests.length, 0);
  skew = 12 * HOUR;
  inner.advance(60_000);
  assert.equal(requests.length, 1);
  certificates.close();
});

test('while the authority changes its root both are trusted, until certificates under the old one are gone', async () => {
  const { clock, certificates, states, requests, rootA, rootB, grant, advanceToRenewal } = await scene();
  await grant(rootA);
  advanceToRenewal();
  await grant(rootA + rootB);
  assert.equal(certificates.state.roots, rootA + rootB);
  advanceToRenewal();
  await grant(rootB);
  assert.equal(certificates.state.roots, rootB + rootA, 'a root that the authority no longer gives stays for a while');
  const changed = clock.now();
  const until = changed + 24 * HOUR + 120_000;
  while (clock.now() < until - 12 * HOUR) {
    advanceToRenewal();
    await grant(rootB);
    assert.equal(certificates.state.roots, rootB + rootA);
  }
  const seen = states.length;
  clock.advance(until - clock.now() - 1);
  assert.equal(certificates.state.roots, rootB + rootA);
  clock.advance(1);
  assert.deepEqual([certificates.state.roots, states.length, requests.length], [rootB, seen + 1, 0]);
  certificates.close();
});

test('a root that comes back is given again, and without overlap an old root is distrusted at once', async () => {
  const first = await scene();
  await first.grant(first.rootA);
  first.advanceToRenewal();
  await first.grant(first.rootB);
  first.advanceToRenewal();
  await first.grant(first.rootA + first.rootB);
  assert.equal(first.certificates.state.roots, first.rootA + first.rootB);
  first.certificates.close();

  const strict = await scene({ rootOverlapMs: 0 });
  await strict.grant(strict.rootA);
  strict.advanceToRenewal();
  await strict.grant(strict.rootB);
  assert.equal(strict.certificates.state.roots, strict.rootB);
  strict.certificates.close();
});

test('renewal on request happens once at a time, and nothing happens after closing', async () => {
  const { clock, certificates, states, requests, grant } = await scene();
  certificates.renew();
  assert.equal(requests.length, 1);
  await grant();
  certificates.renew();
  certificates.renew();
  assert.equal(requests.length, 1);
  certificates.close();
  const seen = states.length;
  requests[0].reject(new Error('late'));
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(48 * HOUR);
  assert.deepEqual([states.length, requests.length, clock.pending], [seen, 1, 0]);
});

test('what the mesh publishes is trusted, and its first root is the one to be under', async () => {
  const { clock, certificates, requests, rootA, rootB, grant } = await scene({ random: () => 1 });
  const life = 24 * HOUR;
  certificates.publish(rootA);
  await grant(rootA, life, rootA);
  certificates.publish(rootA + rootB);
  assert.equal(certificates.state.roots, rootA + rootB, 'both, before anything is under the new one');
  assert.equal(certificates.nextRenewal, certificates.state.renewalDue, 'no reason to hurry');
  certificates.publish(rootB + rootA);
  assert.equal(certificates.nextRenewal! - clock.now(), 2000, 'spread over two seconds');
  clock.advance(2000);
  await grant(rootB + rootA, life, rootA);
  assert.equal(certificates.nextRenewal! - clock.now(), 4000, 'the authority did not know yet');
  clock.advance(4000);
  await grant(rootB + rootA, life, rootB);
  assert.equal(certificates.nextRenewal, certificates.state.renewalDue);
  certificates.publish(rootB);
  assert.equal(certificates.state.roots, rootB, 'dropped at once, for nothing of ours is under it');
  assert.equal(requests.length, 0);
  certificates.close();
});

test('an early renewal is tried a few times only, where the order of the bundle means nothing', async () => {
  const { clock, certificates, rootA, rootB, grant } = await scene({ random: () => 1 });
  await grant(rootB + rootA, 24 * HOUR, rootA);
  certificates.publish(rootB + rootA);
  let attempts = 0;
  while (certificates.nextRenewal! < clock.now() + HOUR) {
    clock.advance(certificates.nextRenewal! - clock.now());
    await grant(rootB + rootA, 24 * HOUR, rootA);
    attempts++;
  }
  assert.equal(attempts, 4);
  certificates.close();
});

test('a bundle that comes while a certificate is asked for is newer than the answer', async () => {
  const { certificates, rootA, rootB, grant } = await scene();
  await grant(rootA + rootB, 24 * HOUR, rootB);
  certificates.renew();
  certificates.publish(rootB);
  await grant(rootA + rootB, 24 * HOUR, rootB);
  assert.equal(certificates.state.roots, rootB);
  certificates.close();
});

test('when renewal is due does not move with attempts that fail', async () => {
  const { clock, certificates, grant, refuse, advanceToRenewal } = await scene();
  await grant();
  const due = clock.now() + 12 * HOUR;
  assert.equal(certificates.state.renewalDue, due);
  advanceToRenewal();
  await refuse();
  assert.equal(certificates.state.renewalDue, due);
  advanceToRenewal();
  await grant();
  assert.ok(certificates.state.renewalDue! > due);
  certificates.close();
});

test('revocation lists are told when they change', async () => {
  const { certificates, states } = await scene();
  certificates.setRevocations(undefined);
  assert.equal(states.length, 0);
  certificates.setRevocations('crl');
  certificates.setRevocations('crl');
  certificates.setRevocations(undefined);
  assert.deepEqual(
    states.map(({ crl }) => crl),
    ['crl', undefined],
  );
  certificates.close();
});
