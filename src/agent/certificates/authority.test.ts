import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { certificateService, IDENTITY, SPIFFE } from '../../../test/support/certificate-service.ts';
import { scratch } from '../../../test/support/reference.ts';
import { silentLogger } from '../../base/log.ts';
import type { Issued } from '../../ca/client/issue.ts';
import { AgentMetrics } from '../status/metrics.ts';
import { Authority } from './authority.ts';

const HOUR = 3_600_000;

interface More {
  readonly current?: Issued['certificate'];
  readonly provisionedDir?: string;
  readonly token?: string;
}

async function setUp(t: TestContext, { current, provisionedDir, token }: More = {}) {
  const service = await certificateService(t);
  const tokenFile = path.join(scratch(t), 'istio-token');
  if (token !== undefined) fs.writeFileSync(tokenFile, token);
  const metrics = new AgentMetrics();
  const warnings: string[] = [];
  const authority = new Authority({
    host: '127.0.0.1',
    port: service.port,
    serverName: undefined,
    roots: undefined,
    identity: IDENTITY,
    clusterId: 'Kubernetes',
    certificates: { fileMounted: false, provisionedDir },
    tokenFile,
    resolve: (file) => file,
    current: () => current,
    metrics,
    log: { ...silentLogger, warn: (message) => void warnings.push(message) },
  });
  t.after(() => authority.close());
  return { ...service, authority, metrics, warnings };
}

test('a certificate for who this is, asked for with the token', async (t) => {
  const { authority, asked, metrics } = await setUp(t, { token: 'secret\n' });
  const { certificate, roots } = await authority.issue(HOUR);
  assert.equal(certificate.identity, SPIFFE);
  assert.match(roots, /^-----BEGIN CERTIFICATE-----/);
  const [{ headers, seconds }] = asked;
  assert.deepEqual(
    [headers.get('authorization'), headers.get('clusterid'), seconds],
    ['Bearer secret', 'Kubernetes', 3600n],
  );
  const count = (name: 'num_outgoing_requests' | 'num_failed_outgoing_requests') => metrics.get(name, 'csr');
  assert.deepEqual([count('num_outgoing_requests'), count('num_failed_outgoing_requests')], [1, undefined]);
  assert.ok((metrics.get('outgoing_latency', 'csr') ?? -1) >= 0);
});

test('without a token the certificate that there is must do; without either the token is missed', async (t) => {
  const proven = await setUp(t, { current: {} as Issued['certificate'] });
  await proven.authority.issue(HOUR);
  assert.equal(proven.asked[0].headers.has('authorization'), false);
  const bare = await setUp(t);
  await assert.rejects(bare.authority.issue(HOUR), /istio-token/);
  assert.equal(bare.asked.length, 0);
});

test('what the authority says against it is told and counted', async (t) => {
  const { authority, metrics, state } = await setUp(t, { token: 'secret' });
  state.refusal = { code: 16, message: 'who are you' };
  await assert.rejects(authority.issue(HOUR), /who are you/);
  assert.equal(metrics.get('num_failed_outgoing_requests', 'csr'), 1);
  state.refusal = undefined;
  await authority.issue(HOUR);
  assert.deepEqual(
    [metrics.get('num_outgoing_requests', 'csr'), metrics.get('num_failed_outgoing_requests', 'csr')],
    [2, 1],
  );
});

test('a provisioned certificate that cannot be read is told of, and the one that there is used', async (t) => {
  const provisionedDir = scratch(t);
  for (const name of ['cert-chain.pem', 'key.pem', 'root-cert.pem']) {
    fs.writeFileSync(path.join(provisionedDir, name), 'nonsense', { mode: 0o600 });
  }
  const { authority, warnings } = await setUp(t, { provisionedDir, current: {} as Issued['certificate'] });
  await authority.issue(HOUR);
  assert.match(warnings.join('\n'), /the certificate in PROV_CERT is not used: /);
});
