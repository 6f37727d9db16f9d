import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { certificateService, IDENTITY, SPIFFE } from '../../../test/support/certificate-service.ts';
import { scratch, until } from '../../../test/support/reference.ts';
import { ManualClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import type { Issued } from '../../ca/client/issue.ts';
import { readEnvironment } from '../environment/environment.ts';
import { AgentMetrics } from '../status/metrics.ts';
import { IssuedCertificates } from './issued.ts';
import { LastGoodCertificate } from './last-good.ts';

const HOUR = 3_600_000;

/** What an earlier run has kept. */
const kept = (notAfter: number, roots: string): Issued => ({
  certificate: {
    key: 'key',
    chain: 'chain',
    identity: SPIFFE,
    serial: 'kept',
    notBefore: 0,
    notAfter,
  },
  roots,
});

async function setUp(t: TestContext, keptForMs?: number) {
  const service = await certificateService(t);
  const dir = scratch(t);
  fs.mkdirSync(path.join(dir, 'var/run/secrets/tokens'), { recursive: true });
  fs.writeFileSync(path.join(dir, 'var/run/secrets/tokens/istio-token'), 'secret');
  const clock = new ManualClock(Date.now());
  const metrics = new AgentMetrics();
  const lines: string[] = [];
  const note = (message: string) => void lines.push(message);
  const log = { ...silentLogger, info: note, warn: note, error: note };
  const env = { INSTANCE_IP: '127.0.0.1', SECRET_TTL: '24h', OUTPUT_CERTS: './out' };
  const open = () => {
    const certificates = new IssuedCertificates(
      {
        environment: readEnvironment(env, 'sidecar'),
        authority: { host: '127.0.0.1', port: service.port, serverName: undefined },
        resolve: (file) => path.resolve(dir, file),
        stateDir: undefined,
        metrics,
        log,
        clock,
        random: () => 0.5,
      },
      IDENTITY,
      new LastGoodCertificate(path.join(dir, 'state'), IDENTITY, log),
      keptForMs === undefined ? undefined : kept(clock.now() + keptForMs, service.roots),
    );
    t.after(() => certificates.close());
    return certificates;
  };
  return { ...service, dir, clock, metrics, lines, open };
}

test('a certificate is asked for at once, told, written out and kept', async (t) => {
  const { dir, lines, open } = await setUp(t);
  const certificates = open();
  const { serial } = await until('a certificate', () => certificates.state.certificate);
  assert.match(lines.join('\n'), /certificate spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web is valid until/);
  for (const folder of ['out', 'state']) {
    const file = path.join(dir, folder, 'key.pem');
    await until(`${folder} is written`, () => fs.existsSync(file) || undefined);
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  }
  assert.notEqual(serial, 'kept');
  await until('what is written is told', () => certificates.output?.chain);
  const { chain } = certificates.state.certificate!;
  assert.deepEqual(certificates.output, { dir: path.join(dir, 'out'), chain, roots: certificates.state.roots });
});

test('the certificate of an earlier run stands in while the authority is away, and is replaced soon', async (t) => {
  const { clock, lines, state, open } = await setUp(t, HOUR);
  state.refusal = { code: 14, message: 'away' };
  const certificates = open();
  await until('the one that was kept', () => certificates.state.certificate?.serial === 'kept' || undefined);
  assert.match(
    lines.join('\n'),
    /no certificate from the authority \(.*away.*\): starting with the one of an earlier run/,
  );
  state.refusal = undefined;
  clock.advance(4999);
  assert.equal(certificates.state.certificate?.serial, 'kept');
  clock.advance(1);
  await until('a new one', () => certificates.state.certificate?.serial !== 'kept' || undefined);
});

test('one that has run out does not stand in', async (t) => {
  const { metrics, state, open } = await setUp(t, -1);
  state.refusal = { code: 14, message: 'away' };
  const certificates = open();
  await until('the failure', () => certificates.state.lastError);
  assert.equal(certificates.state.certificate, undefined);
  assert.equal(metrics.get('num_failed_outgoing_requests', 'csr'), 1);
});

test('attempts after the first that failed are counted as retries', async (t) => {
  const { clock, metrics, state, open } = await setUp(t);
  state.refusal = { code: 14, message: 'away' };
  const certificates = open();
  await until('the failure', () => certificates.state.lastError);
  assert.equal(metrics.get('num_outgoing_retries', 'csr'), undefined);
  const first = certificates.state.lastError;
  clock.advance(HOUR);
  await until('another failure', () => certificates.state.lastError !== first || undefined);
  assert.ok((metrics.get('num_outgoing_retries', 'csr') ?? 0) >= 1);
  state.refusal = undefined;
  clock.advance(HOUR);
  await until('a certificate', () => certificates.state.certificate);
});

test('it is renewed when somebody asks', async (t) => {
  const { open } = await setUp(t);
  const certificates = open();
  const { serial } = await until('a certificate', () => certificates.state.certificate);
  certificates.renew();
  await until('another', () => certificates.state.certificate?.serial !== serial || undefined);
});
