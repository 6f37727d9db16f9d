import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateEntry, CertificatesResponse } from '../config/control/mesh-api.ts';
import { describe as describeRotation } from './ca-rotate.ts';
import { certificatesLine, formatCertificates, troubles } from './certs.ts';

const NOW = Date.UTC(2030, 0, 1);
const HOUR = 3_600_000;

const leaf: CertificateEntry = {
  kind: 'leaf',
  workloads: ['web.default'],
  resources: ['default'],
  name: 'spiffe://cluster.local/ns/default/sa/web',
  issuer: 'O=cluster.local',
  serial: '00112233445566778899',
  fingerprint: 'ab',
  key: 'ECDSA P-256',
  notBefore: NOW - HOUR,
  notAfter: NOW + 23 * HOUR,
  lastRenewal: NOW - HOUR,
  renewalDue: NOW + 11 * HOUR,
};
const root: CertificateEntry = {
  ...leaf,
  kind: 'root',
  name: 'O=cluster.local',
  workloads: ['a.default', 'b.default', 'web.default'],
  resources: ['ROOTCA'],
  notAfter: NOW + 24_000 * HOUR,
  lastRenewal: undefined,
};
const good: CertificatesResponse = { certificates: [leaf, root], problems: [] };
const bad: CertificatesResponse = {
  certificates: [{ ...leaf, problem: 'renewal fails: no answer' }, root],
  problems: [{ workload: 'api.default', problem: 'no answer within 3 s' }],
};

test('the table', () => {
  assert.equal(
    formatCertificates(good, NOW),
    `KIND   NAME                                       WORKLOADS     SECRETS   KEY           SERIAL             NOT AFTER          LEFT      RENEWED   STATUS
leaf   spiffe://cluster.local/ns/default/sa/web   web.default   default   ECDSA P-256   0011223344556677   2030-01-01 23:00   23h0m     60m ago   ok
root   O=cluster.local                            3 workloads   ROOTCA    ECDSA P-256   0011223344556677   2032-09-27 00:00   1000d0h   -         ok
`,
  );
  assert.match(
    formatCertificates(bad, NOW),
    /renewal fails: no answer\n.*\nerror: api\.default: no answer within 3 s\n$/,
  );
});

test('what is wrong, and the line of status', () => {
  assert.deepEqual(troubles(good), []);
  assert.deepEqual(troubles(bad), ['api.default: no answer within 3 s', 'web.default: renewal fails: no answer']);
  assert.equal(certificatesLine(good, NOW), '1 leaf, the first ends in 23h0m; none is overdue');
  assert.equal(
    certificatesLine(bad, NOW),
    '1 leaf, the first ends in 23h0m; api.default: no answer within 3 s and 1 more, see "isthmus certs"',
  );
  assert.equal(certificatesLine({ certificates: [], problems: [] }, NOW), '0 leaves; none is overdue');
  assert.match(certificatesLine(good, NOW + 24 * 3_600_000), /^1 leaf, the first expired 1h0m ago; /);
});

test('how a rotation stands', () => {
  const rotation = {
    phase: 'issue',
    startedAt: NOW - 60_000,
    phaseSince: NOW - 5000,
    old: 'O=a (1)',
    next: 'O=b (2)',
  } as const;
  assert.equal(
    describeRotation({ rotation: { ...rotation, waiting: ['web.default does not'] }, plugged: false }, NOW),
    `phase: issue, since 5s: both roots are trusted, the new authority signs
begun: 60s ago
old:   O=a (1)
new:   O=b (2)
waiting:
  web.default does not
`,
  );
  assert.match(
    describeRotation({ rotation: { ...rotation, waiting: [] }, plugged: false }, NOW),
    /Every workload has come along; "isthmus ca rotate next" goes on\.\n$/,
  );
  assert.equal(describeRotation({ rotation: undefined, plugged: false }, NOW), 'No rotation is under way.\n');
  assert.match(describeRotation({ rotation: undefined, plugged: true }, NOW), /\nThe Secret "cacerts" says/);
});
